"""The enum values that our columns know, as Gazelle published them on 2025-12-30.

Enums grow without notice. A value that is not here is stored as it came and reported, so that a person decides what
the shop's programs do with it and adds it here.
"""

from __future__ import annotations

from collections.abc import Mapping

ENUMS: Mapping[str, frozenset[str]] = {
    name: frozenset(values.split())
    for name, values in {
        "AccessLevel": "ADMIN TECHNICIAN ASSISTANT",
        "UserStatus": "ACTIVE INACTIVE",
        "ClientStatus": "ACTIVE INACTIVE PROSPECT NEW",
        "LocationType": "ADDRESS COORDINATES WHAT3WORDS",
        "ContactLocationUsageType": "STREET MAILING BILLING",
        "PianoStatus": "ACTIVE INACTIVE TEMPORARY_STORAGE UNDER_RESTORATION",
        "PianoType": "UNKNOWN GRAND SQUARE_GRAND SPINET STUDIO UPRIGHT CONSOLE DIGITAL ORGAN HARPSICHORD FORTEPIANO "
        "CLAVICHORD AUTOHARP HYBRID",
        "InvoiceStatus": "DRAFT OPEN OVERDUE PAID DELETED CANCELED",
        "InvoiceItemType": "LABOR_FIXED_RATE LABOR_HOURLY EXPENSE MILEAGE OTHER LEGACY_GROUP",
        "MasterServiceItemType": "LABOR_FIXED_RATE LABOR_HOURLY EXPENSE MILEAGE OTHER",
        "InvoicePaymentSource": "MANUAL STRIPE QUICKBOOKS_ONLINE",
        "InvoicePaymentStatus": "CANCELED DISPUTED FAILED PROCESSING REFUNDED SUCCEEDED REQUIRES_PAYMENT_METHOD "
        "REQUIRES_CONFIRMATION REQUIRES_ACTION REQUIRES_CAPTURE",
        "InvoicePaymentType": "CASH CHECK CREDIT_CARD DEBIT_CARD ACH ELECTRONIC_FUNDS_TRANSFER OTHER PAYPAL SEPA VENMO "
        "ZELLE BANCONTACT EPS GIROPAY IDEAL SOFORT P24",
        "EventType": "APPOINTMENT PERSONAL MEMO SYNCED",
        "EventStatus": "ACTIVE CANCELED NO_SHOW COMPLETE",
        "SchedulerTravelMode": "DRIVING WALKING BICYCLING TRANSIT",
        "TimelineEntryType": "CONTACT_EMAIL_AUTOMATED CONTACT_EMAIL_MANUAL CONTACT_SMS_AUTOMATED CONTACT_SMS_MANUAL "
        "CONTACT_PHONE_AUTOMATED CONTACT_PHONE_MANUAL_TALKED CONTACT_PHONE_MANUAL_MESSAGE CONTACT_POST_AUTOMATED "
        "CONTACT_POST_MANUAL CONTACT_OTHER_MANUAL ERROR_MESSAGE SYSTEM_MESSAGE USER_COMMENT SERVICE_ENTRY_AUTOMATED "
        "SERVICE_ENTRY_MANUAL APPOINTMENT APPOINTMENT_LOG INVOICE INVOICE_LOG INVOICE_PAYMENT INVOICE_SYNC "
        "PIANO_MEASUREMENT SCHEDULED_MESSAGE_EMAIL SCHEDULED_MESSAGE_SMS SCHEDULED_MESSAGE_PHONE ESTIMATE ESTIMATE_LOG "
        "SYSTEM_NOTIFICATION",
    }.items()
}

COLUMNS: Mapping[tuple[str, str], str] = {
    ("gazelle_users", "access_level"): "AccessLevel",
    ("gazelle_users", "status"): "UserStatus",
    ("gazelle_products", "type"): "MasterServiceItemType",
    ("gazelle_clients", "status"): "ClientStatus",
    ("gazelle_locations", "location_type"): "LocationType",
    ("gazelle_locations", "usage_type"): "ContactLocationUsageType",
    ("gazelle_pianos", "status"): "PianoStatus",
    ("gazelle_pianos", "type"): "PianoType",
    ("gazelle_invoices", "status"): "InvoiceStatus",
    ("gazelle_invoice_items", "item_type"): "InvoiceItemType",
    ("gazelle_invoice_payments", "source"): "InvoicePaymentSource",
    ("gazelle_invoice_payments", "status"): "InvoicePaymentStatus",
    ("gazelle_invoice_payments", "type"): "InvoicePaymentType",
    ("gazelle_appointments", "event_type"): "EventType",
    ("gazelle_appointments", "status"): "EventStatus",
    ("gazelle_appointments", "travel_mode"): "SchedulerTravelMode",
    ("gazelle_timeline_entries", "entry_type"): "TimelineEntryType",
}
"""(table, column) → the enum whose values it holds."""

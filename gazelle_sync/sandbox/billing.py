"""Products in groups, and invoices for them with their payments.

Money is in cents, quantities in hundredths, rates in thousandths of a percent.
"""

from __future__ import annotations

from gazelle_sync.sandbox.drawing import HISTORY_DAYS, Draw
from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.vocabulary import PRODUCT_GROUPS, PRODUCTS


def product_group(draw: Draw, place: int) -> Record:
    """One of the groups that products are in."""
    created, updated = draw.stamps(HISTORY_DAYS)
    name = {"fr_CA": PRODUCT_GROUPS[place], "en_US": PRODUCT_GROUPS[place]}
    flags = {"isArchived": False, "isMultiChoice": False, "estimateChecklistCount": 0}
    own = {"id": draw.id("msg"), "name": name, "order": place, "createdAt": created, "updatedAt": updated}
    return own | flags


def product(draw: Draw, place: int) -> Record:
    """A product, with a French name and mostly an English one."""
    created, updated = draw.stamps(HISTORY_DAYS)
    french, english = PRODUCTS[place % len(PRODUCTS)]
    variant = f" ({place // len(PRODUCTS) + 1})" if place >= len(PRODUCTS) else ""
    names = {"fr_CA": french + variant}
    if place % 7:
        names["en_US"] = english + variant
    return {
        "id": draw.id("mit"),
        "masterServiceGroupId": draw.made["product_groups"][place % len(PRODUCT_GROUPS)]["id"],
        "name": names,
        "description": {"fr_CA": f"{french}, main-d'œuvre comprise."} if place % 3 else {},
        "educationDescription": {},
        "amount": draw.random.randrange(2000, 60_000, 500),
        "duration": draw.random.choice((0, 30, 60, 90, 120)),
        "type": draw.random.choice(("LABOR_FIXED_RATE", "LABOR_HOURLY", "EXPENSE", "MILEAGE", "OTHER")),
        "isTuning": place % len(PRODUCTS) < 2,
        "isTaxable": place % 11 != 10,
        "isArchived": place % 9 == 8,
        "isAnyUser": True,
        "isDefault": place == 0,
        "isSelfSchedulable": False,
        "order": place,
        "createdAt": created,
        "updatedAt": updated,
    }


def invoice(draw: Draw, number: int) -> Record:
    """An invoice with its items and their taxes; the higher the number, the younger."""
    days = (draw.volume.invoices - number) / draw.volume.invoices * HISTORY_DAYS + 1.5
    piano = draw.random.choice(draw.made["pianos"])
    created = draw.ago(days)
    items = [_invoice_item(draw, place, piano, created) for place in range(draw.random.randint(1, 4))]
    sub_total = sum(item["subTotal"] for item in items)
    taxes = sum(item["taxTotal"] for item in items)
    status = draw.random.choices(("PAID", "OPEN", "OVERDUE", "DRAFT", "CANCELED"), (86, 6, 4, 2, 2))[0]
    paid = sub_total + taxes if status == "PAID" else 0
    own_id = draw.id("inv")
    made = {
        "id": own_id,
        "number": number,
        "clientId": piano["clientId"],
        "assignedToId": draw.random.choice(draw.made["users"])["id"],
        "createdById": draw.made["users"][0]["id"],
        "status": status,
        "archived": days > 1500,
        "items": items,
        "tags": ["Concert"] if draw.chance(0.05) else [],
        "subTotal": sub_total,
        "taxTotal": taxes,
        "tipTotal": 0,
        "total": sub_total + taxes,
        "paidTotal": paid,
        "dueTotal": sub_total + taxes - paid,
        "dueOn": draw.day(int(days) - 30),
        "netDays": 30,
        "notes": "Merci de votre confiance !" if draw.chance(0.5) else None,
        "clientUrl": f"https://gazelle.example/i/{own_id}",
        "acceptElectronicPayment": False,
        "acceptedElectronicPaymentMethods": [],
        "hasPaymentPending": False,
        "hasPaymentsPending": False,
        "summarize": False,
        "createdAt": created,
        "updatedAt": None if number % 997 == 3 else draw.ago(draw.random.uniform(1, days)),
    }
    return made | {"payments": [_payment(made, paid)] if paid else []}


def _payment(invoice: Record, paid: int) -> Record:
    """The one payment of a paid invoice; nothing of it is drawn, so that what else is invented stays the same."""
    paid_at = invoice["updatedAt"] or invoice["createdAt"]
    return {
        "id": invoice["id"].replace("inv_", "pay_"),
        "amount": paid,
        "tipTotal": 0,
        "type": ("CHECK", "ELECTRONIC_FUNDS_TRANSFER", "CASH", "CREDIT_CARD")[invoice["number"] % 4],
        "status": "SUCCEEDED",
        "paymentSource": "MANUAL",
        "paidAt": paid_at,
        "notes": None,
        "isStripePayment": False,
        "isSyncedToQuickbooksOnline": False,
        "createdAt": paid_at,
    }


def half_up(number: int, divisor: int) -> int:
    """A quotient as Gazelle rounds it: to the nearest whole number, and a half away from zero."""
    quotient, rest = divmod(abs(number), divisor)
    rounded = quotient + (2 * rest >= divisor)
    return rounded if number >= 0 else -rounded


def _invoice_item(draw: Draw, place: int, piano: Record, created: str) -> Record:
    product = draw.random.choice(draw.made["products"])
    # Quantities are in hundredths; two and a half hours of an hourly rate are 250.
    quantity = draw.random.choice((100, 100, 100, 150, 200, 250))
    sub_total = half_up(product["amount"] * quantity, 100)
    taxes = [
        {
            "id": draw.id("iit"),
            "taxId": tax["id"],
            "name": tax["name"],
            "rate": tax["rate"],
            "total": half_up(sub_total * tax["rate"], 100_000),
        }
        for tax in (draw.made["taxes"] if product["isTaxable"] else ())
    ]
    tax_total = sum(tax["total"] for tax in taxes)
    return {
        "id": draw.id("ini"),
        "sequenceNumber": place,
        "description": product["name"]["fr_CA"],
        "type": product["type"],
        "masterServiceItemId": product["id"],
        "pianoId": piano["id"] if place == 0 else None,
        "quantity": quantity,
        "amount": product["amount"],
        "subTotal": sub_total,
        "taxTotal": tax_total,
        "total": sub_total + tax_total,
        "taxable": product["isTaxable"],
        "billable": True,
        "taxes": taxes,
        "createdAt": created,
        "updatedAt": created,
    }

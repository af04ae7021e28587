"""What an older system left, invented: files of the four sources, each a list of rows by column."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

Rows = Sequence[Mapping[str, object]]

CLIENTS = (
    "Id CompanyName FirstName LastName Status Tags DefaultContactId Email Phone Address CreatedAt UpdatedAt ExternalId"
)
CONTACTS = "Id ClientId FirstName LastName Email Phone ExternalId"
PIANOS = "Id ClientId Make Model SerialNumber Type Year Location Notes ExternalId"
ALERTS = (
    "Id ClientId PianoId DateObservation Location AlertType Description IsResolved ResolvedDate Archived Notes "
    "RecipientEmail CreatedBy CreatedAt UpdatedAt ExternalId"
)
ALERT_CLIENTS = "AlertId_Original ClientCompanyName"
PRODUCTS = "Id Name Sku Description UnitCost RetailPrice Active CreatedAt ExternalId"
INVENTORY = "Id ProductId TechnicianId Quantity ReorderThreshold UpdatedAt"
INVOICES = "Id ClientId Number Status SubTotal Total Notes CreatedAt DueOn ExternalId"
ITEMS = "Id InvoiceId PianoId Description Quantity Amount UnitPrice Total"
APPOINTMENTS = (
    "Id ClientId TechnicianId PianoId Description AppointmentStatus EventType StartAt Duration IsAllDay Notes "
    "ConfirmedByClient ExternalId"
)
ENTRIES = "Id ClientId PianoId InvoiceId EstimateId OccurredAt EntryType Title Details UserId ExternalId"
SERVER_PRODUCTS = "ProductId Name Sku UnitCost RetailPrice Active CreatedAt"
SERVER_INVENTORY = "InventoryId ProductId TechnicianId Quantity ReorderThreshold UpdatedAt"
DISPLAYS = "ProductId DisplayNameFr DisplayNameEn Category VariantGroup VariantLabel MSLId HasCommission CommissionRate"
TRANSACTIONS = "TransactionId ProductId TechnicianId OccurredAt DeltaQty Reason"
TIMELINE = "Client ID,Type,Timestamp,Comment,System Message,Piano Token"
SCHOOL = "Local,Marque ,Numéro de série,Priorité,Notes"


def table(header: str, rows: Rows, *, delimiter: str = ",", encoding: str = "utf-8", newline: str = "\n") -> bytes:
    """A file as bytes.

    Args:
        header: Its columns, parted by commas or blanks.
        rows: Each by column; what is not said is empty.
        delimiter: Between fields.
        encoding: Of the text.
        newline: At the end of each line.
    """
    columns = header.split(",") if "," in header else header.split()
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline)
    writer.writerow(columns)
    writer.writerows([str(row.get(column, row.get(column.strip(), ""))) for column in columns] for row in rows)
    return out.getvalue().encode(encoding)


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with some files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def sqlite_set() -> dict[str, bytes]:
    """A small set of the SQLite system, with the traps that were met."""
    mark = "utf-8-sig"
    return {
        "Clients.csv": table(
            CLIENTS,
            [
                {"Id": 1, "CompanyName": "Salle Wilfrid, son historique", "Email": "a@exemple.ca", "Tags": "salle,vip"},
                {"Id": 2, "CompanyName": "École du Nord", "Phone": "514 555-0101", "Address": "1, rue du Lac"},
                {"Id": 3, "CompanyName": "", "FirstName": "", "LastName": ""},
            ],
            encoding=mark,
        ),
        "Contacts.csv": table(CONTACTS, [{"Id": 1, "ClientId": 1, "FirstName": "Zoé", "Email": "zoe@exemple.ca"}]),
        "Pianos.csv": table(
            PIANOS,
            [
                {"Id": 1, "ClientId": 1, "Make": "Yamaha", "Model": "C7", "SerialNumber": "4455667", "Year": "1990"},
                {"Id": 2, "ClientId": 99, "Make": "Kawai"},
            ],
        ),
        "Products.csv": table(
            PRODUCTS,
            [
                {"Id": 1, "Name": "Corde no 12", "Sku": "CO-12", "UnitCost": "1,25", "RetailPrice": "12.50 $"},
                {"Id": 2, "Name": "Feutre", "Sku": "", "UnitCost": "0,40", "RetailPrice": "!00$", "Active": 0},
            ],
        ),
        "Inventory.csv": table(
            INVENTORY,
            [
                {"Id": 1, "ProductId": 1, "TechnicianId": "usr_ancien", "Quantity": 7, "ReorderThreshold": 2},
                {"Id": 2, "ProductId": 2, "TechnicianId": "usr_ancien", "Quantity": 0},
            ],
        ),
        "Invoices.csv": table(
            INVOICES,
            [{"Id": 1, "ClientId": 1, "Number": "101", "Status": "UNPAID", "SubTotal": "100", "Total": "1.114,98",
              "CreatedAt": "2021-05-06 10:00:00"}],
        ),
        "InvoiceItems.csv": table(
            ITEMS, [{"Id": 1, "InvoiceId": 1, "PianoId": 1, "Description": "Accord", "UnitPrice": "100,00"}]
        ),
        "Appointments.csv": table(
            APPOINTMENTS, [{"Id": 1, "ClientId": 1, "PianoId": 1, "StartAt": "2021-07-01 09:00", "Duration": 120}]
        ),
        "TimelineEntries.csv": table(
            ENTRIES,
            [{"Id": 1, "ClientId": 1, "PianoId": 1, "OccurredAt": "44000.5", "EntryType": "note", "Details": "Usé"}],
        ),
    }  # fmt: skip


def sqlserver_set() -> dict[str, bytes]:
    """A small set of the SQL Server system."""
    return {
        "products.csv": table(
            SERVER_PRODUCTS,
            [
                {"ProductId": 1, "Name": "Corde no 12", "Sku": "CO-12", "UnitCost": "1.25", "RetailPrice": "12.50"},
                {"ProductId": 7, "Name": "Cheville", "Sku": "", "UnitCost": "0.60", "Active": "1"},
            ],
            delimiter=";",
        ),
        "display.csv": table(
            DISPLAYS,
            [{"ProductId": 7, "DisplayNameFr": "Cheville 2", "DisplayNameEn": "Tuning pin 2", "Category": "Chevilles",
              "VariantGroup": "chevilles", "VariantLabel": "no 2", "HasCommission": 1, "CommissionRate": "15"}],
            encoding="cp1252",
        ),
        "transactions.csv": table(
            TRANSACTIONS,
            [
                {"TransactionId": 1, "ProductId": 7, "TechnicianId": "usr_ancien", "OccurredAt": "2022-01-05",
                 "DeltaQty": -2, "Reason": "Utilisé"},
                {"TransactionId": 2, "ProductId": 7, "TechnicianId": "usr_ancien", "OccurredAt": "2022-02-05",
                 "DeltaQty": 12, "Reason": "Achat"},
            ],
        ),
        "inventory.csv": table(
            SERVER_INVENTORY,
            [{"InventoryId": 1, "ProductId": 7, "TechnicianId": "usr_ancien", "Quantity": 9, "ReorderThreshold": 3}],
        ),
    }  # fmt: skip

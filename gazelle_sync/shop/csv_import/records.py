"""Reads the cells of one row into a record: typed values, its ids, what it names. Pure: nothing is looked up here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from gazelle_sync.entities import IMPORTED
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.csv_import.values import Unreadable, amount, boolean, day, instant, mended, plain, whole

Cells = Mapping[str, str]
"""Column (as `kinds.column_name` names it) → what stands in the row."""

GAZELLES: Final = {
    "clients": "cli", "contacts": "con", "pianos": "(?:ins|pno)", "appointments": "evt", "invoices": "inv",
    "users": "usr", "products": "mit", "timeline": "tme",
}  # fmt: skip
"""Entity → how Gazelle's ids of it begin, as a pattern."""
OLD_PREFIX: Final = "pno_"
"""How ids of pianos began in older years: a shop's Gazelle may know one still, or not."""
TABLES: Final = {
    "clients": "gazelle_clients", "contacts": "gazelle_contacts", "pianos": "gazelle_pianos",
    "invoices": "gazelle_invoices", "invoice_items": "gazelle_invoice_items", "appointments": "gazelle_appointments",
    "timeline": "gazelle_timeline_entries", "users": "gazelle_users",
}  # fmt: skip
"""Entity → the table of its records, which have an `external_id`."""
SHORT: Final = {"timeline": "timeline_entries", "alerts": "maintenance_alerts"}
"""Entity → how its table is called in ids, where that is not its own name."""
HISTORY: Final = re.compile(r"(?i)\s*,?\s*son historique\s*$")
ALERT_KINDS: Final = {
    "housse": "housse", "cover": "housse", "alimentation": "alimentation", "power": "alimentation",
    "dampp-chaser": "alimentation", "debranche": "alimentation", "reservoir": "reservoir", "tank": "reservoir",
    "eau": "reservoir", "environnement": "environnement", "humidite": "environnement", "humidity": "environnement",
    "climat": "environnement", "temperature": "environnement",
}  # fmt: skip


class Skipped(GazelleSyncError):
    """A row that is left out by choice; the message says by which."""

    cause = "unreadable"


@dataclass(slots=True)
class Record:
    """What one row says.

    Attributes:
        old_id: What the record is called as long as Gazelle does not know it (`v4_clients_5`).
        gazelle_id: Gazelle's id of it, where the row has one.
        values: Column → value.
        names: Column → the record that it names, as entity and id: Gazelle's or an old one.
        needs: Columns without whose record the row cannot be.
        called: Column → the client that it names, where the row has its name and no id.
    """

    old_id: str
    gazelle_id: str | None
    values: dict[str, Any]
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    called: dict[str, str] = field(default_factory=dict)


def old_id(entity: str, key: str) -> str:
    """What an older system's record is called here."""
    return f"{IMPORTED}{SHORT.get(entity, entity)}_{key}"


def is_gazelles(entity: str, text: str) -> bool:
    """Whether an id is one that Gazelle gives to such records."""
    return entity in GAZELLES and re.fullmatch(rf"{GAZELLES[entity]}_\w+", text) is not None


def read(entity: str, cells: Cells, row_hash: str) -> Record:
    """The record that a row says.

    Args:
        entity: As its kind of file names it.
        cells: Of the row.
        row_hash: Of all its columns: it identifies a row that has no id of its own.

    Raises:
        Unreadable: A cell holds what it cannot be, or what is needed is missing.
        Skipped: The row is left out by choice.
    """
    return READERS[entity](_Cells(cells), row_hash)


class _Cells:
    """Reads cells by name; a message about one names its column."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def text(self, *names: str) -> str | None:
        """The first of some cells that is not empty, mended."""
        for name in names:
            if found := self._cells.get(name, "").strip():
                return mended(found)
        return None

    def get(self, convert: Callable[[str], Any], *names: str) -> Any:
        """The value of the first of some cells that is not empty."""
        for name in names:
            if found := self._cells.get(name, ""):
                try:
                    value = convert(found)
                except Unreadable as error:
                    raise Unreadable(f"{name}: {error}") from None
                if value is not None:
                    return value
        return None

    def need(self, *names: str) -> str:
        """As `text`, of what must be there."""
        if (found := self.text(*names)) is None:
            raise Unreadable(gettext("{column} is empty", column=names[0]))
        return found

    def key(self, entity: str, *names: str) -> tuple[str, str | None]:
        """The old id of the row's record, and Gazelle's where the row has it."""
        own, external = self.need(*names), self.text("externalid")
        if external is not None and is_gazelles(entity, external):
            return old_id(entity, own), external
        if is_gazelles(entity, own):
            return old_id(entity, own), own
        return old_id(entity, own), None

    def named(self, **columns: tuple[str, str]) -> dict[str, tuple[str, str]]:
        """Column → (entity, the cells that may name its record, parted by blanks): the records that the row names."""
        found = {}
        for column, (entity, names) in columns.items():
            if (text := self.text(*names.split())) is not None and text != "0":
                found[column] = entity, text if is_gazelles(entity, text) else old_id(entity, text)
        return found


def _client(cells: _Cells, _: str) -> Record:
    own, gazelles = cells.key("clients", "id", "clientid")
    company = cells.text("companyname")
    company = HISTORY.sub("", company) or company if company else None
    first, last = cells.text("firstname"), cells.text("lastname")
    email, phone = cells.text("email"), cells.text("phone")
    if not any((company, first, last, email, phone)):
        raise Unreadable(gettext("the client has no name, e-mail or telephone"))
    notes = [cells.text("personalnotes", "notes")]
    if (address := cells.text("address")) is not None:
        notes.append(f"Adresse : {address}")
    tags = cells.text("tags")
    values = {
        "company_name": company, "first_name": first, "last_name": last,
        "display_name": company or " ".join(filter(None, (first, last))) or email or phone,
        "status": cells.text("status"), "email": email, "phone": phone, "city": cells.text("city"),
        "postal_code": cells.text("postalcode"), "region": cells.text("region"),
        "tags": [tag.strip(" '\"") for tag in tags.strip("[]").split(",") if tag.strip(" '\"")] if tags else None,
        "personal_notes": "\n".join(filter(None, notes)) or None, "preference_notes": cells.text("preferencenotes"),
        "gazelle_created_at": cells.get(instant, "createdat"),
    }  # fmt: skip
    return Record(own, gazelles, values)


def _contact(cells: _Cells, _: str) -> Record:
    own, gazelles = cells.key("contacts", "contactid", "id")
    values = {
        "first_name": cells.text("firstname"), "last_name": cells.text("lastname"), "email": cells.text("email"),
        "phone": cells.text("phone"), "mobile_phone": cells.text("mobilephone"), "title": cells.text("title"),
        "role": cells.text("role"), "is_default": cells.get(boolean, "isdefault"),
        "gazelle_created_at": cells.get(instant, "createdat"),
    }  # fmt: skip
    if not any(values[name] for name in ("first_name", "last_name", "email", "phone", "mobile_phone")):
        raise Unreadable(gettext("the contact has no name, e-mail or telephone"))
    names = cells.named(client_external_id=("clients", "clientid"))
    return Record(own, gazelles, values, names, frozenset({"client_external_id"}))


def _piano(cells: _Cells, _: str) -> Record:
    own, gazelles = cells.key("pianos", "pianoid", "id")
    values = {
        "make": cells.need("make"), "model": cells.text("model"), "serial_number": cells.text("serialnumber"),
        "type": cells.text("type"), "year": cells.get(whole, "year"), "location": cells.text("location"),
        "notes": cells.text("notes"), "size": cells.text("size"), "status": cells.text("status"),
        "gazelle_created_at": cells.get(instant, "createdat"),
    }  # fmt: skip
    names = cells.named(client_external_id=("clients", "clientid"))
    return Record(own, gazelles, values, names, frozenset({"client_external_id"}))


def _school_piano(cells: _Cells, row_hash: str) -> Record:
    values = {"make": cells.text("make"), "serial_number": cells.text("serialnumber"), "room": cells.text("room")}
    if not any(values.values()):
        raise Skipped(gettext("the row is empty"))
    if values["serial_number"] is None:
        raise Unreadable(gettext("without a serial number nobody can say which piano it is"))
    return Record(old_id("school_pianos", row_hash), None, values)


def _product(cells: _Cells, _: str) -> Record:
    own, gazelles = cells.key("products", "productid", "id")
    values = {
        "name_fr": cells.need("name"), "sku": cells.text("sku"), "description": cells.text("description"),
        "unit_cost": _not_negative("unitcost", cells.get(amount, "unitcost")),
        "retail_price": cells.get(amount, "retailprice"), "active": cells.get(boolean, "active") is not False,
    }  # fmt: skip
    return Record(own, gazelles, values)


def _display(cells: _Cells, row_hash: str) -> Record:
    key = cells.text("productid", "productdisplayid")
    gazelles = cells.text("mslid")
    if gazelles is not None and not is_gazelles("products", gazelles):
        raise Unreadable(gettext("MSLId is no id of Gazelle's: {value}", value=gazelles[:60]))
    values = {
        "name_fr": cells.need("displaynamefr"), "name_en": cells.text("displaynameen"),
        "category": cells.text("category"), "variant_group": cells.text("variantgroup"),
        "variant_label": cells.text("variantlabel"),
        "has_commission": cells.get(boolean, "hascommission") or False,
        "commission_rate": _not_negative("commissionrate", cells.get(amount, "commissionrate")),
    }  # fmt: skip
    return Record(old_id("products", key or row_hash), gazelles, values)


def _not_negative(name: str, value: Decimal | None) -> Decimal | None:
    if value is not None and value < 0:
        raise Unreadable(f"{name}: " + gettext("it is less than nothing: {value}", value=value))
    return value


def _inventory(cells: _Cells, _: str) -> Record:
    key = cells.need("inventoryid", "id")
    quantity = _not_negative("quantity", cells.get(amount, "quantity"))
    values = {
        "quantity": quantity if quantity is not None else Decimal(0),
        "reorder_threshold": _not_negative("reorderthreshold", cells.get(amount, "reorderthreshold")),
        "occurred_at": cells.get(instant, "updatedat"), "technician": cells.need("technicianid"),
    }  # fmt: skip
    return Record(old_id("inventory", key), None, values, _product_named(cells), frozenset({"shop_product_id"}))


def _transaction(cells: _Cells, row_hash: str) -> Record:
    key = cells.text("transactionid", "id") or row_hash
    delta = cells.get(amount, "deltaqty")
    if not delta:
        raise Skipped(gettext("the movement changes nothing"))
    told = plain(" ".join(filter(None, (cells.text("transactiontype", "type", "kind"), cells.text("reason")))))
    kind = "purchase" if delta > 0 else "consumption"  # what the older system did not count below zero
    if delta > 0 and ("retour" in told or "return" in told):
        kind = "return"
    occurred = cells.get(instant, "occurredat")
    if occurred is None:
        raise Unreadable(gettext("{column} is empty", column="occurredat"))
    values = {
        "delta": delta, "kind": kind, "reason": cells.text("reason", "notes", "note", "transactiontype", "type"),
        "occurred_at": occurred, "technician": cells.need("technicianid"), "location": cells.text("location") or "main",
    }  # fmt: skip
    return Record(old_id("transactions", key), None, values, _product_named(cells), frozenset({"shop_product_id"}))


def _product_named(cells: _Cells) -> dict[str, tuple[str, str]]:
    cells.need("productid")
    return cells.named(shop_product_id=("products", "productid"))


def _alert_client(cells: _Cells, _: str) -> Record:
    name = cells.need("clientcompanyname")
    return Record(old_id("alerts", cells.need("alertidoriginal")), None, {"name": HISTORY.sub("", name) or name})


def _alert(cells: _Cells, _: str) -> Record:
    own, _gazelles = cells.key("alerts", "id")
    called = cells.need("alerttype")
    told = plain(called)
    kind = next((kind for word, kind in ALERT_KINDS.items() if word in told), None)
    if kind is None:
        raise Unreadable(gettext("alerttype: no kind of alert is called {value}", value=repr(called[:60])))
    observed = cells.get(day, "dateobservation")
    if observed is None:
        raise Unreadable(gettext("{column} is empty", column="dateobservation"))
    is_resolved, is_archived = cells.get(boolean, "isresolved") or False, cells.get(boolean, "archived") or False
    values = {
        "alert_type": kind, "date_observation": observed, "location": cells.text("location"),
        "description": cells.text("description"), "is_resolved": is_resolved, "archived": is_archived,
        "resolved_date": cells.get(day, "resolveddate"), "notes": cells.text("notes"),
        "recipient_email": cells.text("recipientemail"), "created_by": cells.text("createdby") or "import",
        "status": "archived" if is_archived else "resolved" if is_resolved else "open",
    }  # fmt: skip
    names = cells.named(client_external_id=("clients", "clientid"), piano_external_id=("pianos", "pianoid"))
    return Record(own, None, values, names, frozenset({"client_external_id"}), _called(cells, names))


def _called(cells: _Cells, names: Mapping[str, object]) -> dict[str, str]:
    name = cells.text("clientcompanyname")
    if name is None or "client_external_id" in names:
        return {}
    return {"client_external_id": HISTORY.sub("", name) or name}


def _invoice(cells: _Cells, _: str) -> Record:
    own, gazelles = cells.key("invoices", "invoiceid", "id")
    number = cells.need("number")
    is_plain = re.fullmatch(r"[0-9]{1,9}", number) is not None
    notes = [cells.text("notes"), None if is_plain else f"No {number}"]
    values = {
        "number": int(number) if is_plain else None, "status": cells.text("status"),
        "invoice_date": cells.get(day, "invoicedate", "date", "createdat"),
        "due_on": cells.get(day, "dueon", "duedate"),
        "sub_total": cells.get(amount, "subtotal"), "tax_total": cells.get(amount, "taxtotal"),
        "total": cells.get(amount, "total"), "paid_total": cells.get(amount, "paidtotal"),
        "due_total": cells.get(amount, "duetotal"), "notes": "\n".join(filter(None, notes)) or None,
        "gazelle_created_at": cells.get(instant, "createdat"),
    }  # fmt: skip
    names = cells.named(client_external_id=("clients", "clientid"))
    return Record(own, gazelles, values, names, frozenset({"client_external_id"}), _called(cells, names))


def _invoice_item(cells: _Cells, _: str) -> Record:
    quantity = cells.get(amount, "quantity")
    values = {
        "description": cells.text("description"), "quantity": Decimal(1) if quantity is None else quantity,
        "amount": cells.get(amount, "amount", "unitprice"), "total": cells.get(amount, "total"),
    }  # fmt: skip
    names = cells.named(invoice_external_id=("invoices", "invoiceid"), piano_external_id=("pianos", "pianoid"))
    return Record(
        old_id("invoice_items", cells.need("id")), None, values, names, frozenset(names) | {"invoice_external_id"}
    )


def _appointment(cells: _Cells, _: str) -> Record:
    own, gazelles = cells.key("appointments", "eventid", "id")
    start: datetime | None = cells.get(instant, "startat", "start", "starttime")
    if start is None:
        raise Unreadable(gettext("{column} is empty", column="startat"))
    notes = cells.text("notes", "description")
    values = {
        "title": cells.text("title", "description"), "description": notes, "notes": notes, "start_at": start,
        "appointment_date": start.date(), "appointment_time": start.time(),
        "duration_minutes": cells.get(whole, "duration"), "is_all_day": cells.get(boolean, "isallday") or False,
        "event_type": cells.text("eventtype", "type"), "status": cells.text("appointmentstatus", "status"),
        "confirmed_by_client": cells.get(boolean, "confirmedbyclient"),
        "gazelle_created_at": cells.get(instant, "createdat"),
    }  # fmt: skip
    names = cells.named(
        client_external_id=("clients", "clientid"), piano_external_id=("pianos", "pianoid"),
        technician_external_id=("users", "technicianid userid"),
    )  # fmt: skip
    return Record(own, gazelles, values, names, frozenset(names) - {"technician_external_id"})


def _timeline_entry(cells: _Cells, row_hash: str) -> Record:
    own, gazelles = (
        cells.key("timeline", "id") if cells.text("id") is not None else (old_id("timeline", row_hash), None)
    )
    occurred = cells.get(instant, "timestamp", "occurredat")
    if occurred is None:
        raise Unreadable(gettext("{column} is empty", column="timestamp"))
    values = {
        "occurred_at": occurred, "entry_type": (cells.need("type", "entrytype")).upper(),
        "title": cells.text("systemmessage", "title", "summary"), "description": cells.text("comment", "details"),
        "estimate_external_id": cells.text("estimatetoken", "estimateid"),
    }  # fmt: skip
    names = cells.named(
        client_external_id=("clients", "clientid"), piano_external_id=("pianos", "pianotoken pianoid"),
        invoice_external_id=("invoices", "invoicetoken invoiceid"), user_external_id=("users", "usertoken userid user"),
    )  # fmt: skip
    needs = frozenset(names) - {"user_external_id", "invoice_external_id"} | {"client_external_id"}
    return Record(own, gazelles, values, names, needs)


READERS: Final[Mapping[str, Callable[[_Cells, str], Record]]] = {
    "clients": _client, "contacts": _contact, "pianos": _piano, "school_pianos": _school_piano, "products": _product,
    "displays": _display, "inventory": _inventory, "transactions": _transaction, "alert_clients": _alert_client,
    "alerts": _alert, "invoices": _invoice, "invoice_items": _invoice_item, "appointments": _appointment,
    "timeline": _timeline_entry,
}  # fmt: skip
"""Entity → what reads its rows."""

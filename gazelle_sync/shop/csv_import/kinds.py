"""The kinds of files that are known: by the columns that they have, never by their names.

Columns are compared without blanks, accents, capitals and signs: `Client ID` is `clientid`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gazelle_sync.shop.csv_import.values import plain

SOURCES: Final = ("sqlite", "sqlserver", "gazelle", "school")


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        source: What it comes from.
        entity: What its rows are, by the name under which they are read (`records`).
        identifying: Columns that together identify it.
        needs: Columns without which no row can be read.
        knows: Further columns that are read.
    """

    source: str
    entity: str
    identifying: frozenset[str]
    needs: frozenset[str]
    knows: frozenset[str]


def _kind(source: str, entity: str, identifying: str, needs: str, knows: str = "") -> Kind:
    return Kind(source, entity, frozenset(identifying.split()), frozenset(needs.split()), frozenset(knows.split()))


PERSON = "firstname lastname email phone"
STAMPED = "createdat updatedat externalid"

KINDS: Final = (
    _kind(
        "sqlite", "clients", "id companyname", "id companyname",
        f"{PERSON} status tags defaultcontactid address {STAMPED}",
    ),
    _kind("sqlite", "contacts", "id clientid firstname lastname", "id clientid", f"{PERSON} {STAMPED}"),
    _kind(
        "sqlite", "pianos", "id clientid make", "id clientid make",
        f"model serialnumber type year location notes {STAMPED}",
    ),
    _kind("sqlite", "products", "id name retailprice", "id name", f"sku description unitcost active {STAMPED}"),
    _kind(
        "sqlite", "inventory", "id productid technicianid quantity", "id productid technicianid quantity",
        f"reorderthreshold {STAMPED}",
    ),
    _kind("sqlite", "alert_clients", "alertidoriginal clientcompanyname", "alertidoriginal clientcompanyname"),
    _kind(
        "sqlite", "alerts", "id alerttype dateobservation", "id clientid alerttype dateobservation",
        "pianoid location description isresolved resolveddate archived notes recipientemail createdby " + STAMPED,
    ),
    _kind(
        "sqlite", "invoices", "id clientid number total", "id clientid number",
        f"invoicedate status subtotal notes dueon {STAMPED}",
    ),
    _kind(
        "sqlite", "invoices", "id clientcompanyname number", "id clientcompanyname number",
        f"invoicedate status subtotal total notes dueon {STAMPED}",
    ),
    _kind(
        "sqlite", "invoice_items", "id invoiceid description", "id invoiceid description",
        "pianoid quantity amount unitprice total",
    ),
    _kind(
        "sqlite", "appointments", "id clientid startat", "id clientid startat",
        "technicianid pianoid title description appointmentstatus eventtype duration isallday notes "
        f"confirmedbyclient {STAMPED}",
    ),
    _kind(
        "sqlite", "timeline", "id clientid occurredat entrytype", "id clientid occurredat entrytype",
        f"pianoid invoiceid estimateid title details userid {STAMPED}",
    ),
    _kind("sqlserver", "products", "productid name sku", "productid name", "unitcost retailprice active createdat"),
    _kind(
        "sqlserver", "inventory", "inventoryid productid technicianid quantity",
        "inventoryid productid technicianid quantity", "reorderthreshold updatedat",
    ),
    _kind(
        "sqlserver", "displays", "displaynamefr displaynameen", "displaynamefr",
        "productdisplayid productid category variantgroup variantlabel mslid hascommission commissionrate displayorder",
    ),
    _kind(
        "sqlserver", "transactions", "occurredat deltaqty", "occurredat deltaqty productid technicianid",
        "transactionid id inventoryid type transactiontype kind reason notes note invoiceid invoicenumber location",
    ),
    _kind(
        "gazelle", "timeline", "clientid type timestamp comment", "clientid type timestamp",
        "systemmessage pianotoken pianoid userid user usertoken invoiceid invoicetoken estimateid estimatetoken "
        "clientname pianoname summary title",
    ),
    _kind(
        "gazelle", "contacts", "contactid clientid", "contactid clientid",
        f"{PERSON} title role mobilephone isdefault isbillingdefault {STAMPED}",
    ),
    _kind(
        "gazelle", "pianos", "pianoid clientid make", "pianoid clientid",
        f"model serialnumber type year location notes size status tags {STAMPED}",
    ),
    _kind(
        "gazelle", "invoices", "invoiceid clientid number", "invoiceid clientid number",
        f"invoicedate date status subtotal taxtotal total paidtotal duetotal notes dueon duedate {STAMPED}",
    ),
    _kind(
        "gazelle", "appointments", "eventid clientid", "eventid",
        "startat start starttime technicianid userid pianoid title type eventtype status duration isallday notes "
        f"confirmedbyclient {STAMPED}",
    ),
    _kind(
        "gazelle", "clients", "clientid companyname", "clientid",
        f"{PERSON} status tags address city postalcode region notes personalnotes preferencenotes {STAMPED}",
    ),
    _kind("gazelle", "clients", "id companyname", "id companyname", f"{PERSON} status tags address city {STAMPED}"),
    _kind("gazelle", "contacts", "id clientid firstname lastname", "id clientid", f"{PERSON} title role {STAMPED}"),
    _kind(
        "gazelle", "pianos", "id clientid make", "id clientid make",
        f"model serialnumber type year location notes {STAMPED}",
    ),
    _kind(
        "gazelle", "invoices", "id clientid number", "id clientid number",
        f"invoicedate date status subtotal taxtotal total paidtotal duetotal notes dueon duedate {STAMPED}",
    ),
    _kind(
        "gazelle", "appointments", "id clientid startat", "id startat",
        "technicianid userid pianoid title type eventtype status duration isallday notes confirmedbyclient " + STAMPED,
    ),
    _kind("school", "school_pianos", "make serialnumber", "serialnumber", "room model priority notes type year use"),
    _kind("school", "school_pianos", "room serialnumber", "serialnumber", "make model priority notes type year use"),
    _kind("school", "school_pianos", "room make priority", "make", "serialnumber model notes type year use"),
)  # fmt: skip
"""Of several kinds that fit, the one with more identifying columns is taken."""

ORDER: Final = (
    "clients", "contacts", "pianos", "school_pianos", "products", "displays", "transactions", "inventory", "invoices",
    "invoice_items", "appointments", "timeline", "alert_clients", "alerts",
)  # fmt: skip
"""In which order files are imported: what is named before what names it."""

ALIASES: Final = {
    "sqlite": {"clientidreference": "clientid", "clientcompanynamereference": "clientcompanyname"},
    "school": {
        "local": "room", "salle": "room", "emplacement": "room", "location": "room", "studio": "room",
        "marque": "make", "brand": "make", "piano": "make",
        "numerodeserie": "serialnumber", "nodeserie": "serialnumber", "nserie": "serialnumber", "serie": "serialnumber",
        "serial": "serialnumber", "serialno": "serialnumber", "numserie": "serialnumber", "noserie": "serialnumber",
        "modele": "model", "priorite": "priority", "note": "notes", "remarques": "notes", "commentaires": "notes",
        "comments": "notes", "annee": "year", "usage": "use",
    },
    "gazelle": {
        "clienttoken": "clientid", "contacttoken": "contactid", "eventtoken": "eventid", "company": "companyname",
        "occurredat": "timestamp", "entrytype": "type", "serial": "serialnumber",
    },
}  # fmt: skip


def column_name(header: str) -> str:
    """The name by which a column is known."""
    return re.sub(r"[^a-z0-9]", "", plain(header.replace("\ufeff", "")))


def columns_of(header: Sequence[str], source: str) -> tuple[str, ...]:
    """For each column of a file, the name by which it is read.

    A column that only refers (`ClientId_Reference`) stands for the one that it refers to where that one is missing.
    """
    names = [column_name(text) for text in header]
    aliases = ALIASES.get(source, {})
    refers = source == "sqlite"
    return tuple(name if refers and aliases.get(name) in names else aliases.get(name, name) for name in names)


@dataclass(frozen=True)
class DetectedKind:
    """What a file's headers say.

    Attributes:
        kind: Which kind it is.
        columns: For each column of the file, the name by which it is read.
        missing: Columns without which none of its rows can be read.
        doubled: Names that several columns have.
    """

    kind: Kind
    columns: tuple[str, ...]
    missing: tuple[str, ...]
    doubled: tuple[str, ...]


def detect_kind(header: Sequence[str], source: str | None = None) -> DetectedKind | None:
    """Which kind of file has such a header; None: no known one.

    A header that lacks an identifying column is recognized by its others where most of them are known; the missing one
    is named then. Gazelle parts the words of a column by blanks, the older systems do not.

    Args:
        header: As it is written.
        source: Only kinds of this source.
    """
    is_gazelles = any(" " in text.strip() for text in header)
    best: tuple[tuple[bool, bool, int, float], DetectedKind] | None = None
    for kind in KINDS:
        if source is not None and kind.source != source:
            continue
        columns = columns_of(header, kind.source)
        named = set(columns)
        known = named & (kind.identifying | kind.needs | kind.knows)
        is_certain = kind.identifying <= named
        if not is_certain and (len(known) < 3 or len(known) * 2 < len(named) or not kind.identifying & named):
            continue
        missing = tuple(sorted(kind.needs - named))
        if not is_certain and len(missing) > 1:
            continue
        doubled = tuple(name for name, count in Counter(columns).items() if count > 1 and name in known)
        rank = is_certain, is_gazelles == (kind.source == "gazelle"), len(known), len(known) / len(named)
        if best is None or rank > best[0]:
            best = rank, DetectedKind(kind, columns, missing, doubled)
    return best[1] if best else None

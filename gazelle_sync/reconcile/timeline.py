"""Timeline entries: everything that was noted, sent or done, ten years of it.

`measurements` is not written here: the API gives no structured reading with an entry, only text such as "23°, 47 %"
(`gazelle_sync.push.measurements` reads such text in local notes).
`duplicate_of` is not either: that an entry has a twin cannot be seen from one body.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gazelle_sync.i18n import gettext
from gazelle_sync.reconcile.pages import Columns, Uneven, ids_of, keys, read_page
from gazelle_sync.reconcile.rows import (
    PERSON,
    Body,
    FieldMap,
    ReconcileError,
    Rows,
    Values,
    columns,
    identity,
    instant,
    named,
    read,
    reference_in_record,
    text,
)

FIELDS: FieldMap = (
    ("occurred_at", "occurredAt", instant),
    ("entry_type", "type", text),
    ("title", "summary", text),
    ("description", "comment", text),
    ("client_external_id", "client", reference_in_record),
    ("piano_external_id", "piano", reference_in_record),
    ("user_external_id", "user", reference_in_record),
    ("invoice_external_id", "invoice", reference_in_record),
    ("estimate_external_id", "estimate", reference_in_record),
)

COLUMNS = ("external_id", *columns(FIELDS))


def reconcile_timeline_entry(body: Body) -> Rows:
    """One timeline entry.

    Raises:
        ReconcileError: Also when `occurredAt` is missing or null: the entry would belong to no day.
    """
    entry = read(body, FIELDS, external_id=identity(body))
    if entry.get("occurred_at") is None:
        raise ReconcileError("occurredAt: " + gettext("is missing"))
    return {"gazelle_timeline_entries": [entry]}


def timeline_page(bodies: Sequence[Body]) -> dict[str, Columns]:
    """The same for a page."""
    columns = keys(external_id=ids_of(bodies)) | read_page(bodies, FIELDS)
    if None in columns["occurred_at"][1]:
        raise Uneven
    return {"gazelle_timeline_entries": columns}


def parents_of_timeline_entry(body: Body) -> Iterator[tuple[str, Values]]:
    """The client, the piano, the user and the invoice."""
    yield from named(body, "client", "gazelle_clients", ())
    yield from named(body, "piano", "gazelle_pianos", ())
    yield from named(body, "user", "gazelle_users", PERSON)
    yield from named(body, "invoice", "gazelle_invoices", ())

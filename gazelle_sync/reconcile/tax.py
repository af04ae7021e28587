"""Taxes: the account's own table of them (`PrivateTax`). Their rates are data, never code."""

from __future__ import annotations

from gazelle_sync.reconcile.rows import Body, FieldMap, Rows, boolean, columns, identity, integer, read, text


def _is_active(value: object) -> bool:
    return text(value) == "ACTIVE"


FIELDS: FieldMap = (
    ("name", "name", text),
    # In thousandths of a percent, as Gazelle counts: 9975 is 9.975 %.
    ("rate", "rate", integer),
    ("is_default", "default", boolean),
    ("is_active", "activeOrHistorical", _is_active),
)

COLUMNS = ("external_id", *columns(FIELDS))


def reconcile_tax(body: Body) -> Rows:
    """One tax."""
    return {"gazelle_taxes": [read(body, FIELDS, external_id=identity(body))]}

"""Users: the people who hold the account, technicians among them."""

from __future__ import annotations

from gazelle_sync.reconcile.rows import PERSON, STAMPS, Body, FieldMap, Rows, boolean, columns, identity, read, text

FIELDS: FieldMap = (
    *STAMPS,
    *PERSON,
    ("email", "email", text),
    ("status", "status", text),
    ("is_schedulable", "isSchedulable", boolean),
    ("timezone", "timezone", text),
    ("access_level", "accessLevel", text),
    ("region", "region", text),
    ("color", "color", text),
)

COLUMNS = ("external_id", *columns(FIELDS))


def reconcile_user(body: Body) -> Rows:
    """One user."""
    return {"gazelle_users": [read(body, FIELDS, external_id=identity(body))]}

"""What a person means by some words: an id, a serial number, a client's name, words of a note."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.push.pushable import record_id
from gazelle_sync.settings import Settings
from gazelle_sync.shop.search.find import KINDS, Hit, find
from gazelle_sync.shop.search.index import refresh, refresh_little
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.names import names_of
from gazelle_sync.warehouse.pool import borrow, together

OF_EACH = 10
_ID = re.compile(r"[a-z]{2,5}_[\w-]+")
ENTITY_OF_KIND = {"piano": "pianos", "client": "clients", "invoice": "invoices", "note": "timeline"}


@dataclass(frozen=True)
class LookupResult:
    """What some words led to.

    Attributes:
        entity: Name of the kind of the one record that is meant; None: several are, or none.
        external_id: Its id.
        hits: Where several are meant: kind → the first of them.
    """

    entity: str | None = None
    external_id: str | None = None
    hits: dict[str, list[Hit]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A record of any kind, as production holds it.

    Attributes:
        entity: Name of its kind.
        external_id: Its id.
        values: Column → value, but for what is null.
        names: What people call it, and the records that it names.
    """

    entity: str
    external_id: str
    values: dict[str, Any]
    names: dict[str, str]


def look_up(settings: Settings, text: str) -> LookupResult:
    """The record that a person means, or what their words may mean.

    One piano among what is found is what was meant: its notes and its client hold the same words.

    Raises:
        CommandRefused: Nothing holds these words.
        DatabaseError: The database cannot be reached.
    """
    text = " ".join(text.split())
    with borrow(str(settings.database_url)) as connection:
        if _ID.fullmatch(record_id(text)) and (entity := entity_of(connection, record_id(text))) is not None:
            return LookupResult(entity.name, record_id(text))
        is_unread = connection.execute("SELECT EXISTS (SELECT FROM search_unread WHERE kind IS NULL)").fetchone()
    if is_unread == (True,):
        refresh(settings)
    else:
        refresh_little(settings)
    with borrow(str(settings.database_url)) as connection:
        hits = find(connection, text, most=OF_EACH) if text else {}
    for kind in KINDS:
        found = hits.get(kind, [])
        if len(found) == 1 and found[0].total == 1:
            return LookupResult(ENTITY_OF_KIND[kind], found[0].external_id)
        if found:
            return LookupResult(hits=hits)
    raise CommandRefused(
        gettext(
            "Nothing here holds {text}. Fewer words, or their beginnings, find more; what was just written at Gazelle "
            "comes with the next `gazelle-sync sync`.",
            text=f"«{text}»",
        )
    )


def entity_of(connection: Connection, external_id: str) -> Entity | None:
    """The kind of record that an id is of, by production or staging; None: nobody knows it."""
    query = sql.SQL(
        "SELECT EXISTS (SELECT FROM {table} WHERE external_id = %(id)s) "
        "OR EXISTS (SELECT FROM {staging} WHERE external_id = %(id)s)"
    )
    answers = together(
        connection,
        *(
            (
                query.format(table=sql.Identifier(one.table.name), staging=sql.Identifier(one.staging_table)),
                {"id": external_id},
            )
            for one in ENTITIES
        ),
    )
    return next((one for one, [(is_it,)] in zip(ENTITIES, answers, strict=True) if is_it), None)


def read_record(settings: Settings, entity: Entity, external_id: str) -> Record | None:
    """A record as production holds it, with the names of what it names; None: production does not hold it."""
    query = sql.SQL("SELECT to_jsonb(t) FROM {} AS t WHERE external_id = %s").format(sql.Identifier(entity.table.name))
    with borrow(str(settings.database_url)) as connection:
        row = connection.execute(query, [external_id]).fetchone()
        if row is None:
            return None
        values = {column: value for column, value in row[0].items() if value not in (None, "", [])}
        ids = [str(value) for column, value in values.items() if column.endswith("external_id")]
        return Record(entity.name, external_id, values, names_of(connection, ids))


def read_client(settings: Settings, external_id: str) -> dict[str, Any] | None:
    """A client with contacts and pianos; None: there is none of this id."""
    asked = {"id": external_id}
    with borrow(str(settings.database_url)) as connection:
        found, contacts, pianos = together(
            connection,
            *((statement(name), asked) for name in ("desk/client", "desk/client_contacts", "desk/client_pianos")),
        )
    if not found:
        return None
    client = dict(zip(("id", "name", "email", "phone", "city", "tags", "notes", "deleted_at"), found[0], strict=True))
    client["contacts"] = [dict(zip(("name", "role", "email", "phone"), row, strict=True)) for row in contacts]
    columns = ("id", "piano", "serial_number", "room", "status")
    client["pianos"] = [dict(zip(columns, row, strict=True)) for row in pianos]
    return client


def plain_json(value: Any) -> Any:
    """A value as JSON has it; instants in UTC."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: plain_json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

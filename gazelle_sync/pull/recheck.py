"""Bodies that would take away too much are read again by id, in the same run, before the guard sets them aside.

That repairs an answer that was damaged on its way. What stays is set aside; a later full run that reads the same by
id confirms it, where the body that was set aside said the same lists to be the same, and where Gazelle shows in the
same answers that it gives such lists at all.

A new record holds nothing that its body could take away. Where such lists came empty, its own empty list is not
believed either: it is read again too, and what stays empty beside bodies that are set aside is stored and named, and
read again by the next run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from gazelle_sync.entities import Entity
from gazelle_sync.i18n import gettext
from gazelle_sync.pull import guard
from gazelle_sync.pull.context import FULL, EntityPull
from gazelle_sync.pull.read import IDS_PER_REQUEST
from gazelle_sync.reconcile.rows import Rows
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Connections

OWN_PAGES = 10
"""Of so many records of a request the own pages of an emptied list are asked for, and of more only if that helps."""

log = get_logger("gazelle_sync.pull")

Lists = dict[str, dict[str, set[str]]]
"""Nested table → holder of a list (the record, or a contact of it) → the rows that a record's body leaves out."""


def read_losses_again(pull: EntityPull, found: guard.Losses, connections: Connections) -> set[str]:
    """Read again what the guard would set aside, and what came empty beside it, and stage what comes.

    Reading ends where a whole request changed nothing, but for what an earlier run set aside already.

    Args:
        pull: The entity's pull, its scan done.
        found: What its waiting bodies would take away.
        connections: To the database.

    Returns:
        The records of which an earlier run set aside the same, and this full run has read it by id.

    Raises:
        ApiError: Gazelle cannot be asked.
    """
    entity = pull.entity
    doubted, _ = found.evaluate({}, ())
    if not doubted:
        return set()
    gone = _by_record(doubted)
    with connections.use() as connection:
        earlier = _set_aside_before(pull, connection, list(gone)) if pull.mode in FULL else {}
        controls = _controls(connection, entity, found, gone)
        beside = list(guard.emptied_beside(connection, entity, doubted))
    log.warning("lists came emptied, reading their records again", entity=entity.name, records=len(gone))
    confirmed: set[str] = set()
    at_once = IDS_PER_REQUEST - len(controls)
    known, others = list(earlier), [external_id for external_id in gone if external_id not in earlier]
    for start in range(0, len(known), at_once):
        again = _read(pull, known[start : start + at_once], controls)
        confirmed |= {
            i for i in again.same if _is_same(entity, gone[i], earlier[i]) and again.shown.issuperset(gone[i])
        }
    for start in range(0, len(others), at_once):
        if not _read(pull, others[start : start + at_once], controls).changed:
            break
    else:
        for start in range(0, len(beside), at_once):
            _read(pull, beside[start : start + at_once], controls)
    _doubt_beside(pull, connections, confirmed)
    return confirmed


def _doubt_beside(pull: EntityPull, connections: Connections, confirmed: set[str]) -> None:
    """Let the next run read again what still comes empty beside bodies that will be set aside."""
    with connections.use() as connection:
        doubted, _ = guard.losses_of(connection, pull.entity).evaluate({}, confirmed)
        emptied = guard.emptied_beside(connection, pull.entity, doubted)
    for external_id, names in emptied.items():
        pull.failed[external_id] = gettext(
            "{names}: Gazelle sent nothing, as for the records that were set aside; it will be read again", names=names
        )


@dataclass
class _SecondReading:
    """What a second reading gave.

    Attributes:
        same: Records that say by id what their waiting body says.
        changed: Records of which another body came, which was staged.
        shown: Tables of which these answers show that Gazelle gives rows, or of which none need show it.
    """

    same: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)


def _read(pull: EntityPull, ids: list[str], controls: Mapping[str, str | None]) -> _SecondReading:
    """Read records by id, their emptied lists by their own pages, and stage what differs from what waits."""
    again = _SecondReading(shown={table.name for table in pull.entity.tables} - controls.keys())
    asked = dict.fromkeys([*ids, *(control for control in controls.values() if control is not None)])
    for part in pull.reader.by_ids(list(asked)):
        tries = OWN_PAGES
        for body in part.bodies:
            if body["id"] in ids and tries and not pull.reader.refill(body):
                tries -= 1
            rows = guard.rows_of(pull.entity, body) or {}
            again.shown |= {table for table, listed in rows.items() if listed}
        if part.answer is None:
            continue
        read = [body["id"] for body in part.bodies]
        again.changed |= set(pull.staging.write(part.bodies, part.answer, pull.staging.held_among(read))) & set(ids)
        again.same |= set(ids).intersection(read) - again.changed
    return again


def _by_record(losses: Sequence[guard.Loss]) -> dict[str, Lists]:
    gone: dict[str, Lists] = {}
    for loss in losses:
        tables = gone.setdefault(loss.external_id, {})
        if loss.place.column is None:
            tables[loss.place.table.name] = loss.lists
    return gone


def _is_same(entity: Entity, gone: Lists, earlier: Rows) -> bool:
    """Whether an earlier body said these very lists, and left out all of these rows as well.

    A body that lacked the contact said nothing of its locations, though it lacked them too.
    """
    for table in entity.tables:
        if table.name not in gone:
            continue
        if table.name not in earlier:
            return False
        parent = guard.parent_inside(entity, table)
        names = {entity.table.name, parent[1] if parent else entity.table.name}
        holders = {row["external_id"] for name in names for row in earlier[name]}
        said = {row["external_id"] for row in earlier[table.name]}
        if not all(holder in holders and ids.isdisjoint(said) for holder, ids in gone[table.name].items()):
            return False
    return bool(gone)


def _set_aside_before(pull: EntityPull, connection: Connection, ids: list[str]) -> dict[str, Rows]:
    """What earlier runs set aside of some records, as rows."""
    query = sql.SQL(statement("pull/staging_rejected")).format(staging=sql.Identifier(pull.entity.staging_table))
    found = connection.execute(query, {"ids": ids, "run_id": pull.staging.run_id}).fetchall()
    rows: dict[str, Any] = {external_id: guard.rows_of(pull.entity, body) for external_id, body in found}
    return {external_id: said for external_id, said in rows.items() if said}


def _controls(
    connection: Connection, entity: Entity, found: guard.Losses, gone: Mapping[str, Lists]
) -> dict[str, str | None]:
    """Nested table of which more goes than passes in one run → a record whose rows there are not in doubt.

    A table that would be emptied altogether has none: then another record cannot show that Gazelle gives such lists.
    """
    controls: dict[str, str | None] = {}
    for place, held in found.held.items():
        amount = sum(len(ids) for tables in gone.values() for ids in tables.get(place.table.name, {}).values())
        if place.column is not None or place.passes(amount, held):
            continue
        query = sql.SQL(statement("pull/nested_control")).format(
            table=sql.Identifier(place.table.name), owner=sql.Identifier(str(place.table.owner))
        )
        row = connection.execute(query, [list(gone)]).fetchone()
        controls[place.table.name] = row[0] if row else None
    return controls

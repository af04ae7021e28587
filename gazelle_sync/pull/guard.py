"""The guard of lists inside records: faulty answers with empty lists must not remove a shop's data.

A body takes something away where a merged column (`tags`) that holds something would become empty, and where nested
rows that we hold as living (a contact, an item) are not in it. What people do passes. Too much in one run, or a nested
list that comes empty where several rows are held, is an API's fault until it is confirmed: those bodies are set aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from gazelle_sync.entities import Entity, Table
from gazelle_sync.errors import MassEmptying, MassVanishing
from gazelle_sync.i18n import gettext
from gazelle_sync.reconcile.rows import Rows
from gazelle_sync.warehouse import pool
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Lookup, look_up, together
from gazelle_sync.warehouse.relations import how_many

LEAST_EMPTIED = 5
LEAST_VANISHED = 10
SHARE = 0.02
WHOLE_LIST = 3
"""A nested list or table of so many rows that comes empty is taken for a fault."""
BODIES_AT_ONCE = 500


Bodies = Mapping[str, tuple[str, Rows]]
"""External id → id of the staged version, and the rows of its body."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where bodies of an entity can take something away.

    Attributes:
        table: The entity's own table for a merged column, else the nested table.
        column: The merged column; None for a nested table.
    """

    table: Table
    column: str | None = None

    @property
    def name(self) -> str:
        """The column or the table, for a person."""
        return self.column or self.table.name

    def is_empty_in(self, rows: Rows) -> bool:
        """Whether a body says that there is nothing here."""
        if self.column:
            return any(row.get(self.column) == [] for row in rows[self.table.name])
        return rows.get(self.table.name) == []

    def passes(self, amount: int, held: int) -> bool:
        """Whether so much may be taken away in one run, of so many living rows: little, and not all there is."""
        is_all = amount >= max(held, WHOLE_LIST)
        return not is_all and amount <= max(LEAST_EMPTIED if self.column else LEAST_VANISHED, int(held * SHARE))


@dataclass(eq=False)
class Loss:
    """What one waiting body would take away in one place.

    Attributes:
        row_id: Of the staged version.
        external_id: Of the record.
        place: Where.
        lists: The holder of a list (the record, or a contact of it) → its living rows that would go; for a merged
            column the record itself.
        emptied: The holders whose list comes empty.
    """

    row_id: str
    external_id: str
    place: Place
    lists: dict[str, set[str]]
    emptied: set[str] = field(default_factory=set)

    @property
    def ids(self) -> set[str]:
        """Living rows that would go, of all lists."""
        return set().union(*self.lists.values())


@dataclass
class Losses:
    """What the waiting bodies of an entity would take away.

    Attributes:
        all: The losses.
        held: Living rows of each place that loses some.
        listed: Nested table → id → the records whose waiting bodies list that row and do not hold it yet: it moves.
    """

    all: list[Loss] = field(default_factory=list)
    held: dict[Place, int] = field(default_factory=dict)
    listed: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))

    def taken(self, loss: Loss, aside: Collection[str]) -> set[str]:
        """The rows that a loss takes away for good: those that another body lists only move to its record."""
        listed = self.listed[loss.place.table.name]
        return {i for i in loss.ids if not any(record not in aside for record in listed.get(i, ()))}

    def evaluate(self, removed: Mapping[str, int], confirmed: Collection[str]) -> tuple[list[Loss], dict[str, int]]:
        """Which losses must be set aside, and how much the others take away.

        Args:
            removed: Place's name → what this run has taken away there already.
            confirmed: Records of which a later full run read by id that the nested rows are gone.

        Returns:
            The losses of the bodies to set aside, and place's name → rows that this run then has taken away.
        """
        aside: set[str] = set()
        while True:
            taken = {
                loss: rows
                for loss in self.all
                # A merged column cannot be brought back as it was, a nested row can: that one needs a person.
                if (loss.place.column or loss.external_id not in confirmed) and (rows := self.taken(loss, aside))
            }
            stopped = {
                loss.external_id
                for loss, rows in taken.items()
                if any(len(loss.lists[holder] & rows) >= WHOLE_LIST for holder in loss.emptied)
            }
            sums = dict(removed)
            for place, held in self.held.items():
                of_place = {loss: len(rows) for loss, rows in taken.items() if loss.place is place}
                if not place.passes(removed.get(place.name, 0) + sum(of_place.values()), held):
                    stopped |= {loss.external_id for loss in of_place}
                passing = sum(count for loss, count in of_place.items() if loss.external_id not in aside)
                sums[place.name] = removed.get(place.name, 0) + passing
            if stopped <= aside:
                return [loss for loss in self.all if loss.external_id in aside], sums
            aside |= stopped


def losses_of(connection: Connection, entity: Entity) -> Losses:
    """What the newest waiting bodies of an entity would take away from production.

    Args:
        connection: In no transaction that must not commit.
        entity: Which.
    """
    found = Losses()
    places = places_of(entity)
    if not places:
        return found
    query = sql.SQL(statement("pull/staging_unapplied")).format(
        staging=sql.Identifier(entity.staging_table), table=sql.Identifier(entity.table.name)
    )
    after: str | None = ""
    while after is not None:
        _, batch = together(connection, long_statements(), (query, {"after": after, "most": BODIES_AT_ONCE}))
        bodies = {i: (row_id, rows) for row_id, i, body in batch if (rows := rows_of(entity, body)) is not None}
        look_up(connection, loss_lookups(entity, places, bodies, found))
        after = batch[-1][1] if len(batch) == BODIES_AT_ONCE else None
    losing = [place for place in places if any(loss.place is place for loss in found.all)]
    if losing:
        counts = (how_many(place.table.name, exactly=True) for place in losing)
        _, *held = together(connection, long_statements(), *counts)
        found.held = {place: living for place, [(living, _)] in zip(losing, held, strict=True)}
    return found


def loss_lookups(entity: Entity, places: Sequence[Place], bodies: Bodies, found: Losses) -> list[Lookup]:
    """What has to be looked up to know what bodies would take away from production, however little.

    Args:
        entity: Which.
        places: `places_of` it.
        bodies: Its bodies.
        found: The losses go there when the answers are in.
    """
    lookups = [(_emptied_columns if place.column else _vanished_rows)(entity, place, bodies, found) for place in places]
    return [lookup for lookup in lookups if lookup is not None]


def places_of(entity: Entity) -> list[Place]:
    """Where bodies of an entity can take something away."""
    places = [Place(entity.table, column) for column in entity.table.merged]
    return places + [Place(table) for table in entity.tables if table.owner is not None]


def emptied_beside(connection: Connection, entity: Entity, losses: Sequence[Loss]) -> dict[str, str]:
    """Records that lose nothing, and whose bodies came empty in the same places as those that would be set aside.

    Of a new visit no pianos are held, so only the lists of others that came with it tell that its own may lack some.

    Args:
        connection: In no transaction that must not commit.
        entity: Which.
        losses: Of the bodies to set aside.

    Returns:
        External id → what came empty, for a person.
    """
    places = list(dict.fromkeys(loss.place for loss in losses))
    if not places:
        return {}
    query = sql.SQL(statement("pull/staging_read_beside")).format(
        staging=sql.Identifier(entity.staging_table), name=sql.Literal(entity.name)
    )
    parameters = {
        "ids": list({loss.row_id for loss in losses}),
        "losing": list({loss.external_id for loss in losses}),
        "most": BODIES_AT_ONCE,
    }
    found: dict[str, str] = {}
    after: str | None = ""
    while after is not None:
        _, batch = together(connection, long_statements(), (query, {**parameters, "after": after}))
        for external_id, body in batch:
            rows = rows_of(entity, body)
            names = [place.name for place in places if rows is not None and place.is_empty_in(rows)]
            if names:
                found[external_id] = ", ".join(names)
        after = batch[-1][0] if len(batch) == BODIES_AT_ONCE else None
    return found


def rows_of(entity: Entity, body: Any) -> Rows | None:
    """The rows of a body; None where it cannot become any: stage 2 will put it in error, with the reason."""
    try:
        return entity.reconcile(body)
    except Exception:
        return None


def set_aside(connection: Connection, entity: Entity, losses: Sequence[Loss]) -> None:
    """Set bodies aside: they do not count as held, are not applied or replayed, and their records are read again."""
    by_row: dict[str, list[Loss]] = {}
    for loss in losses:
        by_row.setdefault(loss.row_id, []).append(loss)
    amounts = _amounts(losses)
    messages = [
        gettext("set aside: {reasons}", reasons=", ".join(_message(loss, amounts) for loss in of_row))
        for of_row in by_row.values()
    ]
    connection.execute(
        sql.SQL(statement("pull/staging_reject")).format(staging=sql.Identifier(entity.staging_table)),
        {"ids": list(by_row), "messages": messages},
    )


def mass_emptying(entity: Entity, losses: Sequence[Loss]) -> MassEmptying:
    """The error that names what was set aside, and what to do."""
    amounts = _amounts(losses)
    parts = [
        gettext("sent an empty list for {amount} records that had {column}", amount=amount, column=place.column)
        if place.column
        else gettext("leaves out {amount} rows of {table} that we hold", amount=amount, table=place.table.name)
        for place, amount in amounts.items()
    ]
    records = len({loss.external_id for loss in losses})
    emptied = [amount for place, amount in amounts.items() if place.column]
    kind, number = (MassEmptying, emptied[0]) if emptied else (MassVanishing, next(iter(amounts.values())))
    return kind(
        f"{entity.name}: "
        + gettext(
            "Gazelle {parts}, more than a person removes in a day. The bodies of {records} records were set "
            "aside (sync_status error) and will be read again; the others were applied. If that really was removed, "
            "run: gazelle-sync sync --full --allow-deletes --only {name}",
            name=entity.name,
            parts=gettext(" and ").join(parts),
            records=records,
        ),
        number=number,
    )


def _amounts(losses: Sequence[Loss]) -> dict[Place, int]:
    amounts: dict[Place, int] = {}
    for loss in losses:
        amounts[loss.place] = amounts.get(loss.place, 0) + len(loss.ids)
    return amounts


def _message(loss: Loss, amounts: Mapping[Place, int]) -> str:
    if loss.place.column:
        return gettext(
            "one of {amount} records whose {column} would be emptied in one run",
            amount=amounts[loss.place], column=loss.place.column,
        )  # fmt: skip
    return gettext(
        "{rows} of {amount} rows of {table} that would be removed in one run",
        rows=len(loss.ids), amount=amounts[loss.place], table=loss.place.name,
    )  # fmt: skip


def _emptied_columns(entity: Entity, place: Place, bodies: Bodies, found: Losses) -> Lookup | None:
    assert place.column is not None  # noqa: S101 - the caller looked
    empty = [i for i, (_, rows) in bodies.items() if any(r.get(place.column) == [] for r in rows[entity.table.name])]
    if not empty:
        return None
    query = sql.SQL(statement("pull/merged_held")).format(
        table=sql.Identifier(place.table.name),
        merged=sql.Identifier(place.column),
        base=sql.Identifier(place.table.merged[place.column]),
    )

    def take(held: pool.Rows) -> None:
        found.all += [Loss(bodies[i][0], i, place, {i: {i}}) for (i,) in held]

    return Lookup((query, [empty]), take)


def _vanished_rows(entity: Entity, place: Place, bodies: Bodies, found: Losses) -> Lookup | None:
    name, parent = place.table.name, parent_inside(entity, place.table)
    column = parent[0] if parent else str(place.table.owner)
    saying = {external_id: rows for external_id, (_, rows) in bodies.items() if name in rows}
    if not saying:
        return None
    query = sql.SQL(statement("pull/nested_held")).format(
        table=sql.Identifier(name),
        owner=sql.Identifier(str(place.table.owner)),
        parent=sql.Identifier(column),
        lives=_living_parents(place.table),
    )

    def take(living: pool.Rows) -> None:
        held: dict[str, dict[str, str]] = defaultdict(dict)
        for owner, external_id, list_of in living:
            held[owner][external_id] = list_of
        for owner, rows in saying.items():
            listed = {row["external_id"] for row in rows[name]}
            for external_id in listed - held[owner].keys():
                found.listed[name][external_id].add(owner)
            # What goes with a nested row that vanishes itself (a contact's locations) is said by the record's own list.
            parents = {row["external_id"] for row in rows[parent[1]]} if parent else {owner}
            gone: dict[str, set[str]] = defaultdict(set)
            for i, holder in held[owner].items():
                if i not in listed:
                    gone[holder if holder in parents else owner].add(i)
            if gone:
                emptied = (gone.keys() & parents) - {row[column] for row in rows[name]}
                found.all.append(Loss(bodies[owner][0], owner, place, gone, emptied))

    return Lookup((query, [list(saying)]), take)


def _living_parents(table: Table) -> sql.Composable:
    """A condition: whether the records are living without which a row `held` of a nested table cannot be."""
    tests = [
        sql.SQL(
            "NOT EXISTS (SELECT FROM {} AS named WHERE named.external_id = held.{} AND named.deleted_at IS NOT NULL)"
        ).format(sql.Identifier(table.references[column]), sql.Identifier(column))
        for column in table.dies_with
    ]
    return sql.SQL(" AND ").join(tests) if tests else sql.SQL("true")


def parent_inside(entity: Entity, table: Table) -> tuple[str, str] | None:
    """The column and the table of the nested rows that contain those of a table (a contact's locations), if any."""
    nested = {other.name for other in entity.tables if other.owner is not None}
    return next(((column, parent) for column, parent in table.references.items() if parent in nested), None)

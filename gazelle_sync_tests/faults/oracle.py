"""The oracle of pull cases: compares production with the sandbox, and what runs reported with what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from gazelle_sync.entities import ENTITIES, Entity, Table
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.account_editor import AccountEditor
from gazelle_sync_tests.faults.truth import MONTREAL, Row, Truth
from gazelle_sync_tests.support.shop import Shop

CANCELLED_KIND = "appointments"


@dataclass(frozen=True)
class Difference:
    """One way in which production is not what Gazelle holds.

    Attributes:
        figure: Of `figures`.
        root: Id of the record in whose body the row comes.
        words: What is wrong, for a person.
    """

    figure: str
    root: str
    words: str


class Held:
    """Production at one moment: table → id → row, all rows, deleted ones and stubs included."""

    def __init__(self, shop: Shop) -> None:
        self.tables: dict[str, dict[str, Row]] = {}
        self.twice: list[str] = []
        with psycopg.connect(shop.url, row_factory=dict_row) as connection:
            for entity in ENTITIES:
                for table in entity.tables:
                    rows = connection.execute(f"SELECT * FROM {table.name}".encode()).fetchall()  # noqa: S608
                    self.tables[table.name] = {row["external_id"]: row for row in rows}
                    if len(rows) != len(self.tables[table.name]):
                        self.twice.append(table.name)
            self.view = connection.execute("SELECT * FROM v_appointments_montreal").fetchall()
            self.restaged = [
                f"{entity.staging_table} {row['external_id']}"
                for entity in ENTITIES
                for row in connection.execute(_STAGED_TWICE.replace("{}", entity.staging_table).encode())
            ]


_STAGED_TWICE = """
SELECT external_id FROM (
    SELECT external_id, raw_data, lag(raw_data) OVER (PARTITION BY external_id ORDER BY fetched_at) AS before
    FROM {} WHERE rejected_at IS NULL AND NOT starts_with(external_id, 'without-id-')
) AS versions WHERE raw_data = before
"""


def differences(held: Held, truth: Truth, editor: AccountEditor) -> Iterator[Difference]:
    """Every way in which production is not `reconcile(everything at Gazelle)`."""
    for entity in ENTITIES:
        for table in entity.tables:
            yield from _of_table(held, truth, editor, entity, table)
    yield from (Difference(f.DOUBLED, "", f"{name}: an id stands twice") for name in held.twice)
    yield from (Difference(f.INSTANTS, root, words) for root, words in instants_off(held, truth))


def _of_table(held: Held, truth: Truth, editor: AccountEditor, entity: Entity, table: Table) -> Iterator[Difference]:
    expected, rows = truth.rows[table.name], held.tables[table.name]
    for external_id, wanted in expected.items():
        root = wanted[table.owner] if table.owner else external_id
        row = rows.get(external_id)
        if entity.name == CANCELLED_KIND and _was_never_listed(held, truth, root):
            continue
        if row is None or row["is_stub"]:
            yield Difference(f.LOST, root, f"{table.name} {external_id} is at Gazelle and not in production")
        elif row["deleted_at"] is not None:
            yield Difference(f.DELETED, root, f"{table.name} {external_id} is at Gazelle and marked deleted")
        else:
            yield from _of_row(table, root, row, wanted, editor.added.get(external_id, set()))
    for external_id, row in rows.items():
        if external_id not in expected and row["deleted_at"] is None and not row["is_stub"]:
            root = row[table.owner] if table.owner else external_id
            if table.owner is None or root in truth.stored[entity.name]:  # rows of a deleted record are not compared
                yield Difference(f.DOUBLED, root, f"{table.name} {external_id} is living and not at Gazelle")


def _was_never_listed(held: Held, truth: Truth, visit: str) -> bool:
    """Cancelled visits drop out of the list: one that was never held need not be."""
    is_cancelled = truth.stored[CANCELLED_KIND][visit]["status"] == "CANCELED"
    return is_cancelled and visit not in held.tables["gazelle_appointments"]


def _of_row(table: Table, root: str, row: Row, wanted: Row, added: set[str]) -> Iterator[Difference]:
    for column, value in wanted.items():
        found = row[column]
        if column in table.merged and added:
            found, value = set(found), set(value) | added
        if found != value:
            words = f"{table.name} {row['external_id']}.{column} is {str(found)[:60]!r}, not {str(value)[:60]!r}"
            yield Difference(f.OVERWRITTEN, root, words)


def instants_off(held: Held, truth: Truth | None) -> Iterator[tuple[str, str]]:
    """Visits whose instant, UTC date and time, or Montreal's, are not one and the same (id, words).

    With `truth`, that instant is also the one that Gazelle holds.
    """
    shown = {row["external_id"]: row for row in held.view}
    for external_id, row in held.tables["gazelle_appointments"].items():
        if row["deleted_at"] is not None:
            continue
        stored = truth.stored[CANCELLED_KIND].get(external_id) if truth else None
        start = datetime.fromisoformat(stored["start"]) if stored else row["start_at"]
        view = shown.get(external_id)
        if start is None or view is None:
            yield external_id, f"{external_id} has no start, or the view lacks it"
            continue
        utc, local = start.astimezone(UTC), start.astimezone(MONTREAL)
        is_equal = [
            row["start_at"] == start,
            (row["appointment_date"], row["appointment_time"]) == (utc.date(), utc.time()),
            view["starts_at_montreal"] == local.replace(tzinfo=None),
            view["date_montreal"] == local.date(),
            view["time_montreal"] == (None if row["is_all_day"] else local.time()),
        ]
        if not all(is_equal):
            yield external_id, f"{external_id} starts at {start} and shows {row['start_at']}, {view}"


class Before:
    """What no run may change, whether it fails or not; taken before it."""

    def __init__(self, shop: Shop) -> None:
        self._tables = {
            table.name: {
                external_id: (number, living)
                for external_id, number, living in shop.query(
                    f"SELECT external_id, id, deleted_at IS NULL FROM {table.name}"  # noqa: S608
                )
            }
            for entity in ENTITIES
            for table in entity.tables
        }

    def held(self, entity: Entity, external_id: str) -> bool:
        """Whether there was a row of a record."""
        return external_id in self._tables[entity.table.name]

    def outlived(self, held: Held, truth: Truth, editor: AccountEditor, *, runs: int = 1) -> Iterator[tuple[str, str]]:
        """Which records, integer ids and local entries did not survive so many runs: (figure, words)."""
        for entity in ENTITIES:
            for table in entity.tables:
                yield from self._of_table(held, truth, entity, table, runs)
        yield from _of_edits(held, editor)

    def _of_table(self, held: Held, truth: Truth, entity: Entity, table: Table, runs: int) -> Iterator[tuple[str, str]]:
        name = table.name
        rows = held.tables[name]
        there = truth.rows[name] if table.owner else truth.stored[entity.name]
        lost: list[str] = []
        for external_id, (number, was_living) in self._tables[name].items():
            row = rows.get(external_id)
            if row is None:
                yield f.DELETED, f"{name} {external_id}: its row is gone"
            elif row["id"] != number:
                yield f.OVERWRITTEN, f"{name} {external_id}: its integer id is another"
            elif was_living and row["deleted_at"] is not None and external_id in there:
                lost.append(external_id)
        # What a person may remove inside records in one run cannot be told from a fault; a full run brings it back.
        passes = runs * max(10, len(rows) // 50) if table.owner else 0
        lists = Counter(rows[i][_list_column(entity, table)] for i in lost) if table.owner else Counter()
        emptied = {
            one for one, count in lists.items() if count >= 3 * runs and not self._lives(held, entity, table, one)
        }
        if len(lost) > passes:
            yield from ((f.DELETED, f"{name} {i} is at Gazelle and was marked deleted") for i in lost)
        elif emptied:
            yield from ((f.DELETED, f"{name}: the whole list of {one} was marked deleted") for one in emptied)

    def _lives(self, held: Held, entity: Entity, table: Table, one: str) -> bool:
        """Whether a nested list holds a living row."""
        column = _list_column(entity, table)
        return any(row[column] == one and row["deleted_at"] is None for row in held.tables[table.name].values())


def _list_column(entity: Entity, table: Table) -> str:
    """The column that names the parent of a nested row: of a location its contact."""
    nested = {other.name for other in entity.tables if other.owner}
    return next((column for column, parent in table.references.items() if parent in nested), str(table.owner))


def _of_edits(held: Held, editor: AccountEditor) -> Iterator[tuple[str, str]]:
    tagged = held.tables["gazelle_clients"] | held.tables["gazelle_pianos"]
    for external_id, tags in editor.added.items():
        row = tagged.get(external_id)
        if row is not None and not tags <= set(row["tags"] or ()):
            yield f.OVERWRITTEN, f"{external_id}: tags that were added here are gone"
    for external_id in editor.measured:
        row = held.tables["gazelle_timeline_entries"].get(external_id)
        if row is not None and row["measurements"] != {"ici": 41}:
            yield f.OVERWRITTEN, f"{external_id}: measurements that were added here are gone"


def emptied(before: Before, held: Held, truth: Truth) -> Iterator[tuple[str, str]]:
    """Tables whose tags were emptied on more rows than the guard lets through in one run.

    A row that is new has none that could be emptied: it comes as Gazelle says it is.
    """
    for entity in ENTITIES:
        for column in entity.table.merged:
            rows = held.tables[entity.table.name]
            lost = [i for i, wanted in truth.rows[entity.table.name].items()
                    if wanted.get(column) and before.held(entity, i) and i in rows and not rows[i][column]]  # fmt: skip
            if len(lost) > max(5, len(rows) // 50):
                yield f.OVERWRITTEN, f"{entity.table.name}: {column} of {len(lost)} rows were emptied"


def unhealthy(shop: Shop) -> list[str]:
    """What a healthy full run must not leave: runs without an end, rows in error or pending."""
    found: list[Any] = shop.query("SELECT 'sync_logs', run_id FROM sync_logs WHERE status = 'running'")
    for entity in ENTITIES:
        query = f"SELECT '{entity.staging_table}', external_id FROM {entity.staging_table} WHERE "  # noqa: S608
        found += shop.query(query + "(sync_status = 'error' AND rejected_at IS NULL) OR sync_status = 'pending'")
    return [f"{table}: {name}" for table, name in found]

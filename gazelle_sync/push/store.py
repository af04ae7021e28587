"""The push's side of the database: the shop's rows, their state, the log. Everything is said about many rows at once.

`Changes` gathers what a step of the push has to write down about a row; `Store.write` writes those of a wave in one
transaction and one round trip, and where a row refuses, finds that row and writes the others. Every write into a column
that people edit says so first (`gazelle_sync.pushing`), or the triggers would take it for an edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.changes import SENDING, Changes, History, Open, Written, as_json, as_requested, statements
from gazelle_sync.push.model import Action, Row
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.rows import row_of
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, affects_every_row
from gazelle_sync.warehouse.pool import Question, together

log = get_logger("gazelle_sync.push")

ROW_LOCK_WAIT = "5s"
"""For so long a row that somebody else holds is waited for."""


class Store:
    """Reads and writes over one connection, about one table.

    Attributes:
        clock_ahead: How far the database's clock is ahead of this machine's, once a run has begun.

    Args:
        connection: Autocommit, and nobody else's meanwhile.
        pushable: The table.
        run_id: Of the Dagster run.
        grace_s: How long a request may still be at work at Gazelle whose process died.
    """

    def __init__(self, connection: Connection, pushable: Pushable, run_id: str = "", grace_s: float = 0.0) -> None:
        self.connection = connection
        self.pushable = pushable
        self.clock_ahead: timedelta | None = None
        self._run_id = run_id
        self._grace_s = grace_s

    # ---- which rows

    def due(self, keys: Sequence[str] | None = None, *, at_once: bool = False) -> list[str]:
        """Local ids of the rows that are due, the oldest edit first.

        Args:
            keys: External or local ids; None: all.
            at_once: Also those whose next try lies ahead.
        """
        found = self.connection.execute(*self.due_question(keys, at_once=at_once))
        return list(dict.fromkeys(local_id for local_id, _ in found))

    def begin(self, keys: Sequence[str] | None, *, at_once: bool) -> tuple[list[Open], list[str], list[str]]:
        """What a run begins with, in one round trip: what is in doubt, local ids of nameless rows, and of due ones.

        Rows that wait and have no state get one.
        """
        given = {"keys": list(keys) if keys is not None else None}
        [(now,)], _, opens, nameless, due = together(
            self.connection,
            ("SELECT clock_timestamp()", None),
            (self.pushable.query("adopt"), None),
            (self.pushable.query("open"), given),
            (self.pushable.query("nameless"), {"at_once": at_once}),
            self.due_question(keys, at_once=at_once),
        )
        self.clock_ahead = now - datetime.now(UTC)
        named = [one for (one,) in nameless] if self.pushable.refuses_nameless else []
        return [_open(*row) for row in opens], named, list(dict.fromkeys(one for one, _ in due))

    def due_records(self, keys: Sequence[str]) -> set[str]:
        """External ids of the rows that are due, whenever their next try is."""
        return {record or one for one, record in self.connection.execute(*self.due_question(keys, at_once=True))}

    def due_question(self, keys: Sequence[str] | None, *, at_once: bool, limit: int | None = None) -> Question:
        """The statement of `due`, to be asked with others."""
        given = {
            "keys": list(keys) if keys is not None else None, "at_once": at_once, "limit": limit,
            "creates": self.pushable.creates,
        }  # fmt: skip
        return self.pushable.query("due"), given

    def is_due(self) -> bool:
        """Whether there is anything to do, be it only to say what is wrong with a row that names no record."""
        if self.connection.execute(*self.due_question(None, at_once=False, limit=1)).fetchone() is not None:
            return True
        return bool(self.pushable.refuses_nameless and self.nameless(at_once=False))

    def nameless(self, *, at_once: bool) -> list[str]:
        """Local ids of rows of which nobody can tell which record they speak of."""
        return [one for (one,) in self.connection.execute(self.pushable.query("nameless"), {"at_once": at_once})]

    def record_states(self, keys: Sequence[str]) -> list[tuple[str, bool, datetime | None]]:
        """Of records that have a row: external id, whether it is hidden, and since when Gazelle has what it says."""
        return list(self.connection.execute(self.pushable.query("standing"), {"keys": list(keys)}))

    def load(self, ids: Sequence[str]) -> list[Row]:
        """Rows by local id, in that order; of those that were deleted here, what is left of them, if anything is."""
        names = self.pushable.columns
        columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in names)
        given = {"ids": list(ids)}
        loaded, deleted = together(
            self.connection,
            (self.pushable.query("load", columns=columns), given),
            (self.pushable.query("deleted"), given),
        )
        found = {
            local_id: Row(
                record or "", {}, deleted_at, revision=revision, attempts=attempts, local_id=local_id, is_deleted=True
            )
            for local_id, record, deleted_at, revision, attempts in deleted
        }
        for is_twin, *values in loaded:
            row = row_of(tuple(values), self.pushable)
            found[row.local_id] = (
                replace(row, faults={self.pushable.record_key: ("twins", row.key)}) if is_twin else row
            )
        return [found[one] for one in dict.fromkeys(ids) if one in found]

    def named(self, records: Sequence[str]) -> set[str]:
        """Which of some records a row names already."""
        return {one for (one,) in self.connection.execute(self.pushable.query("named"), {"records": list(records)})}

    # ---- the log

    def sent_before(self, actions: Iterable[tuple[Row, Action]]) -> dict[str, datetime]:
        """Key of a create → since when the same edit is at Gazelle (its row was deleted here, and came back)."""
        asked = [
            {
                "key": action.key, "record": row.name, "action": action.name, "settles": dict(action.settles),
                "is_first": not any(row.generation(fact) for fact in action.settles),
            }
            for row, action in actions
            if action.is_create
        ]  # fmt: skip
        if not asked:
            return {}
        return dict(self.connection.execute(self.pushable.query("sent"), {"actions": as_json(asked)}).fetchall())

    def shared_doubts(self, shared: Sequence[str]) -> list[tuple[str, str, datetime]]:
        """What is shared, external id and until when: actions that make the same, and may still arrive.

        What this run is just sending is no doubt yet.
        """
        if not shared:
            return []
        given = {"shared": list(shared), "run_id": self._run_id, "sending": SENDING}
        found = self.connection.execute(self.pushable.query("shared_doubt"), given)
        return [(what, record, until.astimezone(UTC)) for what, record, until in found]

    def open(self, keys: Sequence[str] | None) -> list[Open]:
        """What earlier runs left in doubt; the caller holds the push's lock, so none of it is under way."""
        given = {"keys": list(keys) if keys is not None else None}
        return [_open(*row) for row in self.connection.execute(self.pushable.query("open"), given)]

    def history(self, records: Sequence[str]) -> History:
        """What actions that are still at Gazelle said of records (external ids)."""
        found = self.connection.execute(self.pushable.query("history"), {"records": list(records)})
        return History([(log_id, record, *as_requested(request)[:2]) for log_id, record, request in found])

    def parents(self, ids: Sequence[str]) -> set[str]:
        """Which of some rows (local ids) have rows under them whose records are there; this table is that of those."""
        found = self.connection.execute(self.pushable.query("children"), {"parents": list(ids)})
        return {one for (one,) in found}

    # ---- writing

    def write(self, changes: Sequence[Changes]) -> Written:
        """Write down what is known about rows, all of a row or nothing.

        Raises:
            psycopg.Error: What would stop every row.
        """
        written = Written()
        if not changes:
            return written
        try:
            self._write(changes, written)
        except psycopg.Error as error:
            self._roll_back()
            if affects_every_row(error):
                raise
            if len(changes) == 1:
                written.refused[changes[0].row.local_id] = error
                return written
            middle = len(changes) // 2
            for half in (changes[:middle], changes[middle:]):
                part = self.write(half)
                written.bases |= part.bases
                written.followed |= part.followed
                written.until |= part.until
                written.refused |= part.refused
        return written

    def fail(self, ids: Sequence[str], reason: str, *, is_outage: bool = False) -> None:
        """Say in rows why they did not go, whatever they say by now; a row that refuses even that stops no other."""
        rows = [Row("", {}, datetime.now(UTC), local_id=one) for one in ids]
        self.refuse([Changes(row, failed=reason, is_outage=is_outage, at_any_revision=True) for row in rows])

    def refuse(self, changes: Sequence[Changes]) -> None:
        """As `write`, where a row that refuses to be marked is only told to the log file."""
        for local_id, error in self.write(changes).refused.items():
            log.warning("a row refuses to be marked", record=local_id, reason=error.diag.message_primary)

    def _write(self, changes: Sequence[Changes], written: Written) -> None:
        intents = [(one, intent) for one in changes for intent in one.intents]
        questions = statements(changes, self.pushable, run_id=self._run_id, grace_s=self._grace_s)
        if not questions:
            return
        is_pushing = any(one.follows or one.created or one.uncreated for one in changes)
        text = "SELECT set_config('lock_timeout', %s, true), set_config('gazelle_sync.pushing', %s, true)"
        begin: Question = (text, [ROW_LOCK_WAIT, "on" if is_pushing else "off"])
        _, *answers = together(self.connection, begin, *questions.values())
        found = dict(zip(questions, answers, strict=True))
        for (_, intent), (log_id,) in zip(intents, sorted(found.get("intents", [])), strict=True):
            intent.log_id = log_id
        written.bases |= dict([*found.get("settled", []), *found.get("agreed", [])])
        written.until |= {log_id: until.astimezone(UTC) for log_id, until in found.get("ends", []) if until}
        written.followed |= {one for name, rows in found.items() if name.startswith("follow ") for (one,) in rows}

    def _roll_back(self) -> None:
        if not self.connection.closed:
            self.connection.rollback()


def _open(
    log_id: int, local_id: str | None, record: str, name: str, column: str | None, request: Any, wait_s: float | None,
    until: datetime | None, stamp: str | None,
) -> Open:  # fmt: skip
    ends = until.astimezone(UTC) if until else None
    return Open(
        log_id, local_id or record, record, name, column or "", *as_requested(request), wait_s or 0.0, ends,
        parse_instant(stamp),
    )  # fmt: skip

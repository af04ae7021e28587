"""The push's side of the database: the shop's rows, their state, the log. Everything is said about many rows at once.

`Changes` gathers what a step of the push has to write down about a row; `Store.write` writes those of a wave in one
transaction and one round trip, and where a row refuses, finds that row and writes the others. Every write into a column
that people edit says so first (`gazelle_sync.pushing`), or the triggers would take it for an edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import psycopg
from psycopg import sql

from gazelle_sync.push.changes import SENDING, Changes, Logged, Written, as_json, statements
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Action, Row
from gazelle_sync.push.pushable import Pushable, Verdict
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.rows import read_row
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, affects_every_row
from gazelle_sync.warehouse.pool import Question, Rows, together

log = get_logger("gazelle_sync.push")

MOST_DELETIONS, MOST_DELETED = 10, 0.02
"""So many rows, or that share of a table, are deleted without a question; see `Store.kept`."""
ROW_LOCK_WAIT = "5s"
"""For so long a row that somebody else holds is waited for."""


class Kept(NamedTuple):
    """Rows that stay here, for one reason.

    Attributes:
        reason: Why.
        ids: Local ids.
        untold: Those of them that do not say so yet.
        told_as: How they are told of: one by one, or as one.
        is_outage: Whether that is no failure of theirs: they are looked at again with each push.
    """

    reason: str
    ids: Sequence[str]
    untold: Sequence[str]
    told_as: Sequence[str]
    is_outage: bool = False


@dataclass
class Store:
    """Reads and writes over one connection, about one table.

    Attributes:
        connection: Autocommit, and nobody else's meanwhile.
        pushable: The table.
        run_id: Of the Dagster run.
        grace_s: How long a request may still be at work at Gazelle whose process died.
        language: Of what rows are told, `en` or `fr`.
        verdicts: Local id → what is said of a row by what is known here, once `sort_out` was asked.
    """

    connection: Connection
    pushable: Pushable
    run_id: str = ""
    grace_s: float = 0.0
    language: str = "en"
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @cached_property
    def clock_ahead(self) -> timedelta:
        """How far the database's clock is ahead of this machine's."""
        now: datetime
        [(now,)] = self.connection.execute("SELECT clock_timestamp()")
        return now - datetime.now(UTC)

    # ---- which rows

    def due(self, keys: list[str] | None = None, *, at_once: bool = False) -> dict[str, str | None]:
        """Local id of each row that is due → the external id that it names, the oldest edit first.

        Args:
            keys: External or local ids; None: all.
            at_once: Also those whose next try lies ahead.
        """
        return dict(self.connection.execute(*self.due_question(keys, at_once=at_once)).fetchall())

    def first_questions(self, keys: list[str] | None, *, at_once: bool) -> list[Question]:
        """What a run asks of a table first, for `begin`. Rows that wait and have no state get one."""
        opens = self.pushable.query("open"), {"keys": keys}
        return [(self.pushable.query("adopt"), None), opens, self.due_question(keys, at_once=at_once)]

    def begin(self, answers: Sequence[Rows], clock_ahead: timedelta) -> tuple[list[Logged], dict[str, str | None]]:
        """What a run begins with: what is in doubt, and the rows that are due.

        Args:
            answers: To `first_questions`.
            clock_ahead: How far the database's clock is ahead of this machine's.
        """
        _, opens, due = answers
        self.clock_ahead = clock_ahead
        return [Logged(*row) for row in opens], dict(due)

    def due_question(self, keys: list[str] | None, *, at_once: bool, limit: int | None = None) -> Question:
        """The statement of `due`, to be asked with others."""
        nameless = self.pushable.creates or self.pushable.refuses_nameless
        return self.pushable.query("due"), {"keys": keys, "at_once": at_once, "limit": limit, "nameless": nameless}

    def sort_out(self, due: Mapping[str, str | None], *, allow_deletes: bool) -> tuple[list[str], list[Kept]]:
        """Local ids of the rows that go, and the rows that stay here.

        Args:
            due: What `due` gave. What is known here keeps some of them (`_verdicts`), and those of which nobody can
                tell which record they speak of. Deletions stay until a person says that they were meant, where they are
                more than a person deletes: ten, or one in fifty of the rows that are at Gazelle. That is perhaps a slip
                (a DELETE without WHERE), which would end every record of the table there.
            allow_deletes: Whether somebody has said so.
        """
        pushable, found = self.pushable, list[Kept]()
        nameless = [one for one, record in due.items() if record is None and pushable.refuses_nameless]
        if nameless:
            reason = say(self.language, "nameless", column=pushable.record_key)
            found.append(Kept(reason, nameless, nameless, [f"({pushable.record_key}: NULL)"]))
        self.verdicts = self._verdicts(list(due)) if due else {}
        ids: dict[str, list[str]] = {}
        for one, verdict in self.verdicts.items():
            if verdict.reason is not None:
                ids.setdefault(verdict.reason, []).append(one)
        for reason, each in ids.items():
            untold = [one for one in each if not self.verdicts[one].is_told]
            found.append(Kept(reason, each, untold, each, is_outage=True))
        if pushable.on_delete is not None and due and not allow_deletes:
            [(deleted, rows)] = self.connection.execute(pushable.query("deletions"))
            if len(deleted) > max(MOST_DELETIONS, MOST_DELETED * rows):
                reason = say(self.language, "many_deletions", count=len(deleted), rows=rows, table=pushable.table)
                found.append(Kept(reason, deleted, sorted(deleted), [f"({pushable.table})"]))
        staying = {one for kept in found for one in kept.ids}
        return [one for one in due if one not in staying], found

    def _verdicts(self, due: Sequence[str]) -> dict[str, Verdict]:
        """What is said of rows by what is known here: the gate's, and that no row makes the record above a new one."""
        pushable, said = self.pushable, dict[str, Verdict]()
        if pushable.gate is not None:
            found = pushable.gate(self.connection, self.language)
            said = {one: found[one] for one in due if one in found}
        if pushable.parent is not None:
            parent = next(one for one in PUSHABLES if one.table == pushable.parent[0])
            rows = self.connection.execute(
                pushable.query("orphans", parents=parent.query("parents")), {"ids": list(due)}
            )
            for one, is_taken_back, told in rows:
                key = "parent_taken_back" if is_taken_back else "parent_gone"
                reason = say(self.language, key, column=pushable.parent[1])
                said[one] = Verdict(reason, told == reason)
        return said

    def has_news(self, due: Mapping[str, str | None]) -> bool:
        """Whether some of the rows that are due go, or do not say yet why they stay."""
        going, found = self.sort_out(due, allow_deletes=True)
        return bool(going) or any(kept.untold for kept in found)

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
            row = read_row(values, self.pushable)
            if is_twin:
                row = replace(row, faults={self.pushable.record_key: ("twins", row.key)})
            if (verdict := self.verdicts.get(row.local_id)) and verdict.remark:
                row = replace(row, remark=verdict.remark)
            found[row.local_id] = row
        return [found[one] for one in dict.fromkeys(ids) if one in found]

    def named(self, records: Sequence[str]) -> set[str]:
        """Which of some records a row names already."""
        return {one for (one,) in self.connection.execute(self.pushable.query("named"), {"records": list(records)})}

    # ---- the log

    def sent_before(self, actions: Iterable[tuple[Row, Action]]) -> dict[str, datetime]:
        """Key of a create → since when the same edit is at Gazelle (its row was deleted here, and came back)."""
        asked = [
            {
                "key": action.key, "record": row.name, "action": action.name, "settles": dict(action.base_updates),
                "is_first": not any(row.generation(fact) for fact in action.base_updates),
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
        given = {"shared": list(shared), "run_id": self.run_id, "sending": SENDING}
        return self.connection.execute(self.pushable.query("shared_doubt"), given).fetchall()

    def open(self, keys: list[str] | None) -> list[Logged]:
        """What earlier runs left in doubt; the caller holds the push's lock, so none of it is under way."""
        return [Logged(*row) for row in self.connection.execute(self.pushable.query("open"), {"keys": keys})]

    def history(self, records: Sequence[str]) -> list[Logged]:
        """What actions that are still at Gazelle said of records (external ids), the newest first."""
        found = self.connection.execute(self.pushable.query("history"), {"records": list(records)})
        return [Logged(*row) for row in found]

    def done_by(
        self,
        run_id: str | None = None,
        *,
        ids: list[int] | None = None,
        keys: list[str] | None = None,
        statuses: Sequence[str] = ("success",),
    ) -> list[Logged]:
        """What a run did, or some rows of the log say, and nobody took back; the last first."""
        given = {"run_id": run_id, "statuses": list(statuses), "ids": ids, "keys": keys}
        return [Logged(*row) for row in self.connection.execute(self.pushable.query("of_run"), given)]

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
            if not self.connection.closed:
                self.connection.rollback()
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
        changes = [Changes(Row("", {}, datetime.now(UTC), local_id=one)) for one in ids]
        for one in changes:
            one.fail(reason, is_outage=is_outage, at_any_revision=True)
        for local_id, error in self.write(changes).refused.items():
            log.warning("a row refuses to be marked", record=local_id, reason=error.diag.message_primary)

    def _write(self, changes: Sequence[Changes], written: Written) -> None:
        intents = [(one, intent) for one in changes for intent in one.intents]
        questions = statements(changes, self.pushable, run_id=self.run_id, grace_s=self.grace_s)
        if not questions:
            return
        is_pushing = any(one.follow.values or {"created", "uncreate"} & one.given.keys() for one in changes)
        text = "SELECT set_config('lock_timeout', %s, true), set_config('gazelle_sync.pushing', %s, true)"
        begin: Question = (text, [ROW_LOCK_WAIT, "on" if is_pushing else "off"])
        _, *answers = together(self.connection, begin, *questions.values())
        found = dict(zip(questions, answers, strict=True))
        for (_, intent), (log_id,) in zip(intents, sorted(found.get("intent", [])), strict=True):
            intent.log_id = log_id
        written.bases |= dict([*found.get("settle", []), *found.get("agree", [])])
        written.until |= {log_id: until for log_id, until in found.get("log_end", []) if until}
        written.followed |= {one for name, rows in found.items() if name.startswith("follow ") for (one,) in rows}


def is_due(connection: Connection, *tables: Pushable) -> bool:
    """Whether there is anything to do about some tables, be it only to say what is wrong with a row."""
    stores = [Store(connection, one) for one in tables]
    limits = [None if one.gate or one.parent else 1 for one in tables]  # of the others, any row will do
    asked = [one.due_question(None, at_once=False, limit=limit) for one, limit in zip(stores, limits, strict=True)]
    return any(store.has_news(dict(due)) for store, due in zip(stores, together(connection, *asked), strict=True))

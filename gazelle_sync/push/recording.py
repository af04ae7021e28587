"""A row under way: reads its record and writes down what came of it; what is wrong with one row is kept to that row.

Each step is a transaction that leaves the database true if the process dies on the next line.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg

from gazelle_sync.errors import ApiError, GazelleSyncError
from gazelle_sync.montreal import MONTREAL, parse_instant
from gazelle_sync.push.changes import Changes, Intent, Written
from gazelle_sync.push.inverse import Deed
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import WHOLE, Action, Outcome, Plan, Remote, Row, Values
from gazelle_sync.push.plan import Draft, written
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports.graphql import GraphqlTransport
from gazelle_sync.push.transports.protocol import Create, Operation, Read, Sent, Update, Wanted
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import affects_every_row

BACK = timedelta(days=1)
"""Entries are looked for from a day before the instant that they should carry: clocks differ."""
LONGEST_REASON = 200

log = get_logger("gazelle_sync.push")


class RunAborted(Exception):
    """Nothing can be sent at all (credentials, network): the run ends, the rows that are left stay due."""


@dataclass(eq=False)
class Work:
    """A row under way.

    Attributes:
        row: Local, with its base as it grows.
        outcome: So far.
        changes: What is not written down yet.
        compared: Gazelle's record as it is planned against.
        current: Gazelle's record as it is now: another one only where our write replaced an edit.
        read: What the last look for a doubt came to.
        since: From which instant on its entries were read.
        plan: What is to be done about it.
        queue: Of that, what is still to be sent.
        made: What was created since it was read.
        doubts: What came to no answer.
        is_fresh: Whether it was read just before something is written over.
        is_unsure: Whether it has to be read again before anything is planned.
        was_overtaken: Whether a write of this plan replaced somebody's edit.
        needs_plan: Whether it has to be planned anew.
        is_over: Whether nothing more is done about it.
        deeds: What an undo has still to put back.
        overtaken: Of that, what was put back while somebody edited the record: it is compared with that once more.
        undone: What was put back and is not written down yet, each with the record since.
    """

    row: Row
    outcome: Outcome
    changes: Changes
    compared: Remote = field(default_factory=lambda: Remote(""))
    current: Remote = field(default_factory=lambda: Remote(""))
    read: Read = None
    since: datetime | None = None
    plan: Plan = field(default_factory=Plan)
    queue: list[Action] = field(default_factory=list)
    made: list[Action] = field(default_factory=list)
    doubts: list[Intent] = field(default_factory=list)
    is_fresh: bool = False
    is_unsure: bool = False
    was_overtaken: bool = False
    needs_plan: bool = False
    is_over: bool = False
    deeds: list[Deed] = field(default_factory=list)
    overtaken: list[Deed] = field(default_factory=list)
    undone: list[tuple[Deed, Remote]] = field(default_factory=list)

    @classmethod
    def of(cls, row: Row) -> Work:
        """A row that nothing was done about yet."""
        return cls(row, Outcome(row.name, local_id=row.local_id), Changes(row))

    def fail(self, column: str, reason: str, *, is_over: bool = False) -> None:
        """Something of it cannot be done."""
        self.outcome.failed.setdefault(column, reason)
        self.is_over = self.is_over or is_over


@dataclass(eq=False)
class Recorder:
    """Keeps the database true about rows of one table.

    Attributes:
        store: Of that table.
        transport: Of its kind of record.
        doubt_s: How long a request that came to no answer may still be at work at Gazelle.
        before_send: Called before each request: it raises where nothing may be sent any more.
        is_stopped: Whether no further row may be begun.
        restored_at: When the database was restored, aware UTC: what older edits make may be at Gazelle already. None:
            it was not.
    """

    store: Store
    transport: GraphqlTransport
    doubt_s: float = 0.0
    before_send: Callable[[], None] = lambda: None
    is_stopped: Callable[[], bool] = lambda: False
    restored_at: datetime | None = None

    def __post_init__(self) -> None:
        self.pushable, self.language = self.store.pushable, self.store.language
        self._adopted, self._made = set[str](), set[str]()

    def operation(self, action: Action) -> Operation:
        """What an action comes to."""
        return self.pushable.kind.operation(action.name)

    # ---- reading

    @property
    def _api_ahead(self) -> timedelta:
        """How far Gazelle's clock is ahead of the database's; nothing before the first answer."""
        ahead = self.transport.api_ahead
        return timedelta(0) if ahead is None else ahead - self.store.clock_ahead

    def _back(self) -> timedelta:
        """How far back entries are looked for: Gazelle dates some by its own clock, which may be far behind."""
        behind = -self._api_ahead
        return BACK + behind if behind > BACK / 2 else BACK

    def _wanted(self, work: Work) -> Wanted:
        """What must be read of a row's record: its recent entries only where a comment will be added."""
        row = work.row
        stub = Remote(row.key, {name: one.empty for name, (_, one) in self.pushable.updates.items()}, row.updated_at)
        dated = [parse_instant(action.payload.get("created_at")) for action in self.pushable.plan(row, stub).actions]
        instants = [instant for instant in dated if instant is not None]
        return Wanted(row.key, min(instants) - self._back() if instants else None, row.parent)

    def _read(self, works: Sequence[Work]) -> None:
        """Read the records of some rows; those that cannot be read say why.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        wanted: dict[Work, Wanted] = {}
        back = self._back()
        for work in works:
            self._alone(work, lambda work: wanted.update({work: self._wanted(work)}))
        reads = self.ask(list(wanted.values()))
        for work, asked in wanted.items():
            work.since = asked.since
            self._take_in(work, reads[asked])
            # Only the first answer told how far Gazelle's clock is behind: perhaps too few entries were read.
            work.is_unsure = asked.since is not None and self._back() != back

    def _take_in(self, work: Work, read: Read) -> None:
        if isinstance(read, Remote):
            work.compared = work.current = read
            work.made.clear()
        elif read is None and work.row.is_deleted:  # perhaps a fault: its end tells whether it is gone
            work.compared = work.current = Remote(work.row.key)
        else:
            unread = say(self.language, "unreachable", reason=str(read))
            reason = self.pushable.no_record(self.language, work.row.name) if read is None else unread
            work.fail(WHOLE, reason, is_over=True)
            work.changes.note("read", WHOLE, "error", reason)

    def ask(self, wanted: Sequence[Wanted], *, is_look_up: bool = False) -> dict[Wanted, Read]:
        """Read records.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        if not wanted:
            return {}
        try:
            return self.transport.read(list(dict.fromkeys(wanted)), is_look_up=is_look_up)
        except ApiError as error:
            raise RunAborted(str(error)) from error

    def _remember_seen(self, work: Work) -> None:
        """For a row that was never sent, and that no pull had read: what its editor could see is the record as found.

        Remembered for the length of the run: an edit at Gazelle while we work makes the record newer than the row.
        """
        if work.row.base is not None or work.row.edit_snapshot is not None:
            return
        draft = Draft(self.pushable.table, work.row, work.compared, self._api_ahead)
        if draft.ours_is_newer:
            work.row = replace(work.row, edit_snapshot=work.compared.values)

    # ---- one row's trouble

    def _alone(self, work: Work, do: Callable[[Work], None]) -> None:
        """What goes wrong with one row, whatever it is, is that row's."""
        if work.is_over:
            return
        try:
            do(work)
        except Exception as error:
            self.unforeseen(work, error)

    def unforeseen(self, work: Work, error: Exception) -> None:
        """An unexpected error is the row's own: the row says so, and the others go on.

        Raises:
            Exception: The same error, where it concerns every row.
        """
        if isinstance(error, (GazelleSyncError, RunAborted)) or affects_every_row(error):
            raise error
        # Where it happened, not what it says: that may quote what people wrote.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("row could not be dealt with", record=work.row.name, error=type(error).__name__, where=where)
        reason = error.diag.message_primary if isinstance(error, psycopg.Error) else str(error)
        said = f"{type(error).__name__}: {(reason or '').partition(chr(10))[0][:LONGEST_REASON]}"
        work.fail(WHOLE, say(self.language, "unforeseen", reason=said), is_over=True)

    def _say(self, key: str, action: Action, reason: str = "", *, until: datetime | None = None) -> str:
        sentence = reason if not reason or reason.endswith((".", "!", "?")) else f"{reason}."
        named = self.pushable.action_name(self.language, action.name)
        when = f"{until.astimezone(MONTREAL):%Y-%m-%d %H:%M:%S}" if until else ""
        return say(self.language, key, action=named, reason=sentence, until=when).strip()

    # ---- writing down

    def _confirm(self, work: Work, intent: Intent, sent: Sent) -> None:
        """Gazelle has it: the log, and what becomes base."""
        action, operation, before = intent.action, self.operation(intent.action), None
        work.outcome.sent.append(action)
        if isinstance(operation, Update):
            stamp = work.current.updated_at
            before = self._take_answer(work, operation, sent)
            base = {**(work.row.base or {}), **work.changes.base_updates}
            stamp = before.updated_at if before else stamp  # the empty update moves it as well
            work.changes.base_updates |= written(base, stamp, work.current.updated_at, self._said(action))
        if not work.was_overtaken or not isinstance(operation, Update):
            work.changes.base_updates |= action.base_updates
        if isinstance(operation, Create):
            work.made.append(action)
        if isinstance(operation, Create) and operation.makes_record:
            made = str(sent.created_id)
            self._made.add(made)
            work.changes.make(made)
            work.is_unsure = work.plan.goes_on  # what was read before knows nothing of the record
            work.row = replace(work.row, key=made)
        if not isinstance(operation, Update) and sent.after is not None:  # what it is now is our doing
            base = {**(work.row.base or {}), **work.changes.base_updates}
            said = self._said(action) if isinstance(operation, Create) else None
            work.changes.base_updates |= written(base, work.current.updated_at, sent.after.updated_at, said)
            work.compared = work.current = sent.after
        reason = say(self.language, "arrived") if "found" in sent.response else action.remark
        work.changes.end(intent.log_id, "success", reason, response=sent.response, before=before)

    def _said(self, action: Action) -> Values | None:
        """What the next change of the record is compared with."""
        return action.base_updates if self.pushable.are_changes else None

    def _take_answer(self, work: Work, operation: Update, sent: Sent) -> Remote | None:
        """Take over what the answer to a write says of the record; gives what it replaced, where that was not read.

        Where our write replaced an edit that was made after our read, that edit is what we plan against next, and our
        write is what Gazelle has now.
        """
        read, names = work.current, self.pushable.updates
        before = read.now(sent.before)
        after = work.current = before.now(sent.after)
        edited = {name: before.get(name) for name in names if before.get(name) != read.get(name)}
        if edited:
            values = {**work.compared.values, **edited}
            work.compared = replace(work.compared, values=values, updated_at=before.updated_at)
            work.was_overtaken = work.needs_plan = True
        if any(after.get(name) != before.get(name) for name in names if name != operation.attribute):
            work.needs_plan = True  # an edit since the reading, or a field that only the reading showed empty
        if not work.was_overtaken:
            work.compared = after
        return before if edited else None

    def _end(self, works: Sequence[Work]) -> None:
        """Take over what Gazelle's side won, and clear the marks of rows that are still those that we read."""
        for work in works:
            changes, trouble, remote = work.changes, work.outcome.trouble, work.current
            if work.plan.follows and not work.is_unsure:
                changes.follow = work.plan.follow
            if trouble is not None:
                is_faulty = self.pushable.record_key in work.row.faults
                changes.fail(trouble, is_outage=work.outcome.is_outage, at_any_revision=is_faulty)
            elif work.row.is_deleted:
                changes.add("forget")
            else:
                kept = self.pushable.kind.kept(remote, self.pushable.fields)
                stamp = remote.updated_at.isoformat() if remote.updated_at else None
                changes.add("finish", remote={**kept, "updated_at": stamp}, holds=self.pushable.kind.holds(remote))
        refused = self._flush(works).refused
        for work in works:
            if work.row.local_id in refused:
                self.store.fail([work.row.local_id], work.outcome.trouble or "")

    def _flush(self, works: Sequence[Work]) -> Written:
        """Write down what is known about rows."""
        given = [(work, work.changes) for work in works]
        found = self.store.write([changes for _, changes in given])
        for work, changes in given:
            local_id = work.row.local_id
            if error := found.refused.get(local_id):
                self._refused(work, changes, error)
            elif local_id in found.bases:
                work.row = replace(work.row, base=found.bases[local_id])
            elif changes.base_updates:
                # The row is gone, or speaks of another record: what was agreed on counts for the rest of this run.
                work.row = replace(work.row, base={**(work.row.base or {}), **changes.base_updates})
            if local_id in found.followed:
                work.outcome.followed = changes.follow.values
            work.changes = Changes(work.row)
        return found

    def _refused(self, work: Work, changes: Changes, error: psycopg.Error) -> None:
        """A row refuses to be marked: what is known of its record is kept without that, and it says why."""
        if changes.has_marks() and not changes.intents:
            error = self.store.write([changes.without_marks()]).refused.get(work.row.local_id, error)
        self.unforeseen(work, error)

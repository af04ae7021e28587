"""One row at a time: read, plan, send, confirm, until both sides agree.

Each step is a transaction of its own that leaves the database true if the process dies on the next line. What happens
to one row stops only that row, but for what concerns every row (`RunAborted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from gazelle_sync.errors import ApiError
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push import rows
from gazelle_sync.push.doubts import Doubts
from gazelle_sync.push.gist import gist
from gazelle_sync.push.journal import Journal, Search
from gazelle_sync.push.messages import action_name, say
from gazelle_sync.push.model import Action, Known, Plan, Remote, Row
from gazelle_sync.push.plan import Draft, make_plan, written
from gazelle_sync.push.pushables import Pushable
from gazelle_sync.push.send import RunAborted, Sender, Verdict, shown
from gazelle_sync.push.transports.protocol import Read, Sent, Transport, Wanted
from gazelle_sync.push.transports.reading import is_measurement
from gazelle_sync.push.trouble import unforeseen
from gazelle_sync.push.undo import Undoing
from gazelle_sync.push.work import WHOLE, Outcome, Unanswered, Work, replaced_by, seen
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection

ROUNDS = 3
"""How often a row is planned anew within a run, because Gazelle changed under our hands or did not answer."""

BACK = timedelta(days=1)
"""Entries are looked for from a day before the instant that they should carry: clocks differ."""

log = get_logger("gazelle_sync.push")


class Delivery:
    """Delivers rows over one connection.

    Args:
        connection: Autocommit; its own.
        transport: How.
        pushable: What.
        settings: For the language and the time-out.
        run_id: Of the Dagster run.
        grace_s: How long a request may still be at work at Gazelle whose process died.
    """

    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        pushable: Pushable,
        settings: Settings,
        *,
        run_id: str,
        grace_s: float,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._pushable = pushable
        self._language = settings.language
        self._journal = Journal(connection, pushable.entity.name, run_id)
        self._sender = Sender(connection, transport, self._journal, settings, grace_s=grace_s)
        self.undoing = Undoing(
            connection, transport, pushable, self._journal, run_id=run_id, language=settings.language, grace_s=grace_s
        )
        self.doubts = Doubts(
            connection, transport, pushable, self._journal, self._sender, self.undoing, language=settings.language
        )

    # ---- reading

    def plan(self, row: Row, remote: Remote, *, current: Remote | None = None) -> Plan:
        """What is to be done about a row."""
        return make_plan(
            self._pushable.entity.name,
            self._pushable.fields,
            row,
            remote,
            current=current,
            api_ahead=self._api_ahead,
            language=self._language,
        )

    @property
    def _api_ahead(self) -> timedelta:
        """How far Gazelle's clock is ahead of the database's; nothing before the first answer."""
        ahead = self._transport.api_ahead
        return timedelta(0) if ahead is None else ahead - self._database_ahead

    @cached_property
    def _database_ahead(self) -> timedelta:
        """How far the database's clock is ahead of this machine's."""
        row = self._connection.execute("SELECT clock_timestamp()").fetchone()
        return row[0] - datetime.now(UTC) if row else timedelta(0)

    def wanted(self, row: Row) -> Wanted:
        """What must be read of a row's record: its recent entries only where a comment will be added."""
        stub = Remote(row.key, updated_at=row.updated_at)
        dated = [parse_instant(action.payload.get("created_at")) for action in self.plan(row, stub).actions]
        instants = [instant for instant in dated if instant is not None]
        return Wanted(row.key, min(instants) - self._back() if instants else None)

    def _back(self) -> timedelta:
        """How far back entries are looked for: Gazelle dates some by its own clock, which may be far behind."""
        behind = -self._api_ahead
        return BACK + behind if behind > BACK / 2 else BACK

    def read(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        """Read records.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        try:
            return self._transport.read(wanted)
        except ApiError as error:
            raise RunAborted(str(error)) from error

    def usable(self, key: str, read: Read) -> tuple[Remote | None, str]:
        """The record, or why nothing can be done with it."""
        if isinstance(read, Remote):
            return read, ""
        if read is None:
            return None, say(self._language, "no_record", id=key)
        return None, say(self._language, "unreachable", reason=str(read))

    def unforeseen(self, key: str, error: Exception) -> Outcome:
        """See `trouble.unforeseen`."""
        return unforeseen(self._connection, self._pushable, self._language, key, error)

    # ---- delivering

    def deliver(self, row: Row, read: Read, since: datetime | None) -> Outcome:
        """Bring one row to Gazelle, as far as it goes.

        Args:
            row: As it was loaded.
            read: Its record, perhaps some seconds old.
            since: From which instant on its entries were read.

        Raises:
            RunAborted: Nothing can be sent at all; why is in the row.
            DatabaseError: The database went away.
        """
        outcome = Outcome(row.key)
        try:
            if (remote := self._remote(read, outcome)) is not None:
                work = Work(self._with_seen(row, remote), remote, remote, since, outcome)
                work.is_unsure = self._was_read_too_late(row, since)
                self._deliver(work)
        except RunAborted as stop:
            outcome.failed[WHOLE] = say(self._language, "unreachable", reason=str(stop))
            outcome.is_outage = True
            raise
        finally:
            if outcome.trouble is not None:
                rows.fail(
                    self._connection,
                    self._pushable,
                    [row.key],
                    outcome.trouble,
                    revision=None if self._pushable.key in row.faults else row.revision,  # twins have one each
                    is_outage=outcome.is_outage,
                )
        return outcome

    def _was_read_too_late(self, row: Row, since: datetime | None) -> bool:
        """Whether too few entries were read: only the first answer told how far Gazelle's clock is behind."""
        if since is None or self._back() == BACK:
            return False
        wanted = self.wanted(row).since
        return wanted is not None and wanted < since

    def _with_seen(self, row: Row, remote: Remote) -> Row:
        """A row that was never sent, with what its editor could see if no pull had read it: the record as we find it.

        Remembered for the length of the run: an edit at Gazelle while we work makes the record newer than the row.
        """
        if row.base is not None or row.seen is not None:
            return row
        draft = Draft(self._pushable.entity.name, row, remote, self._api_ahead)
        return replace(row, seen=Known(remote.tags, remote.notes)) if draft.ours_is_newer else row

    def _deliver(self, work: Work) -> None:
        for _ in range(ROUNDS):
            plan = self._planned(work)
            if plan is None:
                return
            if not self._agree(work, plan):
                return
            if self._carry_out(work, plan):
                self._end(work, plan)
                return
        work.outcome.failed.setdefault(WHOLE, say(self._language, "keeps_changing"))

    def _planned(self, work: Work) -> Plan | None:
        """The plan against Gazelle as it is now: what is written over is read just before."""
        plan = None if work.is_unsure else self.plan(work.row, work.compared, current=work.current)
        if plan is not None and (work.is_fresh or all(action.is_create for action in plan.actions)):
            return plan
        wanted = self.wanted(work.row)
        remote = self._remote(self.read([wanted])[work.row.key], work.outcome)
        if remote is None:
            return None
        work.compared = work.current = remote
        work.since, work.is_fresh, work.is_unsure = wanted.since, True, False
        work.made.clear()
        return self.plan(work.row, remote)

    def _remote(self, read: Read, outcome: Outcome) -> Remote | None:
        remote, reason = self.usable(outcome.key, read)
        if remote is None:
            outcome.failed[WHOLE] = reason
            self._journal.note(outcome.key, "read", WHOLE, "error", reason)
        return remote

    def _agree(self, work: Work, plan: Plan) -> bool:
        """What needs no request: facts that both sides agree on, and columns that cannot be sent.

        Returns:
            Whether more may be sent: nothing is in doubt.
        """
        with self._connection.transaction():
            is_certain = self._answer(work, plan)
            work.row = rows.settle(self._connection, self._pushable, work.row, plan.settles)
            for column, reason in plan.problems.items():
                if column not in work.outcome.failed:
                    work.outcome.failed[column] = reason
                    self._journal.note(work.row.key, "plan", column, "error", reason)
        return is_certain

    def _answer(self, work: Work, plan: Plan) -> bool:
        """An update of which no answer came: where Gazelle turns out to have it, it was sent like any other.

        Where it does not, the request may still be at work, and sent now it would write over what comes in between.
        """
        if work.unanswered is None:
            return True
        sent, work.unanswered = work.unanswered, None
        if not plan.has_found(sent.action):
            work.outcome.failed[sent.action.field] = sent.doubt
            return False
        self._journal.succeeded(sent.log_id, {"found": work.current.id}, say(self._language, "arrived"))
        facts = {**sent.action.settles, **written(work.row.base, sent.stamp, work.current.updated_at)}
        work.row = rows.settle(self._connection, self._pushable, work.row, facts)
        work.outcome.sent.append(sent.action)
        return True

    def _carry_out(self, work: Work, plan: Plan) -> bool:
        """Send what the plan says; false as soon as Gazelle has to be looked at again."""
        failed = work.outcome.failed
        for action in plan.actions:
            if action.field in failed or action.after in failed:
                continue
            if self._was_sent(work, action):
                continue
            if action.shared and (until := self._journal.shared_doubt(work.row.key, action.shared)):
                named = action_name(self._language, action.name)
                failed[action.field] = say(self._language, "shared_doubt", action=named, until=shown(until))
                continue
            result = self._sender.carry_out(action, work.current, self._search(work, action))
            if result.verdict is Verdict.LOOK_AGAIN:
                work.is_unsure = True
                work.unanswered = Unanswered(result.log_id, action, result.reason, work.current.updated_at)
                return False
            if result.verdict is Verdict.DOUBTFUL:
                failed[action.field] = result.reason
                return True  # what looks the same could be taken for it
            if result.verdict is not Verdict.SENT or result.sent is None:
                failed[action.field] = result.reason
            elif not self._confirm(work, action, result.log_id, result.sent):
                return False
        return True

    def preview(self, row: Row, remote: Remote) -> Plan:
        """What a push would send of a row: its plan, without what Gazelle has already."""
        plan = self.plan(row, remote)
        plan.actions = [action for action in plan.actions if self._sent_before(row, action) is None]
        return plan

    def _sent_before(self, row: Row, action: Action) -> datetime | None:
        """Since when the same edit is at Gazelle, if it is (its row was deleted here, and came back)."""
        if not action.is_create:
            return None
        is_first = not any(row.generation(fact) for fact in action.settles)
        return self._journal.sent_before(row.key, action, is_first=is_first)

    def _was_sent(self, work: Work, action: Action) -> bool:
        """Whether the same edit is at Gazelle already; then the log says so, and it is agreed on."""
        when = self._sent_before(work.row, action)
        if when is None:
            return False
        sent_at = f"{when:%Y-%m-%d %H:%M} UTC"
        reason = say(self._language, "already_sent", when=sent_at)
        with self._connection.transaction():
            self._journal.note(work.row.key, action.name, action.field, "skipped", reason, action.key)
            work.row = rows.settle(self._connection, self._pushable, work.row, action.settles)
        return True

    def _search(self, work: Work, action: Action) -> Search:
        """How to tell this action's result from what looks the same already."""
        if not action.is_create:
            return Search()
        if action.name == "add_measurement":
            same = sum(made.name == action.name and made.payload == action.payload for made in work.made)
            seen = [key for key, values in work.compared.measurements.items() if is_measurement(values, action.payload)]
            return Search(tuple(seen), same)
        text = gist(str(action.payload["text"]))
        same = sum("text" in made.payload and gist(str(made.payload["text"])) == text for made in work.made)
        return Search(tuple(entry.id for entry in work.compared.entries if gist(entry.text) == text), same, work.since)

    def _confirm(self, work: Work, action: Action, log_id: int, sent: Sent) -> bool:
        """Gazelle has it: the log, and what becomes base, in one transaction; false where it replaced an edit."""
        replaced = replaced_by(sent, work.current, "tags", "notes")
        found = say(self._language, "arrived") if "found" in sent.response else action.remark
        after = seen(work.current, sent.after)
        facts = dict(action.settles) if replaced is None else {}
        if not action.is_create:
            facts |= written(work.row.base, (replaced or work.current).updated_at, after.updated_at)
        with self._connection.transaction():
            self._journal.succeeded(log_id, sent.response, found, before=replaced)
            work.row = rows.settle(self._connection, self._pushable, work.row, facts)
        work.outcome.sent.append(action)
        if action.is_create:
            work.made.append(action)
            return True
        # Where our write replaced an edit that slipped in after our read, that edit is what we plan against next, and
        # our write is what Gazelle has now.
        work.compared, work.current = replaced or after, after
        return replaced is None

    def _end(self, work: Work, plan: Plan) -> None:
        """Take over what Gazelle's side won, and clear the mark if the row is still the one that we read."""
        key = work.row.key
        with self._connection.transaction():
            if plan.follows and rows.follow(self._connection, self._pushable, work.row, plan.follows):
                for clash in plan.clashes:
                    self._journal.clash(key, clash)
                work.row = rows.settle(self._connection, self._pushable, work.row, plan.follows_settle)
                work.outcome.followed = plan.follows
            if not work.outcome.failed:
                rows.finish(self._connection, self._pushable, work.row, work.current)

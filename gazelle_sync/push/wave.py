"""A wave of rows on its way: read → plan → intents → send → confirm, each step for all of them at once.

Each step is a transaction that leaves the database true if the process dies on the next line. What happens to one row
stops only that row, but for what concerns every row (`RunAborted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gazelle_sync.errors import ApiError, RequestRefused, WriteRefused
from gazelle_sync.push.changes import Intent, Search
from gazelle_sync.push.doubts import Doubts
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import WHOLE, Action, Outcome, Plan, Row
from gazelle_sync.push.recording import RunAborted, Work
from gazelle_sync.push.restored import unknown_items
from gazelle_sync.push.transports.graphql import ends_run
from gazelle_sync.push.transports.protocol import Create, Ending, NotSent, Result, Sent, Update

ROUNDS = 3
"""How often a row is planned anew within a run, because Gazelle changed meanwhile or did not answer."""


class Wave(Doubts):
    """Brings rows of one table to Gazelle."""

    # ---- the whole

    def deliver(self, ids: Sequence[str]) -> tuple[list[Outcome], list[str], RunAborted | None]:
        """Bring rows to Gazelle, as far as it goes.

        Args:
            ids: Local ids.

        Returns:
            What came of the rows; local ids of those that it did not come to; why, if the run has to end.

        Raises:
            DatabaseError: The database went away.
        """
        rows, later = self._in_turn(self.store.load(ids))
        works = [Work.of(row) for row in rows]
        for work in works:
            work.is_over = work.row.is_deleted and not work.row.key  # it never made a record
        self._wait_for_doubts(works)
        stop: RunAborted | None = None
        try:
            self._read(works)
            for work in works:
                self._alone(work, self._remember_seen)
            for part in [works] if self.transport.is_batched else [[work] for work in works]:
                if self.is_stopped():
                    break
                self._rounds(part)
        except RunAborted as aborted:
            stop = aborted
        left = [*self._untouched(works, stop), *later]
        done = [work for work in works if work.row.local_id not in left]
        self._end(done)
        return [work.outcome for work in done], left, stop

    def _in_turn(self, rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
        """The rows that go together, and local ids of those that go later: see `Pushable.turn`."""
        begun = set[str]()
        first, later = list[Row](), list[str]()
        for row in rows:
            if (turn := self.pushable.turn(row)) in begun:
                later.append(row.local_id)
            else:
                first.append(row)
                begun |= {turn} if turn else set()
        return first, later

    def _wait_for_doubts(self, works: Sequence[Work]) -> None:
        """While a change of a record may still arrive, no other of that record is sent."""
        keys = [work.row.key for work in works if work.row.key]
        if not self.pushable.are_changes or not keys:
            return
        doubts = {one.record: one for one in self.store.open(keys)}
        for work in works:
            if (doubt := doubts.get(work.row.key)) is not None and doubt.local_id != work.row.local_id:
                reason = self._say("earlier_doubt", doubt.as_intent().action, until=doubt.until)
                work.fail(WHOLE, reason, is_over=True)

    def _untouched(self, works: Sequence[Work], stop: RunAborted | None) -> list[str]:
        """The rows of a wave that broke off about which nothing was done; of the others it is told."""
        left = []
        for work in works:
            if work.is_over:
                continue
            if stop is not None and (work.outcome.sent or work.outcome.failed):
                work.fail(WHOLE, say(self.language, "unreachable", reason=str(stop)), is_over=True)
                work.outcome.is_outage = True
            else:
                left.append(work.row.local_id)
        return left

    def _rounds(self, works: Sequence[Work]) -> None:
        for _ in range(ROUNDS):
            active = [work for work in works if not work.is_over]
            if not active:
                return
            self._plan(active)
            self._carry_out([work for work in active if not work.is_over])
            for work in active:
                goes_on = work.plan.goes_on and not work.outcome.failed
                work.is_over = work.is_over or not (work.needs_plan or goes_on)
        for work in works:
            if not work.is_over:
                work.fail(WHOLE, say(self.language, "keeps_changing"), is_over=True)

    def preview(self, ids: Sequence[str]) -> list[tuple[Row, Plan | None, str]]:
        """What a push would send of rows: their plans, and why there is none. It writes nothing anywhere.

        Raises:
            RunAborted: Gazelle cannot be asked.
        """
        works = [Work.of(row) for row in self.store.load(ids)]
        self._read(works)
        found: list[tuple[Row, Plan | None, str]] = []
        readable = [work for work in works if not work.is_over]
        for work in readable:
            self._remember_seen(work)
            work.plan = self._planned(work)
        sent = self.store.sent_before((work.row, action) for work in readable for action in work.plan.actions)
        for work in works:
            work.plan.actions = [
                action
                for action in work.plan.actions
                if action.key not in sent and not self._there_before(work, action)
            ]
            reason = work.outcome.failed.get(WHOLE, "")
            found.append((work.row, None if work.is_over else work.plan, reason))
        return found

    # ---- planning

    def _planned(self, work: Work) -> Plan:
        return self.pushable.plan(
            work.row, work.compared, current=work.current, api_ahead=self._api_ahead, language=self.language
        )

    def _plan(self, works: Sequence[Work]) -> None:
        """Plan rows against Gazelle as it is now."""
        self._flush(works)
        self._read([work for work in works if work.is_unsure and not work.is_over])
        for work in works:
            self._alone(work, self._plan_one)
        stale = [work for work in works if not work.is_over and not work.is_fresh and self._writes_over(work)]
        self._read(stale)  # just before
        for work in stale:
            self._alone(work, self._plan_one)
            work.is_fresh = True
        works = [work for work in works if not work.is_over]
        sent = self.store.sent_before((work.row, action) for work in works for action in work.plan.actions)
        shared = {one.shared for work in works for one in work.plan.actions if one.shared}
        doubts = self.store.shared_doubts(sorted(shared))
        for work in works:
            self._queue(work, sent, doubts)

    def _writes_over(self, work: Work) -> bool:
        """Whether its answers will not tell what is written over."""
        if not self.transport.is_batched:
            return not all(one.is_create for one in work.plan.actions)
        operations = [self.operation(one) for one in work.plan.actions]
        return any(isinstance(one, Update) and one.field is None for one in operations)

    def _plan_one(self, work: Work) -> None:
        work.plan = self._planned(work)
        work.needs_plan = work.was_overtaken = False

    def _queue(self, work: Work, sent: dict[str, datetime], doubts: Sequence[tuple[str, str, datetime]]) -> None:
        """What of a plan needs no request, and what is to be sent."""
        work.changes.base_updates |= work.plan.base_updates
        work.changes.lose(work.plan.clashes)
        work.queue = []
        if (made := work.plan.adopts) is not None:  # it is compared with the row once that is written down
            work.changes.make(made)
            work.changes.note("adopt", WHOLE, "skipped", say(self.language, "arrived"))
            work.row = replace(work.row, key=made)
            work.needs_plan = work.is_unsure = True
            return
        for column, reason in work.plan.problems.items():
            if column not in work.outcome.failed:
                work.fail(column, reason)
                work.changes.note("plan", column, "error", reason)
        for action in work.plan.actions:
            if (when := sent.get(action.key)) is not None:  # its row was deleted here, and came back
                reason = say(self.language, "already_sent", when=f"{when:%Y-%m-%d %H:%M} UTC")
                work.changes.note(action.name, action.field, "skipped", reason, action.key)
                work.changes.base_updates |= action.base_updates
                continue
            others = [until for what, name, until in doubts if what == action.shared and name != work.row.name]
            if others and action.shared:
                work.fail(action.field, self._say(self.pushable.shared_doubt, action, until=max(others)))
                continue
            work.queue.append(action)

    # ---- sending

    def _carry_out(self, works: Sequence[Work]) -> None:
        """Send what the plans say, what depends on something else after that."""
        while batch := [(work, self._intent(work, one)) for work in works for one in self._sendable(work)]:
            self._flush(works)
            batch = [(work, one) for work, one in batch if not work.is_over and not self._adopt(work, one)]
            if not batch:
                continue
            self.before_send()
            results = self.transport.send([intent for _, intent in batch])
            stop = next((result for result in results if isinstance(result, ApiError) and ends_run(result)), None)
            for (work, intent), result in zip(batch, results, strict=True):
                self._note_result(work, intent, result, stop)
            self._settle_doubts(works)
            if stop is not None:
                self._flush(works)
                raise RunAborted(str(stop)) from stop

    def _adopt(self, work: Work, intent: Intent) -> bool:
        """Take for sent what was, after the backup that the database was restored from."""
        found = self._there_before(work, intent.action)
        if found is None:
            return False
        self._adopted.add(found)
        self._confirm(work, intent, Sent({"found": found}, created_id=found))
        return True

    def _there_before(self, work: Work, action: Action) -> str | None:
        """The id of what an action is to make, if an edit from before a restore has made it already."""
        operation = self.operation(action)
        edited_at = work.row.edited_at or work.row.updated_at
        if self.restored_at is None or edited_at >= self.restored_at or not isinstance(operation, Create):
            return None
        ids = set(self.found(operation, work.compared, action.payload)) - self._adopted
        items = [item for item in operation.found(work.compared, action.payload) if item.id in ids]
        return next(iter(unknown_items(self.store.connection, work.row.name, items)), None) if items else None

    def _intent(self, work: Work, action: Action) -> Intent:
        intent = Intent(action, work.current, self._search(work, action))
        work.changes.intents.append(intent)
        return intent

    def _sendable(self, work: Work) -> list[Action]:
        """What can go now: what depends on nothing that waits, and looks like nothing that goes along."""
        if work.is_over or work.needs_plan:
            return []
        failed, going = work.outcome.failed, list[Action]()
        work.queue = [one for one in work.queue if one.field not in failed and one.after not in failed]
        waiting = {one.field for one in work.queue}
        for action in work.queue:
            if action.after in waiting or any(self._look_alike(action, one) for one in going):
                continue
            going.append(action)
            if not self.transport.is_batched:
                break
        work.queue = [one for one in work.queue if one not in going]
        return going

    def _look_alike(self, one: Action, other: Action) -> bool:
        """Whether what two creates make could be taken for each other."""
        mine, theirs = self.operation(one), self.operation(other)
        if not isinstance(mine, Create) or not isinstance(theirs, Create) or mine.collection != theirs.collection:
            return False
        are_alike = one.payload.keys() == other.payload.keys() or ("text" in one.payload and "text" in other.payload)
        return are_alike and mine.same(one.payload, other.payload)

    def _search(self, work: Work, action: Action) -> Search:
        """How to tell this action's result from what looks the same already."""
        operation = self.operation(action)
        if not isinstance(operation, Create):
            return Search()
        seen = [item.id for item in operation.found(work.compared, action.payload)]
        same = sum(self._look_alike(action, made) for made in work.made)
        return Search(tuple(seen), same, work.since if operation.is_dated else None)

    def _note_result(self, work: Work, intent: Intent, result: Result, stop: ApiError | None) -> None:
        """Take down what came of an action."""
        action, changes = intent.action, work.changes
        if isinstance(result, WriteRefused) and result.is_missing and isinstance(self.operation(action), Ending):
            if work.row.is_deleted:
                changes.end(intent.log_id, "skipped", result.reason)
                return
            result = Sent()  # gone already is as good
        if isinstance(result, Sent):
            self._confirm(work, intent, result)
        elif isinstance(result, RequestRefused):
            said = result.reason if isinstance(result, WriteRefused) else str(result)
            reason = self._say("forbidden" if result.is_forbidden else "refused", action, said)
            changes.end(intent.log_id, "error", reason)
            work.fail(action.field, reason)
        elif isinstance(result, NotSent) or ends_run(result):
            changes.end(intent.log_id, "error", self._say("failed", action, str(stop or result)))
        else:
            intent.reason = str(result)
            work.doubts.append(intent)

"""A wave of rows on its way: read → plan → intents → send → confirm, each step for all of them at once.

Each step is a transaction that leaves the database true if the process dies on the next line. What happens to one row
stops only that row, but for what concerns every row (`RunAborted`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from gazelle_sync.errors import (
    ApiError,
    RequestRefused,
    WriteRefused,
)
from gazelle_sync.push.changes import Intent, Search
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import WHOLE, Action, Outcome, Plan, Remote, Row, Values
from gazelle_sync.push.recording import Recorder
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports.graphql import ends_run
from gazelle_sync.push.transports.protocol import (
    Create,
    Ending,
    NotSent,
    Read,
    Result,
    Sending,
    Sent,
    Transport,
    Wanted,
)
from gazelle_sync.push.work import DOUBT_WAIT_S, Doubt, RunAborted, Work, montreal_time
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings

ROUNDS = 3
"""How often a row is planned anew within a run, because Gazelle changed meanwhile or did not answer."""
LOOK_EVERY_S = 0.5

log = get_logger("gazelle_sync.push")


class Wave(Recorder):
    """Brings rows of one table to Gazelle.

    Args:
        store: Of that table.
        transport: Of its kind of record.
        settings: For the language and the time-out: so long a request that came to no answer may still be at work.
        before_send: Called before each request: it raises where nothing may be sent any more.
        is_stopped: Whether no further row may be begun.
    """

    def __init__(
        self,
        store: Store,
        transport: Transport,
        settings: Settings,
        *,
        before_send: Callable[[], None] = lambda: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(store, transport, settings.language)
        self._timeout_s = settings.timeout_s
        self.before_send = before_send
        self._is_stopped = is_stopped

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
        works = [Work.of(row) for row in self.store.load(ids)]
        for work in works:
            work.is_over = work.row.is_deleted and not work.row.key  # it never made a record
        stop: RunAborted | None = None
        try:
            self._read(works)
            for work in works:
                self._alone(work, self._remember_seen)
            for part in [works] if self.transport.is_batched else [[work] for work in works]:
                if self._is_stopped():
                    break
                self._rounds(part)
        except RunAborted as aborted:
            stop = aborted
        left = self._untouched(works, stop)
        done = [work for work in works if work.row.local_id not in left]
        self._end(done)
        return [work.outcome for work in done], left, stop

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
                work.is_over = work.is_over or not work.needs_plan
        for work in works:
            if not work.is_over:
                work.fail(WHOLE, say(self.language, "keeps_changing"), is_over=True)

    def preview(self, ids: Sequence[str]) -> list[tuple[Row, Plan | None, str]]:
        """What a push would send of rows: their plans, and why there is none. It writes nothing anywhere.

        Raises:
            RunAborted: Gazelle cannot be asked.
        """
        works = [Work.of(row) for row in self.store.load(ids)]
        self._read(works, writes=False)
        found: list[tuple[Row, Plan | None, str]] = []
        readable = [work for work in works if not work.is_over]
        for work in readable:
            self._remember_seen(work)
            work.plan = self._planned(work)
        sent = self.store.sent_before((work.row, action) for work in readable for action in work.plan.actions)
        for work in works:
            work.plan.actions = [action for action in work.plan.actions if action.key not in sent]
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
        if not self.transport.is_batched:  # what is written over is read just before
            stale = [
                work for work in works
                if not work.is_over and not work.is_fresh and not all(one.is_create for one in work.plan.actions)
            ]  # fmt: skip
            self._read(stale)
            for work in stale:
                self._alone(work, self._plan_one)
                work.is_fresh = True
        works = [work for work in works if not work.is_over]
        sent = self.store.sent_before((work.row, action) for work in works for action in work.plan.actions)
        shared = {one.shared for work in works for one in work.plan.actions if one.shared}
        doubts = self.store.shared_doubts(sorted(shared))
        for work in works:
            self._queue(work, sent, doubts)

    def _plan_one(self, work: Work) -> None:
        work.plan = self._planned(work)
        work.needs_plan = work.was_overtaken = False

    def _queue(self, work: Work, sent: dict[str, datetime], doubts: Sequence[tuple[str, str, datetime]]) -> None:
        """What of a plan needs no request, and what is to be sent."""
        work.changes.settles |= work.plan.settles
        work.changes.clashes += [clash for clash in work.plan.clashes if clash.winner == "ours"]
        work.queue = []
        for column, reason in work.plan.problems.items():
            if column not in work.outcome.failed:
                work.fail(column, reason)
                work.changes.note("plan", column, "error", reason)
        for action in work.plan.actions:
            if (when := sent.get(action.key)) is not None:  # its row was deleted here, and came back
                reason = say(self.language, "already_sent", when=f"{when:%Y-%m-%d %H:%M} UTC")
                work.changes.note(action.name, action.field, "skipped", reason, action.key)
                work.changes.settles |= action.settles
                continue
            others = [
                until for what, record, until in doubts if what == action.shared and record != work.row.name
            ]  # fmt: skip
            if others and action.shared:
                named = self.pushable.action_name(self.language, action.name)
                work.fail(
                    action.field, say(self.language, "shared_doubt", action=named, until=montreal_time(max(others)))
                )
                continue
            work.queue.append(action)

    # ---- sending

    def _carry_out(self, works: Sequence[Work]) -> None:
        """Send what the plans say, what depends on something else after that."""
        while batch := [(work, self._intent(work, one)) for work in works for one in self._sendable(work)]:
            for work, intent in batch:
                work.changes.intents.append(intent)
            self._flush(works)
            batch = [(work, intent) for work, intent in batch if not work.is_over]
            if not batch:
                continue
            self.before_send()
            results = self.transport.send([Sending(intent.action, intent.remote) for _, intent in batch])
            stop = next((result for result in results if isinstance(result, ApiError) and ends_run(result)), None)
            for (work, intent), result in zip(batch, results, strict=True):
                self._judge(work, intent, result, stop)
            self._settle_doubts(works)
            if stop is not None:
                self._flush(works)
                raise RunAborted(str(stop)) from stop

    def _intent(self, work: Work, action: Action) -> Intent:
        return Intent(action, work.current, self._search(work, action))

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
        mine, theirs = self._operation(one), self._operation(other)
        if not isinstance(mine, Create) or not isinstance(theirs, Create) or mine.collection != theirs.collection:
            return False
        return (one.payload.keys() == other.payload.keys() and mine.same(one.payload, other.payload)) or (
            "text" in one.payload and "text" in other.payload and mine.same(one.payload, other.payload)
        )

    def _search(self, work: Work, action: Action) -> Search:
        """How to tell this action's result from what looks the same already."""
        operation = self._operation(action)
        if not isinstance(operation, Create):
            return Search()
        seen = [item.id for item in operation.found(work.compared, action.payload)]
        same = sum(self._look_alike(action, made) for made in work.made)
        return Search(tuple(seen), same, work.since if operation.is_dated else None)

    def _judge(self, work: Work, intent: Intent, result: Result, stop: ApiError | None) -> None:
        """Take down what came of an action."""
        action, changes = intent.action, work.changes
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
            work.doubts.append(Doubt(intent, str(result)))

    # ---- in doubt

    def _settle_doubts(self, works: Sequence[Work]) -> None:
        """What came to no answer is looked for at once. That it is not there proves nothing while it may still arrive.

        It stays in doubt for so long, its row says until when, and a later push looks again before anything is sent.
        What other rows came to is written down first: to look for something takes seconds.
        """
        doubtful = [work for work in works if work.doubts]
        if not doubtful:
            return
        for work in doubtful:
            for doubt in work.doubts:
                reason = self._say("no_answer", doubt.intent.action, doubt.reason)
                work.changes.end(doubt.intent.log_id, "in_doubt", reason, grace_s=self._timeout_s)
        until = self._flush(works).until
        for work in doubtful:
            for doubt in work.doubts:
                ends = until.get(doubt.intent.log_id)
                doubt.message = self._say("in_doubt", doubt.intent.action, doubt.reason, until=ends)
        left = [work for work in doubtful if not work.is_over]
        deadline = time.monotonic() + (self._timeout_s if self._timeout_s <= DOUBT_WAIT_S else 0.0)
        while left := self._look_up(left):
            if time.monotonic() >= deadline:
                break
            time.sleep(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
        for work in doubtful:
            for doubt in work.doubts:
                work.fail(doubt.intent.action.field, doubt.message, is_over=True)
            work.doubts.clear()
            work.needs_plan = work.is_unsure = not work.is_over

    def _look_up(self, works: Sequence[Work]) -> list[Work]:
        """Confirm what arrived; gives the rows of which something that was made may still arrive."""
        wanted = {work.row.local_id: Wanted(work.row.key, work.since, work.row.parent) for work in works}
        try:
            reads = self.ask(list(wanted.values()), is_look_up=True)
        except RunAborted as stop:
            log.info("what came to no answer cannot be looked for", reason=str(stop))
            return list(works)
        for work in works:
            self._alone(work, lambda work: self._look(work, reads.get(wanted[work.row.local_id])))
        waiting = [work for work in works if any(doubt.intent.action.is_create for doubt in work.doubts)]
        return [work for work in waiting if not work.is_over]

    def found(self, operation: Create, remote: Remote, payload: Values) -> list[str]:
        """Ids of what a create may have made: a record that another row names is not this row's."""
        ids = [item.id for item in operation.found(remote, payload)]
        if not operation.makes_record or not ids:
            return ids
        others = self._made | self.store.named(ids)
        return [one for one in ids if one not in others]

    def _look(self, work: Work, read: Read) -> None:
        """Confirm what arrived."""
        for doubt in list(work.doubts):
            action, operation = doubt.intent.action, self._operation(doubt.intent.action)
            if isinstance(operation, Ending) and not isinstance(read, ApiError):
                if read is not None and not operation.has_ended(read):
                    continue
                self._confirm(work, doubt.intent, Sent({"found": work.row.key}))
            elif not isinstance(read, Remote):
                continue
            elif isinstance(operation, Create):
                found = doubt.intent.search.arrived(self.found(operation, read, action.payload))
                if found is None:
                    continue
                self._confirm(work, doubt.intent, Sent({"found": found}, created_id=found))
            else:
                plan = self.pushable.plan(work.row, read, api_ahead=self._api_ahead, language=self.language)
                if not plan.has_found(action):
                    continue
                stamp = doubt.intent.remote.updated_at
                arrived = Sent({"found": read.id}, after=read, before=replace(doubt.intent.remote, updated_at=stamp))
                work.current = doubt.intent.remote
                self._confirm(work, doubt.intent, arrived)
            work.doubts.remove(doubt)

"""What came to no answer: whether Gazelle has it, found out by reading before anything is sent again.

That it is not there proves nothing while it may still arrive. An action of this run is looked for at once; one that an
earlier run left, before its row is planned.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from gazelle_sync.errors import ApiError
from gazelle_sync.push.changes import Changes, Intent, Logged
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import UNDO, WHOLE, Outcome, Remote, Row, Values
from gazelle_sync.push.recording import Recorder, RunAborted, Work
from gazelle_sync.push.transports.graphql import ends_run
from gazelle_sync.push.transports.protocol import Create, Ending, Sent, Update, Wanted
from gazelle_sync.runtime.logs import get_logger

LOOK_EVERY_S = 0.5
DOUBT_WAIT_S = 5.0
"""So long a run itself waits for the end of a doubt; one that lasts longer is left to a later push."""

log = get_logger("gazelle_sync.push")


class Doubts(Recorder):
    """Settles the doubts about one table."""

    def _settle_doubts(self, works: Sequence[Work]) -> None:
        """What came to no answer is looked for at once. That it is not there proves nothing while it may still arrive.

        It stays in doubt for so long, its row says until when, and a later push looks again before anything is sent.
        What other rows came to is written down first: to look for something takes seconds.
        """
        doubtful = [work for work in works if work.doubts]
        if not doubtful:
            return
        for work in doubtful:
            for intent in work.doubts:
                reason = self._say(self._no_answer(intent, "no_answer"), intent.action, intent.reason)
                work.changes.end(intent.log_id, "in_doubt", reason, grace_s=self.doubt_s)
        until = self._flush(works).until
        deadline = time.monotonic() + (self.doubt_s if self.doubt_s <= DOUBT_WAIT_S else 0.0)
        left = doubtful
        while left := [work for work in left if not work.is_over and work.doubts]:
            try:
                self._look_up(left, is_look_up=True)
            except RunAborted as stop:
                log.info("what came to no answer cannot be looked for", reason=str(stop))
            left = [work for work in left if any(intent.action.is_create for intent in work.doubts)]
            if not left or time.monotonic() >= deadline:
                break
            time.sleep(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
        for work in doubtful:
            for intent in work.doubts:
                key, ends = self._no_answer(intent, "in_doubt"), until.get(intent.log_id)
                work.fail(intent.action.field, self._say(key, intent.action, intent.reason, until=ends), is_over=True)
            work.doubts.clear()
            work.needs_plan = work.is_unsure = not work.is_over

    def resolve(self, opens: Sequence[Logged]) -> list[Outcome]:
        """Find out about the actions that earlier runs left in doubt, before anything is sent again.

        Returns:
            One for each row of which something could not be found out: it waits, and says why.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        begun = time.monotonic()
        works: dict[tuple[str, str], Work] = {}
        for one in opens:
            row = Row(one.record, {}, datetime.now(UTC), local_id=one.local_id)
            works.setdefault((one.local_id, one.record), Work.of(row)).doubts.append(one.as_intent())
        left = list(works.values())
        while left:
            rows = {row.local_id: row for row in self.store.load([work.row.local_id for work in left])}
            here = set()
            for (local_id, record), work in works.items():
                found = rows.get(local_id)
                if found and found.key in ("", record):  # else it speaks of another record by now
                    work.row, work.changes = found, Changes(found)
                    here.add(work)
            self._look_up(left)
            passed_s = time.monotonic() - begun
            for work in left:
                self._alone(work, partial(self._not_found, passed_s=passed_s, has_row=work in here))
            self._flush(left)
            left = [work for work in left if work.doubts and not work.is_over]
            waits = max((intent.wait_s for work in left for intent in work.doubts), default=0.0)
            time.sleep(max(0.0, waits + begun - time.monotonic() if left else 0.0))
        outcomes = [work.outcome for work in works.values() if work.outcome.failed]
        for outcome in outcomes:
            self.store.fail([outcome.local_id], outcome.trouble or "", is_outage=outcome.is_outage)
        return outcomes

    def _not_found(self, work: Work, *, passed_s: float, has_row: bool) -> None:
        """What becomes of what was looked for and is not there; it stays among the doubts where it is looked for again.

        Args:
            work: Its record was read just now.
            passed_s: Since the log was read.
            has_row: Whether its row is still here.
        """
        for intent in list(work.doubts):
            action, left_s, read = intent.action, intent.wait_s - passed_s, work.read
            if isinstance(read, ApiError):
                work.fail(WHOLE, say(self.language, "unreachable", reason=str(read)), is_over=True)
                work.outcome.is_outage = ends_run(read)
            elif read is None and has_row and isinstance(self.operation(action), Create):
                # That the record is not there proves nothing: believed lost, what was made would be doubled.
                work.fail(WHOLE, self.pushable.no_record(self.language, intent.remote.id), is_over=True)
            elif 0 < left_s <= DOUBT_WAIT_S:
                continue
            elif read is not None and left_s > 0:
                key = self._no_answer(intent, "in_doubt")
                work.fail(WHOLE, self._say(key, action, until=intent.until), is_over=True)
            else:
                key = "not_put_back" if action.name.startswith(UNDO) else "not_arrived"
                work.changes.end(intent.log_id, "error", say(self.language, key))
            work.doubts.remove(intent)

    def _no_answer(self, intent: Intent, key: str) -> str:
        """Which sentence says that no answer came."""
        return "undo_in_doubt" if intent.action.name.startswith(UNDO) else key

    def _look_up(self, works: Sequence[Work], *, is_look_up: bool = False) -> None:
        """Confirm what arrived.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        wanted = {work: self._place(work) for work in works}
        reads = self.ask(list(wanted.values()), is_look_up=is_look_up)
        for work, place in wanted.items():
            work.read = reads[place]
            self._alone(work, self._confirm_found)

    def _place(self, work: Work) -> Wanted:
        """Where what came to no answer is looked for: among the newest records where it is one itself."""
        instants = [intent.search.since for intent in work.doubts if intent.search.since]
        operations = [self.operation(intent.action) for intent in work.doubts]
        makes_record = any(isinstance(one, Create) and one.makes_record for one in operations)
        parent = next((parent for intent in work.doubts if (parent := intent.action.payload.get("parent"))), None)
        record = "" if makes_record else work.doubts[0].remote.id
        return Wanted(record, min(instants, default=None), parent or work.row.parent)  # where it was sent

    def _confirm_found(self, work: Work) -> None:
        if isinstance(work.read, ApiError):
            return
        for intent in list(work.doubts):
            found = self._found(work, intent, work.read)
            if found is not None:
                is_update = isinstance(self.operation(intent.action), Update)
                work.current = intent.remote if is_update else work.current
                self._confirm(work, intent, Sent({"found": found}, found, after=work.read if is_update else None))
                work.doubts.remove(intent)

    def _found(self, work: Work, intent: Intent, read: Remote | None) -> str | None:
        """What shows that an action arrived, or None.

        Args:
            work: The row.
            intent: What was sent.
            read: The record, or those among which it is looked for; None: Gazelle has none.
        """
        operation, payload = self.operation(intent.action), intent.action.payload
        if isinstance(operation, Ending):
            return intent.remote.id if read is not None and operation.has_ended(read) else None
        if read is None:
            return None
        if isinstance(operation, Create):
            return intent.search.arrived(self.found(operation, read, payload))
        has_changed = operation.value_in(read.values) != operation.value_in(intent.remote.values)
        return read.id if has_changed and self.pushable.says(operation, read, payload) else None

    def found(self, operation: Create, remote: Remote, payload: Values) -> list[str]:
        """Ids of what a create may have made: a record that another row names is not this row's."""
        ids = [item.id for item in operation.found(remote, payload)]
        if not operation.makes_record or not ids:
            return ids
        others = self._made | self.store.named(ids)
        return [one for one in ids if one not in others]

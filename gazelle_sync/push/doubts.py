"""What earlier runs left in doubt: whether Gazelle has it, found out by one read before anything is sent again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from gazelle_sync.errors import ApiError
from gazelle_sync.push.changes import Changes, Open
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import WHOLE, Outcome, Remote, Row
from gazelle_sync.push.plan import written
from gazelle_sync.push.transports.protocol import Create, Ending, Operation, Read, Update, Wanted
from gazelle_sync.push.undo import Undoing
from gazelle_sync.push.wave import Wave
from gazelle_sync.push.work import DOUBT_WAIT_S, Work, is_outage, montreal_time


class Doubts:
    """Settles the doubts about one table.

    Args:
        wave: Reads, and tells what is wrong with a row.
        undoing: Knows what an undo would have done.
        language: `en` or `fr`.
    """

    def __init__(self, wave: Wave, undoing: Undoing, *, language: str) -> None:
        self._wave = wave
        self._store = wave.store
        self._undoing = undoing
        self._language = language

    def resolve(self, keys: Sequence[str] | None, found: Sequence[Open] | None = None) -> list[Outcome]:
        """Find out about the actions that earlier runs left in doubt.

        Args:
            keys: Of these records only.
            found: The actions, where they were asked for already.

        Returns:
            One for each record about which nothing could be found out: it waits, and its row says why.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        opens = self._store.open(keys) if found is None else list(found)
        begun = time.monotonic()
        waiting: dict[str, Work] = {}
        for one in opens:
            if one.is_undo and (reason := self._undone(one, begun)):
                self._wait(waiting, one, reason)
        opens = [one for one in opens if not one.is_undo]
        while opens:
            rows = {row.local_id: row for row in self._store.load([one.local_id for one in opens])}
            reads = self._read(opens)
            left = {one.id: one.wait_s + begun - time.monotonic() for one in opens}
            again = [
                one for one in opens
                if not self._settle(one, self._row(one, rows), reads[one.id], left[one.id], waiting)
            ]  # fmt: skip
            patience = max((left[one.id] for one in again), default=0.0)
            time.sleep(max(0.0, patience))
            opens = again
        outcomes = []
        for work in waiting.values():
            reason = work.outcome.trouble or ""
            self._store.fail([work.row.local_id], reason, is_outage=work.outcome.is_outage)
            outcomes.append(work.outcome)
        return outcomes

    def _settle(self, one: Open, row: Row | None, read: Read, left_s: float, waiting: dict[str, Work]) -> bool:
        """Settle an action; false where it pays to look once more after a moment."""
        work = self._work(waiting, one)
        try:
            if isinstance(read, ApiError):
                self._wait(
                    waiting, one, say(self._language, "unreachable", reason=str(read)), is_outage=is_outage(read)
                )
                return True
            found = self._found(one, read)
            if read is None and row is not None and isinstance(self._operation(one), Create):
                # That the record is not there proves nothing: believed lost, what was made would be doubled.
                self._wait(waiting, one, self._wave.pushable.no_record(self._language, one.record))
                return True
            if found is None and 0 < left_s <= DOUBT_WAIT_S:
                return False
            if found is None and read is not None and left_s > 0:
                named, until = (
                    self._wave.pushable.action_name(self._language, one.name),
                    montreal_time(one.until) if one.until else "",
                )
                self._wait(waiting, one, say(self._language, "still_in_doubt", action=named, until=until))
                return True
            self._end(one, row, read, found, waiting)
        except Exception as error:
            self._wave.unforeseen(work, error)
            self._wait(waiting, one, work.outcome.failed[WHOLE])
        return True

    def _row(self, one: Open, rows: dict[str, Row]) -> Row | None:
        """The row that an action came from, where it still speaks of that record."""
        row = rows.get(one.local_id)
        return row if row is not None and row.key in ("", one.record) else None

    def _end(
        self, one: Open, row: Row | None, read: Remote | None, found: str | None, waiting: dict[str, Work]
    ) -> None:
        changes = Changes(row or self._work(waiting, one).row)
        if found is None:
            changes.end(one.id, "error", say(self._language, "not_arrived"))
        else:
            changes.end(one.id, "success", say(self._language, "arrived"), response={"found": found})
            changes.settles = dict(one.settles) if row is not None else {}
            if row is not None and read is not None and self._is_update(one):
                changes.settles |= written(row.base, one.stamp, read.updated_at)
            operation = self._operation(one)
            if isinstance(operation, Create) and operation.makes_record:
                changes.created = found
        refused = self._store.write([changes]).refused
        if error := refused.get(changes.row.local_id):
            raise error

    def _found(self, one: Open, remote: Remote | None) -> str | None:
        """What shows that an action arrived, or None."""
        operation = self._operation(one)
        if isinstance(operation, Ending):
            return one.record if remote is None or operation.has_ended(remote) else None
        if remote is None:
            return None
        if isinstance(operation, Update):
            return remote.id if operation.has(remote, one.payload) else None
        return one.search.arrived(self._wave.found(operation, remote, one.payload))

    def _read(self, opens: Sequence[Open]) -> dict[int, Read]:
        """Row of the log → the record in which its action is looked for: the newest ones where the action makes it."""
        since: dict[tuple[str, str | None], list[datetime]] = {}
        places = {}
        for one in opens:
            operation = self._operation(one)
            makes_record = isinstance(operation, Create) and operation.makes_record
            places[one.id] = ("" if makes_record else one.record, one.payload.get("parent"))
            since.setdefault(places[one.id], []).extend([one.search.since] if one.search.since else [])
        wanted = {place: Wanted(place[0], min(found, default=None), place[1]) for place, found in since.items()}
        reads = self._wave.ask(list(wanted.values()))
        return {log_id: reads[wanted[place]] for log_id, place in places.items()}

    def _operation(self, one: Open) -> Operation:
        return self._wave.pushable.kind.operations[one.name]

    def _is_update(self, one: Open) -> bool:
        return isinstance(self._operation(one), Update)

    def _undone(self, one: Open, begun: float) -> str | None:
        try:
            return self._undoing.resolve(one, one.wait_s + begun - time.monotonic())
        except ApiError as error:
            return say(self._language, "unreachable", reason=str(error))

    def _work(self, waiting: dict[str, Work], one: Open) -> Work:
        if one.local_id in waiting:
            return waiting[one.local_id]
        return Work.of(Row(one.record, {}, datetime.now(UTC), local_id=one.local_id))

    def _wait(self, waiting: dict[str, Work], one: Open, reason: str, *, is_outage: bool = False) -> None:
        work = waiting.setdefault(one.local_id, self._work(waiting, one))
        work.fail(WHOLE, reason)
        work.outcome.is_outage = is_outage

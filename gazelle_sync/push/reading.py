"""Reads the records of rows, many at once, and keeps what is wrong with one row to that row."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import psycopg

from gazelle_sync.errors import (
    ApiError,
    GazelleSyncError,
)
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import WHOLE, Remote, Row
from gazelle_sync.push.plan import Draft
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports.protocol import (
    Read,
    Transport,
    Wanted,
)
from gazelle_sync.push.work import RunAborted, Work
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import affects_every_row

BACK = timedelta(days=1)
"""Entries are looked for from a day before the instant that they should carry: clocks differ."""
LONGEST_REASON = 200

log = get_logger("gazelle_sync.push")


class Reader:
    """Reads records for rows of one table.

    Args:
        store: Of that table.
        transport: Of its kind of record.
        language: `en` or `fr`.
    """

    def __init__(self, store: Store, transport: Transport, language: str) -> None:
        self.store = store
        self.transport = transport
        self.pushable = store.pushable
        self.language = language

    @property
    def _api_ahead(self) -> timedelta:
        """How far Gazelle's clock is ahead of the database's; nothing before the first answer."""
        ahead = self.transport.api_ahead
        return timedelta(0) if ahead is None else ahead - self._database_ahead

    @cached_property
    def _database_ahead(self) -> timedelta:
        """How far the database's clock is ahead of this machine's."""
        if self.store.clock_ahead is not None:
            return self.store.clock_ahead
        row = self.store.connection.execute("SELECT clock_timestamp()").fetchone()
        return row[0] - datetime.now(UTC) if row else timedelta(0)

    def _back(self) -> timedelta:
        """How far back entries are looked for: Gazelle dates some by its own clock, which may be far behind."""
        behind = -self._api_ahead
        return BACK + behind if behind > BACK / 2 else BACK

    def _wanted(self, row: Row) -> Wanted:
        """What must be read of a row's record: its recent entries only where a comment will be added."""
        stub = Remote(row.key, {name: one.empty for name, one in self.pushable.attributes.items()}, row.updated_at)
        dated = [parse_instant(action.payload.get("created_at")) for action in self.pushable.plan(row, stub).actions]
        instants = [instant for instant in dated if instant is not None]
        return Wanted(row.key, min(instants) - self._back() if instants else None, row.parent)

    def _read(self, works: Sequence[Work], *, writes: bool = True) -> None:
        """Read the records of some rows; those that cannot be read say why."""
        wanted: dict[str, Wanted] = {}
        back = self._back()
        for work in works:
            self._alone(work, lambda work: wanted.update({work.row.local_id: self._wanted(work.row)}))
        reads = self.ask([wanted[work.row.local_id] for work in works if not work.is_over])
        for work in works:
            if work.is_over:
                continue
            read = reads[wanted[work.row.local_id]]
            if read is None and work.row.is_deleted:
                work.is_over = True  # its record is gone already
                continue
            if not isinstance(read, Remote):
                reason = self.unreadable(work.row.name, read)
                work.fail(WHOLE, reason, is_over=True)
                if writes:
                    work.changes.note("read", WHOLE, "error", reason)
                continue
            work.since = wanted[work.row.local_id].since
            work.compared = work.current = read
            work.made.clear()
            # Only the first answer told how far Gazelle's clock is behind: perhaps too few entries were read.
            work.is_unsure = work.since is not None and self._back() != back

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

    def unreadable(self, name: str, read: ApiError | None) -> str:
        """Why nothing can be done with a record."""
        if read is None:
            return self.pushable.no_record(self.language, name)
        return say(self.language, "unreachable", reason=str(read))

    def _remember_seen(self, work: Work) -> None:
        """For a row that was never sent, and that no pull had read: what its editor could see is the record as found.

        Remembered for the length of the run: an edit at Gazelle while we work makes the record newer than the row.
        """
        if work.row.base is not None or work.row.seen is not None:
            return
        draft = Draft(self.pushable.table, work.row, work.compared, self._api_ahead)
        if draft.ours_is_newer:
            work.row = replace(work.row, seen=work.compared.values)

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

"""One push, from the lock to the log: the way in for the Dagster op, the command line and the tests.

Rows go wave after wave, within the shared budget of requests. Where a transport takes them one by one, a few go side by
side: an answer may take longer than the budget's next request is away.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from types import TracebackType
from typing import TypeVar

import structlog
from psycopg.types.json import Jsonb

from gazelle_sync.errors import UNKNOWN, Cause, GazelleSyncError, cause_of
from gazelle_sync.gazelle.client import client_for
from gazelle_sync.gazelle.page_sizes import SETTING as PAGE_SIZES_SETTING
from gazelle_sync.gazelle.page_sizes import PageSizes
from gazelle_sync.push import outage
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import WHOLE, Outcome, Plan, Row
from gazelle_sync.push.pushable import Pushable, Verdict, record_id
from gazelle_sync.push.pushables import pushables
from gazelle_sync.push.recording import RunAborted
from gazelle_sync.push.restored import settings_and_restore
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports import transport_for
from gazelle_sync.push.transports.graphql import GraphqlTransport
from gazelle_sync.push.undo import Undo, assert_undoable, touched
from gazelle_sync.push.wave import Wave
from gazelle_sync.runtime.logs import describe_error, get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.lock import WAIT_S, PushLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import Rows, borrow, keep_connections, together
from gazelle_sync.warehouse.source import SOURCE_SETTING, refuse_mixing

WAVE = 50
"""Rows that are read, planned and sent together."""
WORKERS, ROWS_AT_ONCE = 4, 25
"""Where actions go one by one: so many rows at a time side by side, read by so many."""

log = get_logger("gazelle_sync.push")
W = TypeVar("W", bound=Wave)
Begun = tuple[Sequence[Rows], timedelta]
"""What a run begins with of one table, and how far the database's clock is ahead: see `Store.begin`."""


@dataclass
class PushReport:
    """What came of a push.

    Attributes:
        outcomes: One a row.
        stopped: Why the run ended before it had come to all rows, or None.
        cause: Of that.
        left: Rows that it did not come to.
        requests: Sent to Gazelle.
        seconds: It took.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str | None = None
    cause: Cause = UNKNOWN
    left: int = 0
    requests: int = 0
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Actions that Gazelle has now."""
        return sum(len(outcome.sent) for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Actions that failed, or of which nobody knows."""
        return sum(len(outcome.failed) for outcome in self.outcomes)

    @property
    def succeeded(self) -> bool:
        """Whether everything went."""
        return self.stopped is None and not self.failed


@dataclass
class Push:
    """Context manager around one push.

    Attributes:
        settings: With `api_url` and `database_url` filled in.
        keys: Only these records; None: all that are due.
        tables: Only rows of these tables; None: of all.
        at_once: Also rows whose next try lies ahead (somebody asked for it).
        allow_deletes: Also end the records of many rows that were deleted here.
        run_id: Of the Dagster run; where none is given, one is made up.
        lock_wait_s: How long to wait for another push.
        grace_s: How long a request whose process died may still be at work at Gazelle; None: `timeout_s`, as long as
            one that came to no answer.

    Raises:
        AnotherPushRunning: The lock was not free in time.
        SettingsError: No credentials, or an account that the database does not belong to.
        DatabaseError: The database cannot be reached.
    """

    settings: Settings
    _: KW_ONLY
    keys: Sequence[str] | None = None
    tables: Sequence[str] | None = None
    at_once: bool = False
    allow_deletes: bool = False
    run_id: str = ""
    lock_wait_s: float = WAIT_S
    grace_s: float | None = None

    def __post_init__(self) -> None:
        settings = self.settings
        if settings.database_url is None or settings.api_url is None:
            raise ValueError("settings must name the database and the API (see gazelle_sync.runtime.embedded)")
        self._url = settings.database_url
        self._keys = [record_id(key) for key in self.keys] if self.keys is not None else None
        self.run_id = self.run_id or str(uuid.uuid4())
        self._grace_s = settings.timeout_s if self.grace_s is None else self.grace_s
        self._lock = PushLock(self._url, wait_s=self.lock_wait_s)
        self._stack, self._stopped = ExitStack(), threading.Event()
        self._stopped_by: BaseException | None = None
        self.report, self.client = PushReport(), client_for(settings)

    def __enter__(self) -> Push:
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        try:
            self._stack.enter_context(keep_connections())
            migrate(self._url)
            with borrow(self._url) as connection:
                stored, self._restored_at = settings_and_restore(connection)
            refuse_mixing(stored.get(SOURCE_SETTING), str(self.settings.api_url))
            self._was_outage = outage.KEY in stored
            self._page_sizes = PageSizes(self.client.url, self.settings.page_size, stored.get(PAGE_SIZES_SETTING))
            self.client.pushed_size.recall(self._page_sizes)
            self.client.document_size.recall(self._page_sizes)
            self._lock.__enter__()
        except BaseException:
            self._close()
            raise
        self._begun = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.report.requests = self.client.requests
        self.report.seconds = round(time.monotonic() - self._begun, 3)
        try:
            if not isinstance(error, GazelleSyncError) and error is not None:
                self.client.stop()
            self._write_log(error)
        finally:
            self._lock.__exit__(None, None, None)
            self._close()

    def run(self) -> PushReport:
        """Bring every due row to Gazelle, as far as it goes.

        Raises:
            DatabaseError: The database went away; what was sent is looked for by the next run.
        """
        tables = [one for one in pushables(self.settings) if self.tables is None or one.table in self.tables]
        begun: dict[str, Begun] = {}
        for place, pushable in enumerate(tables):
            begun = begun or self._begin(tables[place:])
            outcomes = len(self.report.outcomes)
            self._push(pushable, begun.pop(pushable.table))
            if len(self.report.outcomes) > outcomes:
                begun.clear()  # what is made under its rows may be due by now
        if self.report.stopped is not None or self._was_outage:
            with borrow(self._url) as connection:
                if self.report.stopped is None:
                    outage.forget(connection)
                else:
                    outage.note(connection, self._stopped_by)
        log.info("push ended", sent=self.report.sent, failed=self.report.failed, stopped=self.report.stopped)
        return self.report

    def undo(self, run_id: str) -> PushReport:
        """Put back what a run changed at Gazelle.

        Raises:
            SettingsError: It changed nothing that could be put back.
            DatabaseError: The database went away.
        """
        settings = self.settings.replace(push_transport="graphql", push_service="comment")
        with borrow(self._url) as connection:
            assert_undoable(connection, run_id, self._keys)
        for pushable in reversed(pushables(settings)):  # what was made under a record goes before it
            if self._stopped.is_set():
                break
            with self._over(Undo, pushable, settings) as undo:
                try:
                    waiting = undo.resolve(undo.store.open(touched(undo.store, run_id, self._keys)))
                    self.report.outcomes += waiting
                    keys = {outcome.key for outcome in waiting}
                    self.report.outcomes += undo.undo(run_id, self._keys, waiting=keys)
                except RunAborted as stop:
                    self._stop(stop)
        return self.report

    def _begin(self, tables: Sequence[Pushable]) -> dict[str, Begun]:
        """What is to be done about some tables, asked in one round trip."""
        with borrow(self._url) as connection:
            asked = [Store(connection, one).first_questions(self._keys, at_once=self.at_once) for one in tables]
            [(now,)], *answers = together(connection, ("SELECT clock_timestamp()", None), *chain.from_iterable(asked))
            ahead = now - datetime.now(UTC)
        found = iter(answers)
        return {one.table: ([next(found) for _ in of_it], ahead) for one, of_it in zip(tables, asked, strict=True)}

    def _push(self, pushable: Pushable, begun: Begun) -> None:
        with self._over(Undo, pushable, self.settings) as undo:
            store, waiting = undo.store, list[Outcome]()
            opens, due = store.begin(*begun)
            if opens and not self._stopped.is_set():
                try:
                    waiting = undo.resolve(opens)
                    due = store.due(self._keys, at_once=self.at_once)
                except RunAborted as stop:
                    self._stop(stop)
            self.report.outcomes += waiting
            for outcome in waiting:
                due.pop(outcome.local_id, None)
            ids, staying = store.sort_out(due, allow_deletes=self.allow_deletes or self.keys is not None)
            for kept in staying:
                store.fail(kept.untold, kept.reason, is_outage=kept.is_outage)
                self.report.outcomes += [
                    Outcome(one, failed={WHOLE: kept.reason}, local_id=one) for one in kept.told_as
                ]
            if undo.transport.is_batched:
                wave = self._steps(Wave, store, undo.transport)
                left = self._beside([partial(self._waves, wave, ids)] if ids else [], 1)
            else:  # of two records that say the same, whose is whose is known
                workers = 1 if pushable.creates else WORKERS
                size = max(1, min(ROWS_AT_ONCE, -(-len(ids) // workers)))
                chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
                verdicts = store.verdicts
                left = self._beside([partial(self._chunk, pushable, chunk, verdicts) for chunk in chunks], workers)
            if self.report.stopped is not None:
                self._give_up(store, left)

    def _beside(self, jobs: Sequence[Callable[[], list[str]]], workers: int) -> list[str]:
        """Deliver rows on threads of their own; gives those that were not come to.

        Whoever stops the push interrupts the main thread: no request is broken off in the middle, its answer is written
        down, and nothing more is begun.
        """
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="push") as pool:
            futures = [pool.submit(self._bound, job) for job in jobs]
            try:
                return [one for future in as_completed(futures) for one in future.result()]
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _bound(self, job: Callable[[], list[str]]) -> list[str]:
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        return job()

    def _chunk(self, pushable: Pushable, ids: list[str], verdicts: Mapping[str, Verdict]) -> list[str]:
        with self._over(Wave, pushable, self.settings) as wave:
            wave.store.verdicts = dict(verdicts)
            return self._waves(wave, ids)

    def _waves(self, wave: Wave, ids: list[str]) -> list[str]:
        """Deliver rows, wave after wave; gives those that it did not come to.

        Of several changes of one record a wave takes the first: the others go after the last wave.
        """
        left: list[str] = []
        queue = deque(ids[start : start + WAVE] for start in range(0, len(ids), WAVE))
        while queue:
            part = queue.popleft()
            if self._stopped.is_set():
                left += part
                continue
            outcomes, untouched, stop = wave.deliver(part)
            self.report.outcomes += outcomes
            if stop is not None:
                self._stop(stop)
            if outcomes and untouched and not self._stopped.is_set():
                queue.append(untouched)
            else:
                left += untouched
        return left

    def _stop(self, stop: RunAborted) -> None:
        """The run ends here; where several threads met the same outage, the first one counts."""
        self._stopped.set()
        if self.report.stopped is None:
            self._stopped_by = stop.__cause__
            self.report.stopped, self.report.cause = str(stop), cause_of(stop.__cause__ or stop)

    def _give_up(self, store: Store, ids: list[str]) -> None:
        """What a run that stopped did not come to waits for the next run."""
        self.report.left += len(ids)
        store.fail(ids, say(self.settings.language, "unreachable", reason=str(self.report.stopped)), is_outage=True)

    @contextmanager
    def _over(self, kind: type[W], pushable: Pushable, settings: Settings) -> Iterator[W]:
        with borrow(self._url) as connection:
            store = Store(connection, pushable, self.run_id, self._grace_s, settings.language)
            yield self._steps(kind, store, transport_for(settings, self.client, pushable.kind))

    def _steps(self, kind: type[W], store: Store, transport: GraphqlTransport) -> W:
        doubt_s = self._grace_s if issubclass(kind, Undo) else self.settings.timeout_s
        return kind(store, transport, doubt_s, self._lock.assert_held, self._stopped.is_set, self._restored_at)

    def _write_log(self, error: BaseException | None) -> None:
        """One row of `sync_logs`, written at the end; of a push that dies, only its open actions are found."""
        reason, cause = self.report.stopped, self.report.cause
        if reason is None and error is not None:
            reason, cause = describe_error(error), cause_of(error)
        stats = {
            "rows": len(self.report.outcomes), "sent": self.report.sent, "failed": self.report.failed,
            "left": self.report.left, "requests": self.client.requests, "bytes": self.client.bytes,
            **({"cause": cause.code, "cause_number": cause.number} if reason else {}),
        }  # fmt: skip
        row = {
            "run_id": self.run_id, "mode": self.settings.push_transport, "duration_s": self.report.seconds,
            "status": "error" if reason else "warning" if self.report.failed else "success",
            "stats": Jsonb(stats), "error_message": reason,
        }  # fmt: skip
        with borrow(self._url) as connection:
            self.client.pushed_size.remember(self._page_sizes, connection)
            self.client.document_size.remember(self._page_sizes, connection)
            connection.execute(statement("push/runlog"), row)

    def _close(self) -> None:
        self.client.close()
        self._stack.close()
        structlog.contextvars.unbind_contextvars("run_id")


def preview(settings: Settings, *, keys: list[str] | None) -> Iterator[tuple[Row, Plan | None, str]]:
    """What a push would do now: row, plan, and why there is none. Reads only, here and at Gazelle; takes no lock.

    Raises:
        GazelleSyncError: The database or Gazelle cannot be asked.
    """
    client = client_for(settings)
    try:
        with borrow(str(settings.database_url)) as connection:
            stored, restored_at = settings_and_restore(connection, writes=False)
            refuse_mixing(stored.get(SOURCE_SETTING), str(settings.api_url))
            for pushable in pushables(settings):
                store = Store(connection, pushable, language=settings.language)
                transport = transport_for(settings, client, pushable.kind)
                wave = Wave(store, transport, restored_at=restored_at)
                due = store.due(keys, at_once=True)
                ids, staying = store.sort_out(due, allow_deletes=keys is not None)
                for start in range(0, len(ids), WAVE):
                    yield from wave.preview(ids[start : start + WAVE])
                for kept in staying:
                    rows = {row.local_id: row for row in store.load(kept.told_as)}
                    for one in kept.told_as:
                        yield rows.get(one, Row("", {}, datetime.now(UTC), local_id=one)), None, kept.reason
    except RunAborted as stop:
        raise GazelleSyncError(str(stop), cause=cause_of(stop.__cause__ or stop)) from stop
    finally:
        client.close()

"""One push, from the lock to the log: the way in for the Dagster op, the command line and the tests.

Rows go wave after wave, within the shared budget of requests. Where a transport takes them one by one, a few go side by
side: an answer may take longer than the budget's next request is away.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

import structlog
from psycopg.types.json import Jsonb

from gazelle_sync.errors import UNKNOWN, Cause, GazelleSyncError, cause_of
from gazelle_sync.gazelle.client import client_for
from gazelle_sync.gazelle.page_sizes import SETTING as PAGE_SIZES_SETTING
from gazelle_sync.gazelle.page_sizes import PageSizes
from gazelle_sync.push import outage
from gazelle_sync.push.doubts import Doubts
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Outcome, Plan, Row
from gazelle_sync.push.pushable import Pushable, record_id
from gazelle_sync.push.pushables import pushables
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports import transport_for
from gazelle_sync.push.undo import Undoing, assert_undoable, touched
from gazelle_sync.push.wave import Wave
from gazelle_sync.push.work import RunAborted
from gazelle_sync.runtime.logs import describe_error, get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.lock import WAIT_S, PushLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow, keep_connections
from gazelle_sync.warehouse.settings_table import read_setting, read_settings
from gazelle_sync.warehouse.source import SOURCE_SETTING, refuse_mixing

WAVE = 50
"""Rows that are read, planned and sent together."""
WORKERS, ROWS_AT_ONCE = 4, 25
"""Where actions go one by one: so many rows at a time side by side, read by so many."""

log = get_logger("gazelle_sync.push")


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


class Push:
    """Context manager around one push.

    Args:
        settings: With `api_url` and `database_url` filled in.
        keys: Only these records; None: all that are due.
        at_once: Also rows whose next try lies ahead (somebody asked for it).
        run_id: Of the Dagster run.
        lock_wait_s: How long to wait for another push.
        grace_s: How long a request whose process died may still be at work at Gazelle; None: `timeout_s`, as long as
            one that came to no answer.

    Raises:
        AnotherPushRunning: The lock was not free in time.
        SettingsError: No credentials, or an account that the database does not belong to.
        DatabaseError: The database cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        keys: Sequence[str] | None = None,
        at_once: bool = False,
        run_id: str | None = None,
        lock_wait_s: float = WAIT_S,
        grace_s: float | None = None,
    ) -> None:
        if settings.database_url is None or settings.api_url is None:
            raise ValueError("settings must name the database and the API (see gazelle_sync.runtime.embedded)")
        self._settings = settings
        self._url = settings.database_url
        self._keys = [record_id(key) for key in keys] if keys is not None else None
        self._at_once = at_once
        self.run_id = run_id or str(uuid.uuid4())
        self._grace_s = settings.timeout_s if grace_s is None else grace_s
        self._lock = PushLock(self._url, wait_s=lock_wait_s)
        self._stack = ExitStack()
        self._stopped = threading.Event()
        self._stopped_by: BaseException | None = None
        self.report = PushReport()
        self.client = client_for(settings)

    def __enter__(self) -> Push:
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        try:
            self._stack.enter_context(keep_connections())
            migrate(self._url)
            with borrow(self._url) as connection:
                stored = read_settings(connection)
            refuse_mixing(stored.get(SOURCE_SETTING), str(self._settings.api_url))
            self._was_outage = outage.KEY in stored
            self._page_sizes = PageSizes(self.client.url, self._settings.page_size, stored.get(PAGE_SIZES_SETTING))
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
        for pushable in pushables(self._settings):
            self._push(pushable)
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
        settings = self._settings.replace(push_transport="graphql", push_service="comment")
        with borrow(self._url) as connection:
            assert_undoable(connection, run_id, self._keys)
        for pushable in reversed(pushables(settings)):  # what was made under a record goes before it
            if self._stopped.is_set():
                break
            with self._wave(pushable, settings) as wave:
                undoing, doubts = self._parts(wave)
                try:
                    waiting = doubts.resolve(touched(wave.store.connection, pushable, run_id, self._keys))
                    self.report.outcomes += waiting
                    keys = {outcome.key for outcome in waiting}
                    self.report.outcomes += undoing.undo(run_id, self._keys, waiting=keys)
                except RunAborted as stop:
                    self._stop(stop)
        return self.report

    def _push(self, pushable: Pushable) -> None:
        with self._wave(pushable) as wave:
            store = wave.store
            opens, nameless, due = store.begin(self._keys, at_once=self._at_once)
            if self._stopped.is_set():  # while another table was pushed
                self._give_up(store, due)
                return
            try:
                waiting = self._parts(wave)[1].resolve(self._keys, opens) if opens else []
            except RunAborted as stop:
                self._stop(stop)
                self._give_up(store, due)
                return
            if opens:
                due = store.due(self._keys, at_once=self._at_once)
            self.report.outcomes += [*waiting, *self._nameless(store, nameless)]
            unknown = {outcome.local_id for outcome in waiting}
            ids = [one for one in due if one not in unknown]
            if wave.transport.is_batched:
                waves = [ids[start : start + WAVE] for start in range(0, len(ids), WAVE)]
                left = self._beside([partial(self._waves, wave, waves)] if waves else [])
            else:
                workers = (
                    1 if pushable.creates else WORKERS
                )  # of two records that say the same, whose is whose is known
                size = max(1, min(ROWS_AT_ONCE, -(-len(ids) // workers)))
                chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
                left = self._beside([partial(self._chunk, pushable, chunk) for chunk in chunks], workers)
            if self.report.stopped is not None:
                self._give_up(store, left)

    def _beside(self, jobs: Sequence[Callable[[], list[str]]], workers: int = 1) -> list[str]:
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

    def _chunk(self, pushable: Pushable, ids: list[str]) -> list[str]:
        with self._wave(pushable) as wave:
            return self._waves(wave, [ids])

    def _waves(self, wave: Wave, waves: Sequence[list[str]]) -> list[str]:
        """Deliver rows, wave after wave; gives those that it did not come to."""
        left: list[str] = []
        for ids in waves:
            if self._stopped.is_set():
                left += ids
                continue
            outcomes, untouched, stop = wave.deliver(ids)
            self.report.outcomes += outcomes
            left += untouched
            if stop is not None:
                self._stop(stop)
        return left

    def _nameless(self, store: Store, ids: Sequence[str]) -> list[Outcome]:
        """Rows of which nobody can tell which record they speak of."""
        key = store.pushable.record_key
        if self._keys is not None or not ids:
            return []
        reason = say(self._settings.language, "nameless", column=key)
        store.fail(ids, reason)
        return [Outcome(f"({key}: NULL)", failed={key: reason})]

    def _stop(self, stop: RunAborted) -> None:
        """The run ends here; where several threads met the same outage, the first one counts."""
        self._stopped.set()
        if self.report.stopped is None:
            self._stopped_by = stop.__cause__
            self.report.stopped, self.report.cause = str(stop), cause_of(stop.__cause__ or stop)

    def _give_up(self, store: Store, ids: list[str]) -> None:
        """What a run that stopped did not come to waits for the next run."""
        self.report.left += len(ids)
        store.fail(ids, say(self._settings.language, "unreachable", reason=str(self.report.stopped)), is_outage=True)

    @contextmanager
    def _wave(self, pushable: Pushable, settings: Settings | None = None) -> Iterator[Wave]:
        settings = settings or self._settings
        with borrow(self._url) as connection:
            transport = transport_for(settings, self.client, pushable.kind)
            store = Store(connection, pushable, self.run_id, self._grace_s)
            yield Wave(store, transport, settings, before_send=self._lock.assert_held, is_stopped=self._stopped.is_set)

    def _parts(self, wave: Wave) -> tuple[Undoing, Doubts]:
        language = self._settings.language
        undoing = Undoing(wave, run_id=self.run_id, language=language, grace_s=self._grace_s)
        return undoing, Doubts(wave, undoing, language=language)

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
        with borrow(self._url) as connection:
            self.client.pushed_size.remember(self._page_sizes, connection)
            self.client.document_size.remember(self._page_sizes, connection)
            connection.execute(
                statement("push/runlog"),
                {
                    "run_id": self.run_id,
                    "mode": self._settings.push_transport,
                    "status": "error" if reason else "warning" if self.report.failed else "success",
                    "duration_s": self.report.seconds,
                    "stats": Jsonb(stats),
                    "error_message": reason,
                },
            )

    def _close(self) -> None:
        self.client.close()
        self._stack.close()
        structlog.contextvars.unbind_contextvars("run_id")


def preview(settings: Settings, *, keys: Sequence[str] | None) -> Iterator[tuple[Row, Plan | None, str]]:
    """What a push would do now: row, plan, and why there is none. Reads only, here and at Gazelle; takes no lock.

    Raises:
        GazelleSyncError: The database or Gazelle cannot be asked.
    """
    client = client_for(settings)
    try:
        with borrow(str(settings.database_url)) as connection:
            refuse_mixing(read_setting(connection, SOURCE_SETTING), str(settings.api_url))
            for pushable in pushables(settings):
                wave = Wave(Store(connection, pushable), transport_for(settings, client, pushable.kind), settings)
                due = wave.store.due(keys, at_once=True)
                for start in range(0, len(due), WAVE):
                    yield from wave.preview(due[start : start + WAVE])
    except RunAborted as stop:
        raise GazelleSyncError(str(stop), cause=cause_of(stop.__cause__ or stop)) from stop
    finally:
        client.close()

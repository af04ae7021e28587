"""One push, from the lock to the log: the way in for the Dagster op, the command line and the tests.

Rows are delivered side by side, a few at a time, within the shared budget of requests: an answer may take longer than
the budget's next request is away.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import structlog
from psycopg.types.json import Jsonb

from gazelle_sync.errors import UNKNOWN, Cause, GazelleSyncError, cause_of
from gazelle_sync.gazelle.client import client_for
from gazelle_sync.gazelle.page_sizes import SETTING as PAGE_SIZES_SETTING
from gazelle_sync.gazelle.page_sizes import PageSizes
from gazelle_sync.push import outage, rows
from gazelle_sync.push.deliver import Delivery
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Plan, Row
from gazelle_sync.push.pushables import PUSHABLES, Pushable, record_id
from gazelle_sync.push.send import RunAborted
from gazelle_sync.push.transports import transport_for
from gazelle_sync.push.transports.protocol import Wanted
from gazelle_sync.push.undo import assert_undoable, touched
from gazelle_sync.push.work import Outcome
from gazelle_sync.runtime.logs import describe_error, get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.lock import WAIT_S, PushLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.settings_table import read_setting, read_settings
from gazelle_sync.warehouse.source import SOURCE_SETTING, refuse_mixing

WORKERS = 4
ROWS_AT_ONCE = 25

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
        self._stopped = threading.Event()
        self._stopped_by: BaseException | None = None
        self.report = PushReport()
        self.client = client_for(settings)

    def __enter__(self) -> Push:
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        try:
            migrate(self._url)
            with database_errors(), connect(self._url) as connection:
                stored = read_settings(connection)
            refuse_mixing(stored.get(SOURCE_SETTING), str(self._settings.api_url))
            self._page_sizes = PageSizes(self.client.url, self._settings.page_size, stored.get(PAGE_SIZES_SETTING))
            self.client.pushed_size.recall(self._page_sizes)
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
        for pushable in PUSHABLES:
            self._push(adjusted(pushable, self._settings))
        with database_errors(), connect(self._url) as connection:
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
        assert_undoable(self._settings, run_id, self._keys)
        settings = self._settings.replace(push_transport="graphql", push_service="comment")
        for pushable in PUSHABLES:
            with self._delivery(pushable, settings) as (connection, delivery):
                try:
                    waiting = delivery.doubts.resolve(touched(connection, pushable, run_id, self._keys))
                    self.report.outcomes += waiting
                    keys = {outcome.key for outcome in waiting}
                    self.report.outcomes += delivery.undoing.undo(run_id, self._keys, waiting=keys)
                except RunAborted as stop:
                    self._stop(stop)
        return self.report

    def _push(self, pushable: Pushable) -> None:
        with self._delivery(pushable) as (connection, delivery):
            try:
                waiting = delivery.doubts.resolve(self._keys)
            except RunAborted as stop:
                self._stop(stop)
                self._give_up(connection, pushable, rows.due(connection, pushable, self._keys))
                return
            self.report.outcomes += [*waiting, *self._nameless(connection, pushable)]
            unknown = {outcome.key for outcome in waiting}
            rows.adopt(connection, pushable)
            due = rows.due(connection, pushable, self._keys, at_once=self._at_once)
            keys = [key for key in due if key not in unknown]
        size = max(1, min(ROWS_AT_ONCE, -(-len(keys) // WORKERS)))
        chunks = [keys[start : start + size] for start in range(0, len(keys), size)]
        if not chunks:
            return
        with ThreadPoolExecutor(max_workers=min(WORKERS, len(chunks)), thread_name_prefix="push") as pool:
            futures = [pool.submit(self._chunk, pushable, chunk) for chunk in chunks]
            try:
                left = [key for future in as_completed(futures) for key in future.result()]
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
        if self.report.stopped is not None:
            with self._delivery(pushable) as (connection, _):
                self._give_up(connection, pushable, left)

    def _nameless(self, connection: Connection, pushable: Pushable) -> list[Outcome]:
        """Rows of which nobody can tell which record they speak of."""
        reason = say(self._settings.language, "nameless", column=pushable.key)
        if self._keys is not None or not rows.fail_nameless(connection, pushable, reason, at_once=self._at_once):
            return []
        return [Outcome(f"({pushable.key}: NULL)", failed={pushable.key: reason})]

    def _chunk(self, pushable: Pushable, keys: list[str]) -> list[str]:
        """Deliver some rows; gives those that it did not come to."""
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        left = list(keys)
        if self._stopped.is_set():
            return left
        try:
            with self._delivery(pushable) as (connection, delivery):
                found = {row.key: row for row in rows.load(connection, pushable, keys)}
                wanted: dict[str, Wanted] = {}
                for key, row in found.items():
                    with self._alone(delivery, key):
                        wanted[key] = delivery.wanted(row)
                reads = delivery.read(list(wanted.values())) if wanted else {}
                left = list(wanted)
                for key, one in wanted.items():
                    if self._stopped.is_set():
                        break
                    self._lock.assert_held()
                    left.remove(key)
                    with self._alone(delivery, key):
                        self.report.outcomes.append(delivery.deliver(found[key], reads[key], one.since))
        except RunAborted as stop:
            self._stop(stop)
        except BaseException:
            self._stopped.set()
            raise
        return left

    @contextmanager
    def _alone(self, delivery: Delivery, key: str) -> Iterator[None]:
        """What goes wrong with one row, whatever it is, is that row's."""
        try:
            yield
        except Exception as error:
            self.report.outcomes.append(delivery.unforeseen(key, error))

    def _stop(self, stop: RunAborted) -> None:
        """The run ends here; where several threads met the same outage, the first one counts."""
        self._stopped.set()
        if self.report.stopped is None:
            self._stopped_by = stop.__cause__
            self.report.stopped, self.report.cause = str(stop), cause_of(stop.__cause__ or stop)

    def _give_up(self, connection: Connection, pushable: Pushable, keys: list[str]) -> None:
        """What a run that stopped did not come to waits for the next run."""
        self.report.left += len(keys)
        said = say(self._settings.language, "unreachable", reason=str(self.report.stopped))
        rows.fail(connection, pushable, keys, said, is_outage=True)

    @contextmanager
    def _delivery(self, pushable: Pushable, settings: Settings | None = None) -> Iterator[tuple[Connection, Delivery]]:
        settings = settings or self._settings
        with database_errors(), connect(self._url, autocommit=True) as connection:
            transport = transport_for(settings, self.client)
            yield (
                connection,
                Delivery(connection, transport, pushable, settings, run_id=self.run_id, grace_s=self._grace_s),
            )

    def _write_log(self, error: BaseException | None) -> None:
        """One row of `sync_logs`, written at the end: a push that dies leaves its open actions as its trace."""
        reason, cause = self.report.stopped, self.report.cause
        if reason is None and error is not None:
            reason, cause = describe_error(error), cause_of(error)
        stats = {
            "rows": len(self.report.outcomes), "sent": self.report.sent, "failed": self.report.failed,
            "left": self.report.left, "requests": self.client.requests, "bytes": self.client.bytes,
            **({"cause": cause.code, "cause_number": cause.number} if reason else {}),
        }  # fmt: skip
        with database_errors(), connect(self._url) as connection:
            self.client.pushed_size.remember(self._page_sizes, connection)
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
        structlog.contextvars.unbind_contextvars("run_id")


def adjusted(pushable: Pushable, settings: Settings) -> Pushable:
    """A declaration as `GAZELLE_PUSH_SERVICE` wants it."""
    return pushable.with_visits() if settings.push_service == "event" else pushable


def preview(settings: Settings, *, keys: Sequence[str] | None) -> Iterator[tuple[Row, Plan | None, str]]:
    """What a push would do now: row, plan, and why there is none. Reads only, here and at Gazelle; takes no lock.

    Raises:
        GazelleSyncError: The database or Gazelle cannot be asked.
    """
    url = str(settings.database_url)
    client = client_for(settings)
    try:
        with database_errors(), connect(url, autocommit=True) as connection:
            refuse_mixing(read_setting(connection, SOURCE_SETTING), str(settings.api_url))
            transport = transport_for(settings, client)
            for pushable in (adjusted(pushable, settings) for pushable in PUSHABLES):
                delivery = Delivery(connection, transport, pushable, settings, run_id="", grace_s=0.0)
                due = rows.due(connection, pushable, keys, at_once=True)
                for start in range(0, len(due), ROWS_AT_ONCE):
                    yield from _previewed(delivery, rows.load(connection, pushable, due[start : start + ROWS_AT_ONCE]))
    finally:
        client.close()


def _previewed(delivery: Delivery, found: list[Row]) -> Iterator[tuple[Row, Plan | None, str]]:
    try:
        reads = delivery.read([delivery.wanted(row) for row in found])
    except RunAborted as stop:
        raise GazelleSyncError(str(stop), cause=cause_of(stop.__cause__ or stop)) from stop
    for row in found:
        remote, reason = delivery.usable(row.key, reads[row.key])
        yield row, delivery.preview(row, remote) if remote else None, reason

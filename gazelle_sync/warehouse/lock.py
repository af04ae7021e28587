"""One pull at a time, and one push, across processes and machines.

A lock is a transaction-level advisory lock, held by an open transaction on a connection of its own. PostgreSQL releases
it when the process ends, however it ends, while a row that says "locked" would stay after a crash. A session-level lock
would not work behind a transaction-mode pooler.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from types import TracebackType

import psycopg

from gazelle_sync.errors import AnotherPullRunning, AnotherPushRunning, DatabaseError, GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import database_errors, statement
from gazelle_sync.warehouse.pool import Question, borrow, take, together

log = get_logger("gazelle_sync.warehouse")

WAIT_S = 60.0
"""How long a pull or push waits by default for another one to end."""
PULL_LOCK = 0x6761_7A02
PUSH_LOCK = 0x6761_7A03


class PullLock:
    """Context manager that holds the pull's advisory lock.

    Args:
        url: The shop's database.
        wait_s: How long to wait for a pull that is already running.

    Raises:
        AnotherPullRunning: It was still running after `wait_s`.
    """

    key = PULL_LOCK
    what = "pull"
    busy = Message(
        "Another pull is running and did not end within {seconds} s. Nothing was done. Try again when it has ended; "
        "`gazelle-sync status` shows it."
    )
    refusal: type[GazelleSyncError] = AnotherPullRunning
    holder: int
    """The server process whose transaction holds the lock."""

    def __init__(self, url: str, *, wait_s: float) -> None:
        self._url = url
        self._wait_s = wait_s
        self._stack = ExitStack()

    def __enter__(self) -> PullLock:
        self._connection = self._stack.enter_context(closing(take(self._url)))
        try:
            is_held = self._try_until(time.monotonic() + self._wait_s)
        except BaseException:
            self._stack.close()
            raise
        if not is_held:
            self._stack.close()
            raise self.refusal(gettext(self.busy, seconds=f"{self._wait_s:g}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock, if it was held."""
        self._stack.close()

    def assert_held(self) -> None:
        """Raise if the lock was lost: its connection was cut, so another pull may have begun.

        Raises:
            DatabaseError: The connection that holds the lock is gone.
        """
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise self.lost() from error

    def lost(self) -> DatabaseError:
        """What to raise where the lock was lost."""
        return DatabaseError(
            gettext(
                "The connection that holds the lock was cut, so this run stops before another one begins beside "
                "it. If this happens often, raise idle_in_transaction_session_timeout for this role."
            )
        )

    def _try_until(self, deadline: float) -> bool:
        if self._try():
            return True
        log.warning(f"another {self.what} is running, waiting for it to end", seconds=self._wait_s)
        while time.monotonic() < deadline:
            time.sleep(0.2)
            if self._try():
                return True
        return False

    def _try(self) -> bool:
        with database_errors():
            [[(is_held, self.holder, _)]] = together(
                self._connection, (statement("warehouse/lock_try"), [self.key]), ends=False
            )
            if not is_held:
                self._connection.rollback()
            return bool(is_held)


class PushLock(PullLock):
    """Context manager that holds the push's advisory lock.

    Args:
        url: The shop's database.
        wait_s: How long to wait for a push that is already running.

    Raises:
        AnotherPushRunning: It was still running after `wait_s`.
    """

    key = PUSH_LOCK
    what = "push"
    busy = Message(
        "Another push is running and did not end within {seconds} s. Nothing was done. Try again when it has ended; "
        "`gazelle-sync status` shows it."
    )
    refusal = AnotherPushRunning


def pull_is_running(url: str) -> bool:
    """Whether some process holds the pull's lock now."""
    return _is_held(url, PULL_LOCK)


def push_is_running(url: str) -> bool:
    """Whether some process holds the push's lock now."""
    return _is_held(url, PUSH_LOCK)


def _is_held(url: str, key: int) -> bool:
    with borrow(url) as connection:
        return together(connection, is_held(key)) == [[(True,)]]


def is_held(key: int = PULL_LOCK) -> Question:
    """The query whether some process holds a lock now."""
    return statement("warehouse/lock_is_held"), [key]

"""The connections that the parts of a process share, and several statements in one round trip.

Over TLS a connection costs four or five round trips, more than most of what is asked by it. So a command, or a run,
keeps those that one part of it is done with for the next, and what can be asked at once is.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from gazelle_sync.warehouse.connect import Connection, connect, database_errors

IDLE_S = 30.0
"""What was idle for longer, something on the way may have forgotten."""

CUT_STATES = ("57P01", "57P02", "57P05", "08003", "08006")
"""What a server says as it ends a connection, and what a client says of one that is gone."""

Rows = list[tuple[Any, ...]]
Question = tuple[LiteralString | bytes | sql.SQL | sql.Composed, Mapping[str, Any] | Sequence[Any] | None]
"""A statement and its parameters."""
Cursor = psycopg.Cursor[tuple[Any, ...]]


@dataclass(frozen=True)
class Lookup:
    """A question, to be asked with others, and who takes its answer."""

    question: Question
    take: Callable[[Rows], object]


_lock = threading.Lock()
_idle: dict[str, list[tuple[Connection, float]]] = {}
_of_the_parent: list[dict[str, list[tuple[Connection, float]]]] = []
_keepers = 0
_idle_s = IDLE_S


def _leave_to_the_parent() -> None:
    """In a forked process: what was idle is the parent's, which goes on using it; it is not closed here either."""
    _of_the_parent.append(dict(_idle))
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_the_parent)


@contextmanager
def keep_connections(idle_s: float = IDLE_S) -> Iterator[None]:
    """Until the last of these blocks ends, a borrowed connection stays open for the next borrower.

    Args:
        idle_s: For so long; the longest that a block asks for counts.
    """
    global _keepers, _idle_s  # one pool a process
    with _lock:
        _keepers += 1
        _idle_s = max(_idle_s, idle_s)
    try:
        yield
    finally:
        with _lock:
            _keepers -= 1
            _idle_s = _idle_s if _keepers else IDLE_S
            left = [] if _keepers else [connection for kept in _idle.values() for connection, _ in kept]
            if left:
                _idle.clear()
        for connection in left:
            connection.close()


@contextmanager
def borrow(url: str) -> Iterator[Connection]:
    """A connection for a block. Each statement is a transaction of its own, unless one is opened for several.

    Args:
        url: `postgresql://…`.

    Raises:
        DatabaseError: The database cannot be reached, or goes away.
    """
    with database_errors():
        connection = take(url)
        try:
            yield connection
        finally:
            give_back(url, connection)


def take(url: str) -> Connection:
    """As `borrow`, for longer than a block: the caller closes it or gives it back.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    while True:
        with _lock:
            kept = _idle.get(url)
            found = kept.pop() if kept else None
        if found is None:
            return connect(url, autocommit=True)
        connection, since = found
        if time.monotonic() - since < _idle_s and _is_quiet(connection):
            return connection
        connection.close()


def give_back(url: str, connection: Connection) -> None:
    """Keep a connection that was taken, inside `keep_connections` and if no transaction is open in it."""
    if not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE:
        with _lock:
            if _keepers:
                _idle.setdefault(url, []).append((connection, time.monotonic()))
                return
    connection.close()


class Connections:
    """At most so many connections at once for the threads of one run, each borrowed for a block.

    Args:
        url: `postgresql://…`.
        most: How many blocks may run side by side; others wait for one to end. A block must not open another.
    """

    def __init__(self, url: str, most: int = 2) -> None:
        self.url = url
        self._most = most
        self._room = threading.Semaphore(most)
        self._measuring = threading.Lock()
        self._round_trip_s: float | None = None

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """A connection for a block, as `borrow` gives it.

        Raises:
            DatabaseError: The database cannot be reached, or goes away.
        """
        with self._room, borrow(self.url) as connection:
            yield connection

    def allow(self, most: int) -> None:
        """Let so many blocks run side by side from now on, more than before."""
        self._room.release(most - self._most)
        self._most = most

    def round_trip_s(self) -> float:
        """Seconds that the shortest statement takes, the way to the database and back; measured once.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        with self._measuring:
            if self._round_trip_s is None:
                took = []
                with self.use() as connection:
                    for _ in range(2):
                        begun = time.perf_counter()
                        connection.execute("SELECT 1")
                        took.append(time.perf_counter() - begun)
                self._round_trip_s = min(took)
            return self._round_trip_s


def together(
    connection: Connection, *questions: Question, begin: LiteralString = "BEGIN", ends: bool = True
) -> list[Rows]:
    """The rows of several statements, asked in one round trip and answered in one transaction.

    Args:
        connection: Where a transaction is open, the statements are part of it.
        questions: Each a single statement, and none a COPY: libpq's pipeline can do neither.
        begin: How a transaction begins where none is open.
        ends: Whether that one is committed as well.

    Raises:
        psycopg.Error: What the first that failed says. Those after it were not run; what was begun here is rolled back.
    """
    return [cursor.fetchall() if cursor.description else [] for cursor in _send(connection, questions, begin, ends)]


def change(connection: Connection, *statements: Question) -> list[int]:
    """The same for statements that write: how many rows each did; 0 for one that gives rows."""
    if not statements:
        return []
    return [0 if cursor.description else cursor.rowcount for cursor in _send(connection, statements, "BEGIN", True)]


def look_up(connection: Connection, lookups: Sequence[Lookup]) -> None:
    """Ask all in one round trip, and hand the answers on."""
    if lookups:
        for lookup, rows in zip(lookups, together(connection, *(one.question for one in lookups)), strict=True):
            lookup.take(rows)


def cursor(name: str, query: sql.SQL | sql.Composed, at_once: int) -> tuple[Question, Question]:
    """The statements that open a cursor on a query and fetch its next rows: each may be sent with others.

    Args:
        name: The cursor's, in its transaction.
        query: Without parameters.
        at_once: So many rows at most.
    """
    opens = sql.SQL("DECLARE {} NO SCROLL CURSOR FOR {}").format(sql.Identifier(name), query)
    return (opens, None), fetch(name, at_once)


def fetch(name: str, at_once: int) -> Question:
    """The statement that fetches the next rows of a cursor, so many at most."""
    return sql.SQL("FETCH {} FROM {}").format(sql.Literal(at_once), sql.Identifier(name)), None


def _send(connection: Connection, questions: Sequence[Question], begin: LiteralString, ends: bool) -> list[Cursor]:
    opens = connection.info.transaction_status is TransactionStatus.IDLE
    if opens and ends and not connection.autocommit:
        connection.autocommit = True  # psycopg's own BEGIN is a round trip, even in a pipeline
        try:
            return _send(connection, questions, begin, ends)
        finally:
            connection.autocommit = False
    try:
        with connection.pipeline():
            if opens and connection.autocommit:
                connection.execute(begin)
            cursors = [connection.execute(query, parameters) for query, parameters in questions]
            if opens and ends:
                connection.execute("COMMIT")
    except psycopg.Error:
        if opens and not connection.closed:
            connection.rollback()
        raise
    return cursors


def was_cut(error: BaseException | None) -> bool:
    """Whether an error says that a connection that stood was cut; another one may well be had."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate in CUT_STATES or (error.sqlstate is None and not str(error).startswith("connection"))


def _is_quiet(connection: Connection) -> bool:
    """Whether nothing came while it was idle: what comes then is the server's word that it ends the connection."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)

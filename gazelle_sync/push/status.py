"""How the push stands: what has not gone to Gazelle and why, and how its last run ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.store import Store
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together


@dataclass(frozen=True)
class Waiting:
    """A row that is not at Gazelle yet.

    Attributes:
        key: External id of its record.
        is_hidden: It stays here while it is hidden.
        error: Why the last try failed.
        attempts: Tries that failed in a row.
        next_attempt_at: When the next one is due, aware UTC; None: now.
        is_in_doubt: Something was sent of which nobody knows whether it arrived.
    """

    key: str
    is_hidden: bool
    error: str | None
    attempts: int
    next_attempt_at: datetime | None
    is_in_doubt: bool


@dataclass(frozen=True)
class PushStatus:
    """The push, now.

    Attributes:
        last_sync_at: Start of its last run, aware UTC; None: never.
        age_s: Seconds since, by the database's clock.
        rows: Rows of the tables of edits that are not hidden.
        backlog: Of these, those that wait.
        errors: Those that did not go.
        failure: Why the last run failed, or None.
        is_late: Something waits for longer than it should.
    """

    last_sync_at: datetime | None = None
    age_s: float | None = None
    rows: int = 0
    backlog: int = 0
    errors: int = 0
    failure: str | None = None
    is_late: bool = False

    @property
    def light(self) -> Literal["green", "yellow", "red"]:
        """Red: the last run failed. Yellow: rows in error, or edits that nobody sends."""
        if self.failure is not None:
            return "red"
        return "yellow" if self.errors or self.is_late else "green"

    def as_json(self) -> dict[str, Any]:
        """For machines, with the keys of an entity; instants in ISO-8601, UTC."""
        values = {name: value for name, value in asdict(self).items() if name != "is_late"}
        last = self.last_sync_at.isoformat() if self.last_sync_at else None
        return {"entity": "push", **values, "last_sync_at": last, "light": self.light}


def read_push(settings: Settings, *, late: timedelta) -> PushStatus:
    """How the push stands.

    Args:
        settings: For the database, which is up to date.
        late: So long an edit may wait.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with borrow(str(settings.database_url)) as connection:
        return push_in(together(connection, *push_questions(late)))


def push_questions(late: timedelta) -> list[Question]:
    """The queries for `push_in`; so long an edit may wait."""
    return [(one.query("status_push"), {"late": late}) for one in PUSHABLES]


def push_in(answers: Sequence[Rows]) -> PushStatus:
    """How the push stands, from the rows of `push_questions`."""
    (status, started_at, age_s, reason), *_ = [row[:4] for [row] in answers]  # the last run is the same for all tables
    rows, backlog, errors, is_late = map(sum, zip(*(row[4:] for [row] in answers), strict=True))
    last_sync_at, age_s = started_at.astimezone(UTC) if started_at else None, None if age_s is None else round(age_s, 1)
    failure = (reason or "…") if status == "error" else None
    return PushStatus(last_sync_at, age_s, rows, backlog, errors, failure, bool(is_late))


@dataclass(frozen=True)
class Standing:
    """A record that somebody asked for by its id.

    Attributes:
        key: External id.
        state: `missing`: no row speaks of it; `hidden`: its row stays here; `due`: there is something to do about it;
            `sent`: Gazelle has what its row says.
        since: Since when Gazelle has it, aware UTC.
    """

    key: str
    state: Literal["missing", "hidden", "due", "sent"]
    since: datetime | None = None


def read_standing(settings: Settings, keys: list[str]) -> list[Standing]:
    """What a push of some records comes to, before it: in the order in which they were asked for."""
    url = str(settings.database_url)
    migrate(url)
    found: dict[str, Standing] = {}
    with borrow(url) as connection:
        for pushable in PUSHABLES:
            store = Store(connection, pushable)
            due = {record or one for one, record in store.due(keys, at_once=True).items()}
            due |= {one.record for one in store.open(keys)}
            for key, is_hidden, since in connection.execute(pushable.query("standing"), {"keys": keys}):
                state: Literal["hidden", "due", "sent"] = "hidden" if is_hidden else "due" if key in due else "sent"
                found[key] = Standing(key, state, since.astimezone(UTC) if since else None)
    return [found.get(key, Standing(key, "missing")) for key in dict.fromkeys(keys)]


def read_waiting(settings: Settings, keys: Sequence[str] | None = None) -> list[Waiting]:
    """The rows that wait, those in error first.

    Args:
        settings: For the database.
        keys: Only these records; None: all.
    """
    url = str(settings.database_url)
    migrate(url)
    with borrow(url) as connection:
        return waiting_in(together(connection, *waiting_questions(keys)))


def waiting_questions(keys: Sequence[str] | None = None) -> list[Question]:
    """The queries for `waiting_in`; `keys`: only these records."""
    return [
        (one.query("waiting"), {"keys": keys, "nameless": one.creates or one.refuses_nameless}) for one in PUSHABLES
    ]


def waiting_in(answers: Sequence[Rows]) -> list[Waiting]:
    """The rows that wait, from the rows of `waiting_questions`."""
    found: list[Waiting] = []
    for pushable, rows in zip(PUSHABLES, answers, strict=True):
        for local_id, key, *row in rows:
            name = f"({pushable.key}: NULL)" if pushable.refuses_nameless else local_id
            found.append(Waiting(key if key is not None else name, *row))
    return found

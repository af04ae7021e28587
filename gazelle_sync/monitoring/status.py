"""How up to date each entity and the push are, read from the shop's own tables, however the sync was started.

A tick comes every 15 minutes, so an entity is late after 20 minutes and lost after 60. Where ticks are rarer, both
limits grow by the time between two. `status_screen.py` shows it to people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gazelle_sync.entities import ENTITIES, LATE, LOST
from gazelle_sync.incidents.messages import headline
from gazelle_sync.notifications import ledger
from gazelle_sync.push.status import (
    PushStatus,
    Waiting,
    push_in,
    push_questions,
    read_push,
    waiting_in,
    waiting_questions,
)
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.lock import is_held
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together
from gazelle_sync.warehouse.relations import how_many

Light = Literal["green", "yellow", "red"]

SHAPES = {"green": "●", "yellow": "▲", "red": "■"}
"""A light is told by its shape as well: not everybody sees its colour, and a log has none."""
ALL = [entity.name for entity in ENTITIES]
RUNS_LOOKED_AT = 20
"""An entity's last failure is looked for in so many runs: a replay or a backfill may leave it out."""

CONFLICTS: Question = "SELECT count(*) FROM sync_conflicts WHERE resolved_at IS NULL", None


@dataclass(frozen=True)
class EntityStatus:
    """One entity, now.

    Attributes:
        entity: Its name.
        last_sync_at: Start of its last successful pull, aware UTC; None: never.
        age_s: Seconds since, by the database's clock.
        rows: Living rows of its own table.
        backlog: Staged versions that wait to be applied.
        errors: Records whose newest version could not be applied.
        failure: Why it failed in the newest run that concerned it, or None.
        pause: How much longer than 15 minutes the schedule leaves between two ticks; not in `--json`.
        light: `green`, `yellow` or `red`.
    """

    entity: str
    last_sync_at: datetime | None = None
    age_s: float | None = None
    rows: int = 0
    backlog: int = 0
    errors: int = 0
    failure: str | None = None
    pause: timedelta = timedelta(0)

    @property
    def is_late(self) -> bool:
        """Whether a tick that was due has not come."""
        return self.age_s is not None and self.age_s > (LATE + self.pause).total_seconds()

    @property
    def light(self) -> Light:
        """Red: never read, lost, or failed. Yellow: late, or records wait or are in error."""
        if self.age_s is None or self.age_s > (LOST + self.pause).total_seconds() or self.failure is not None:
            return "red"
        if self.is_late or self.backlog or self.errors:
            return "yellow"
        return "green"

    def as_json(self) -> dict[str, Any]:
        """For `--json`: instants in ISO-8601, UTC."""
        last = self.last_sync_at.isoformat() if self.last_sync_at else None
        values = {name: value for name, value in asdict(self).items() if name != "pause"}
        return {**values, "last_sync_at": last, "light": self.light}


@dataclass(frozen=True)
class _Run:
    task_type: str
    mode: str
    status: str
    started_at: datetime
    duration_s: float | None
    error_message: str | None


@dataclass(frozen=True)
class Situation:
    """All that the screen says, of one moment.

    Attributes:
        entities: In order of dependency.
        edits: The push.
        incidents: Open ones, and messages that were not delivered.
        runs: The last that ended, and the one that says it is running.
        is_pulling: Whether a pull is at work.
        waiting: What has not gone to Gazelle.
        conflicts: Of how many edits of both sides nobody has taken a side.
        is_set_up: Whether the database is up to date; where it is not, nothing else was read.
    """

    entities: list[EntityStatus]
    edits: PushStatus = field(default_factory=PushStatus)
    incidents: ledger.LedgerStatus = field(default_factory=ledger.LedgerStatus)
    runs: Sequence[_Run] = ()
    is_pulling: bool = False
    waiting: Sequence[Waiting] = ()
    conflicts: int = 0
    is_set_up: bool = True


def read_situation(settings: Settings) -> Situation:
    """All of it in one round trip, besides whether the database is up to date.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    url = str(settings.database_url)
    if pending(url):
        return Situation([EntityStatus(entity.name) for entity in ENTITIES], is_set_up=False)
    parts: tuple[Sequence[Question], ...] = (
        _entity_questions(), push_questions(LATE), ledger.status_questions(),
        [(statement("monitoring/status_runs"), None), is_held(), CONFLICTS], waiting_questions(),
    )  # fmt: skip
    with borrow(url) as connection:
        answers = iter(together(connection, *(question for part in parts for question in part)))
    entities, edits, incidents, (runs, held, conflicts), waiting = ([next(answers) for _ in part] for part in parts)
    return Situation(
        entities=_entities_in(settings, entities),
        edits=push_in(edits),
        incidents=ledger.status_in(*incidents),
        runs=[_Run(*row) for row in runs],
        is_pulling=held == [(True,)],
        waiting=waiting_in(waiting),
        conflicts=conflicts[0][0],
    )


def read_status(settings: Settings) -> list[EntityStatus]:
    """Every entity, in order of dependency.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    url = str(settings.database_url)
    if pending(url):
        return [EntityStatus(entity.name) for entity in ENTITIES]
    with borrow(url) as connection:
        return _entities_in(settings, together(connection, *_entity_questions()))


def _entity_questions() -> list[Question]:
    return [
        (statement("monitoring/status_health"), None),
        (statement("monitoring/status_failures"), {"runs": RUNS_LOOKED_AT, "entities": ALL}),
        *(how_many(entity.table.name) for entity in ENTITIES),
    ]


def _entities_in(settings: Settings, answers: Sequence[Rows]) -> list[EntityStatus]:
    found_health, found_failures, *counts = answers
    health = {row[0]: row[1:] for row in found_health}
    failures: dict[str, str | None] = dict(found_failures)
    return [
        replace(_entity_status(entity.name, health[entity.name], rows, failures), pause=settings.pause)
        for entity, [(rows, _)] in zip(ENTITIES, counts, strict=True)
    ]


def push_status(settings: Settings) -> PushStatus:
    """The status of the push.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    return PushStatus() if pending(str(settings.database_url)) else read_push(settings, late=LATE)


def alerts_as_json(settings: Settings, status: ledger.LedgerStatus) -> dict[str, Any]:
    """For `--json`, with the keys of an entity: `errors` are open incidents, `backlog` undelivered messages."""
    return {
        "entity": "alerts", "last_sync_at": None, "age_s": None, "rows": len(status.open),
        "backlog": status.undelivered, "errors": len(status.open),
        "failure": "\n".join(headline(one, settings) for one in status.incidents) or None, "light": status.light,
    }  # fmt: skip


def _entity_status(name: str, health: tuple[Any, ...], rows: int, failures: Mapping[str, str | None]) -> EntityStatus:
    last_sync_at, age_s, backlog, errors = health
    return EntityStatus(
        name,
        last_sync_at=last_sync_at.astimezone(UTC) if last_sync_at else None,
        age_s=None if age_s is None else round(age_s, 1),
        rows=rows,
        backlog=backlog,
        errors=errors,
        failure=failures.get(name),
    )

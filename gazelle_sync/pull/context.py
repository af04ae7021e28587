"""What every part of one pull shares."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gazelle_sync.entities import Entity
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.pull.features import Features
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.stage import Staging
from gazelle_sync.settings import Settings


class Mode(enum.Enum):
    """How much a pull reads."""

    TICK = "tick"
    """Every 15 minutes: stamps, and the bodies that changed."""
    NIGHTLY = "nightly"
    """03:00 Montreal: every body with a stamp, every appointment, 45 days of the timeline."""
    DEEP = "deep"
    """Weekly, and `sync --full`: every body of everything."""
    BACKFILL = "backfill"
    """Past partitions chosen in the UI: the records of those days are read again and replayed; no watermark moves."""


@dataclass(frozen=True)
class Owners:
    """The records that take an entity's records along (`Entity.goes_with`).

    Attributes:
        path: Path of their ids in the entity's bodies.
        deleted: Ids of those that are gone.
        kept: Ids of those that are no longer listed, and that the guard keeps.
    """

    path: tuple[str, ...] = ()
    deleted: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


@dataclass
class EntityPull:
    """Stage 1 of one entity in one run.

    Attributes:
        entity: Which.
        mode: How much is read.
        settings: Of the run.
        client: The API.
        reader: Reads this entity.
        staging: Writes this entity.
        report: Its counts.
        progress: Where it says how far it is.
        watermark: Start of the entity's last successful pull (API clock, UTC); None: it was never pulled.
        features: What the endpoint's schema offers beyond the published one.
        window: For a backfill, the instants between which a record last changed, closed and open.
        allow_deletes: Whether the guards let everything through.
        owners: Waits until the entity that takes this one's records along is scanned, then gives which are gone.
    """

    entity: Entity
    mode: Mode
    settings: Settings
    client: GazelleClient
    reader: Reader
    staging: Staging
    report: EntityReport
    progress: Progress
    watermark: datetime | None
    features: Features
    window: tuple[datetime, datetime] | None
    allow_deletes: bool
    owners: Callable[[], Owners]
    failed: dict[str, str] = field(default_factory=dict)
    """Id → why the record could not be read; it will be tried again by the next run."""

    def show_progress(self, done: int, total: int | None) -> None:
        """Tell the progress bar."""
        self.progress.update(self.entity.name, "read", done, total)

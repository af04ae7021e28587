"""What every part of one pull shares."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from gazelle_sync.entities import Entity
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.page_sizes import PageSizes
from gazelle_sync.pull.features import Features
from gazelle_sync.pull.held import Snapshot
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.stage import Staging
from gazelle_sync.pull.verification import Verification
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import Connections


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


FULL = (Mode.NIGHTLY, Mode.DEEP)
"""A full run reads every body of an entity, of the timeline at least those of 45 days."""


@dataclass(frozen=True)
class Owners:
    """The records that take an entity's records along (`Entity.takes_along`).

    Attributes:
        path: Path of their ids in the entity's bodies.
        column: Column of the entity's table that holds their ids.
        deleted: Ids of those that are gone.
        kept: Ids of those that are no longer listed, and that the guard keeps.
    """

    path: tuple[str, ...] = ()
    column: str = ""
    deleted: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


@dataclass
class Run:
    """What the entities of one pull share.

    Attributes:
        run_id: Of the Dagster run.
        mode: How much is read.
        settings: Of the run.
        client: The API.
        connections: To the database.
        progress: Where all say how far they are.
        reports: Entity → its counts.
        applies: The entities whose pages are written to production too.
        window: For a backfill, the instants between which a record last changed, closed and open.
        allow_deletes: Whether the guards let everything through.
        watermarks: Entity → start of its last successful pull.
        order: Dates what is read.
        features: What the endpoint's schema offers beyond the published one.
        page_sizes: What the API lets us ask for.
        snapshots: Entity → what was held when the run began.
        waiting: The entities of which something is staged that is not in production: pending, or in error.
        loading: Those that are loaded into empty tables, and whose load has not ended.
        confirmed: Entity → records of which a later full run read by id that their nested rows are gone.
        verifications: Entity → what a full run found of what is held, while it read the entity.
    """

    run_id: str
    mode: Mode
    settings: Settings
    client: GazelleClient
    connections: Connections
    progress: Progress
    reports: dict[str, EntityReport]
    applies: set[str]
    window: tuple[datetime, datetime] | None
    allow_deletes: bool
    watermarks: dict[str, datetime]
    order: ReadingOrder
    features: Features
    page_sizes: PageSizes
    snapshots: dict[str, Snapshot]
    waiting: set[str]
    loading: set[str]
    confirmed: dict[str, set[str]] = field(default_factory=dict)
    verifications: dict[str, Verification] = field(default_factory=dict)

    def report(self, name: str) -> EntityReport:
        """An entity's counts."""
        return self.reports.setdefault(name, EntityReport())

    def failures(self) -> dict[str, str]:
        """Entity → why it failed."""
        return {name: report.failure for name, report in list(self.reports.items()) if report.failure}


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

    def verify(self, held: Collection[str]) -> None:
        """In a full run, compare from now on what is held with what is read.

        Args:
            held: Ids of the records that are held; those that are not read are compared when the run ends.
        """
        if self.mode in FULL and self.watermark is not None:
            self.staging.verification = Verification(held)

    def show_progress(self, done: int, total: int | None) -> None:
        """Update the progress bar."""
        self.progress.update(self.entity.name, "read", done, total)

"""What a pull did, entity by entity: the numbers of the summary, of `sync_logs.stats` and of the UI."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gazelle_sync.errors import UNKNOWN, Cause, EntityFailed, cause_of
from gazelle_sync.pull.comparison import Comparison
from gazelle_sync.runtime.logs import describe_error


@dataclass
class EntityReport:
    """Counts of one entity in one run.

    Attributes:
        total: What the account holds, by the API's own `totalCount`; None where it was not asked.
        stamped: Records of which only the stamp was read.
        fetched: Bodies read.
        staged: New versions written to staging (tombstones included).
        processed: Staged versions applied to production.
        changed: Production rows written, nested tables included.
        deleted: Records marked deleted.
        kept: Living rows, nested ones included, that a replay left as they were: staging holds no version of them.
        removed: Merged column or nested table → what was emptied or marked deleted there, because it was little.
        errors: Records that could not be read or applied.
        seconds_stage: Time in stage 1.
        seconds_apply: Time in stage 2.
        strategy: How changes were found.
        partial: Whether the scan stayed incomplete (nothing was concluded about deletions).
        failure: Why the entity failed, or None.
        cause: The failure's code (`gazelle_sync.errors.Cause`), or None.
        cause_number: The count or HTTP status that belongs to it, or None.
        notes: What a person should know besides.
        comparison: Production against staging in a full run, after what differed was repaired; not in `sync_logs`.
    """

    total: int | None = None
    stamped: int = 0
    fetched: int = 0
    staged: int = 0
    processed: int = 0
    changed: int = 0
    deleted: int = 0
    kept: int = 0
    removed: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    seconds_stage: float = 0.0
    seconds_apply: float = 0.0
    strategy: str = ""
    partial: bool = False
    failure: str | None = None
    cause: str | None = None
    cause_number: int | None = None
    notes: list[str] = field(default_factory=list)
    comparison: Comparison | None = None

    def fail(self, error: BaseException) -> None:
        """Note why the entity failed."""
        self.failure = describe_error(error)
        self.cause, self.cause_number = cause_of(error)

    def as_failure(self) -> EntityFailed:
        """What was noted, as an error."""
        return EntityFailed(self.failure or "", cause=Cause(self.cause or UNKNOWN.code, self.cause_number))

    def as_stats(self) -> dict[str, Any]:
        """The part of it that `sync_logs.stats` keeps."""
        stats = asdict(replace(self, comparison=None))
        del stats["comparison"]
        stats["seconds_stage"] = round(self.seconds_stage, 3)
        stats["seconds_apply"] = round(self.seconds_apply, 3)
        return stats


class Progress:
    """How far each entity has come; written by the workers, read by the progress bar."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: dict[str, tuple[str, int, int | None]] = {}

    def update(self, entity: str, phase: str, done: int, total: int | None) -> None:
        """Say that `done` of `total` records (None: not known yet) are through a phase."""
        with self._lock:
            self._state[entity] = (phase, done, total)

    def snapshot(self) -> dict[str, tuple[str, int, int | None]]:
        """Entity → (phase, done, total)."""
        with self._lock:
            return dict(self._state)

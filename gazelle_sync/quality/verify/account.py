"""One kind of record as a verification reads it at Gazelle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gazelle_sync.entities import Entity
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.report import Progress
from gazelle_sync.quality.verify.difference import Findings


@dataclass
class Account:
    """What the verification of one entity works with.

    Attributes:
        entity: Which.
        client: Gazelle, within the budget that all processes share.
        reader: Reads this entity.
        url: Of the shop's database.
        read_until: Start of the last pull of it by Gazelle's clock, aware UTC; None: it was never pulled.
        findings: What was found.
        progress: Where it says how far it is.
    """

    entity: Entity
    client: GazelleClient
    reader: Reader
    url: str
    read_until: datetime | None
    findings: Findings = field(init=False)
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.findings = Findings(self.entity.name)

    @property
    def sort_by(self) -> dict[str, Any]:
        """The variable that keeps pages stable while records are edited."""
        return {"sortBy": [self.entity.stable_sort]} if self.entity.sort_enum and self.entity.stable_sort else {}

    def show_progress(self, done: int, total: int | None) -> None:
        """Update the progress bar."""
        self.progress.update(self.entity.name, "read", done, total)

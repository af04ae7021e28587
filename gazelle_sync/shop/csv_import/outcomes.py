"""What became of the rows of an import, file by file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

OUTCOMES: Final = ("imported", "merged", "rejected", "skipped")
MOST_SHOWN: Final = 5_000
"""So many merged and skipped rows of a file are listed; all of them are counted, and all that were rejected listed."""


@dataclass(slots=True)
class Line:
    """A row of a file of which there is something to say."""

    line: int
    outcome: str
    reason: str
    external_id: str | None = None
    text: str = ""


@dataclass(slots=True)
class FileOutcome:
    """What became of one file.

    Attributes:
        file: Its name in the folder.
        source: What it comes from; None: of no known kind.
        entity: What its rows are.
        counts: Outcome → rows.
        lines: Rows that were rejected, and the first of the others of which there is something to say.
        note: What is to be said of the file itself.
    """

    file: str
    source: str | None = None
    entity: str | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    lines: list[Line] = field(default_factory=list)
    note: str = ""
    _shown: int = 0

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(self.counts.values())

    def add(self, line: int, outcome: str, reason: str | None, external_id: str | None, text: str) -> None:
        """Count a row; `text` is the row itself."""
        self.counts[outcome] += 1
        if outcome == "rejected":
            self.lines.append(Line(line, outcome, reason or "", external_id, text[:500]))
        elif reason and self._shown < MOST_SHOWN:
            self._shown += 1
            self.lines.append(Line(line, outcome, reason, external_id))

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "file": self.file,
            "source": self.source,
            "entity": self.entity,
            "rows": self.rows,
            **self.counts,
            "rejections": [{"line": one.line, "reason": one.reason} for one in self.lines if one.outcome == "rejected"],
        }


@dataclass(slots=True)
class Proposal:
    """A match that is likely and was not made.

    Attributes:
        what: What was imported, or named by a row.
        name: What it is called.
        external_id: Gazelle's record that may be the same.
        other: What that is called.
        score: How alike the names are, 0 to 100.
    """

    what: str
    name: str
    external_id: str
    other: str
    score: float


@dataclass(slots=True)
class Outcome:
    """What became of an import."""

    files: list[FileOutcome]
    proposals: Sequence[Proposal] = ()
    is_dry_run: bool = False

    @property
    def totals(self) -> dict[str, int]:
        """Outcome → rows of all files."""
        return {outcome: sum(one.counts[outcome] for one in self.files) for outcome in OUTCOMES}

    @property
    def exit_status(self) -> int:
        """0; 2 where rows were rejected."""
        return 2 if self.totals["rejected"] else 0

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"files": [one.as_json() for one in self.files]}

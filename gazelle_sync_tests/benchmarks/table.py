"""What was measured, and how it is shown: medians by pandas, one Markdown table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        what: What was measured.
        measured: What came of it.
        bar: What is asked for.
        ratio: How the two compare, in numbers.
        is_reached: Whether it is enough, reckoned from what was measured.
    """

    what: str
    measured: str
    bar: str
    ratio: str
    is_reached: bool


@dataclass
class Samples:
    """Numbers of the same kind, measured again and again.

    Attributes:
        rows: (series, value).
    """

    rows: list[tuple[str, float]] = field(default_factory=list)

    def add(self, **values: float) -> None:
        """Note one value for each series."""
        self.rows += values.items()

    def medians(self) -> dict[str, float]:
        """The median of each series."""
        frame = pd.DataFrame(self.rows, columns=["series", "value"])
        return {str(name): float(value) for name, value in frame.groupby("series")["value"].median().items()}


def render(lines: Sequence[Line]) -> str:
    """The Markdown table."""
    frame = pd.DataFrame(
        [(line.what, line.measured, line.bar, line.ratio, "yes" if line.is_reached else "**no**") for line in lines],
        columns=["what", "measured", "bar", "ratio", "reached"],
    )
    rows = [frame.columns.tolist(), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def marked_document(name: str) -> Path:
    """A document with the two marks, as an argument of a command: refused before anything is measured.

    Raises:
        argparse.ArgumentTypeError: There is no such document, or it has no marks.
    """
    path = Path(name)
    if not path.is_file() or not {BEGIN, END} <= set(path.read_text(encoding="utf-8").splitlines()):
        raise argparse.ArgumentTypeError(f"{name} is no document with the lines {BEGIN} and {END}")
    return path


def write_into(path: Path, table: str) -> None:
    """Put the table between the two marks of a document."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")

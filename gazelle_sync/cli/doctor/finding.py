"""What a check of the doctor says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was examined.
        ok: Whether nobody has to act.
        text: What was found and, where it is not well, what to do.
    """

    name: str
    ok: bool
    text: str

    def line(self) -> str:
        """One line for a terminal."""
        return f"{'✓' if self.ok else '✗'} {self.name}: {self.text}"

"""A block of our own inside a text that belongs to others: found, replaced, taken out. The rest is left to the byte.

The marks carry the name of the record, so that a block copied from another piano, or from this page, is nobody's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

SEPARATOR = "\n\n"
_LINE_ENDS = re.compile(r"\r\n?")


@dataclass(frozen=True)
class Marks:
    """The first and the last line of a record's block."""

    first: str
    last: str

    @classmethod
    def of(cls, label: str, record_id: str) -> Marks:
        """The marks of a record.

        Args:
            label: What the block holds, for whoever reads it at Gazelle.
            record_id: External id.
        """
        name = sha256(record_id.encode()).hexdigest()[:6]
        return cls(f"[{label} · gazelle_sync {name}]", f"[/{label} · gazelle_sync {name}]")


@dataclass(frozen=True)
class Found:
    """A block: where it begins and ends in the text, and what it says."""

    start: int
    end: int
    says: str


def read_block(text: str | None, marks: Marks, *, expected: str | None = None) -> Found | None:
    """The block in a text.

    Args:
        text: As Gazelle has it.
        marks: Of the record.
        expected: What the block should say; of several blocks (somebody copied one) the one that says it is ours.
    """
    blocks = _blocks(text or "", marks)
    if not blocks:
        return None
    return next((found for found in blocks if found.says == plain(expected)), blocks[0])


def write_block(text: str | None, marks: Marks, says: str | None, *, expected: str | None = None) -> str:
    """The text with the block saying something else, or without it where it says nothing."""
    text = text or ""
    found = read_block(text, marks, expected=expected)
    block = _written(marks, says) if plain(says) else ""
    if found is None:
        return text + (SEPARATOR if text and block else "") + block
    before, after = text[: found.start], text[found.end :]
    if not block:
        gap = next((gap for gap in (SEPARATOR, "\r\n\r\n") if before.endswith(gap)), "")
        return before.removesuffix(gap) + after
    return before + block + after


def plain(text: str | None) -> str:
    """A text as it is compared: one kind of line end, no blank edges."""
    return _LINE_ENDS.sub("\n", text or "").strip()


def _written(marks: Marks, says: str | None) -> str:
    """The block; a line of its text that looks like a mark gets a backslash."""
    lines = [f"\\{line}" if _is_mark(line, marks) else line for line in plain(says).split("\n")]
    return "\n".join([marks.first, *lines, marks.last])


def _is_mark(line: str, marks: Marks) -> bool:
    return line.lstrip("\\").strip() in (marks.first, marks.last)


def _blocks(text: str, marks: Marks) -> list[Found]:
    found: list[Found] = []
    start: int | None = None
    lines: list[str] = []
    place = 0
    for line in re.split(r"(?<=\n)", text) if marks.first in text else ():
        bare = line.strip()
        if bare == marks.first:
            # A first mark without its last one: somebody deleted that. What follows is theirs.
            start, lines = place + len(line) - len(line.lstrip()), []
        elif bare == marks.last and start is not None:
            found.append(Found(start, place + len(line.rstrip()), plain("\n".join(lines))))
            start = None
        elif start is not None:
            lines.append(line.rstrip("\r\n").removeprefix("\\") if _is_mark(line, marks) else line.rstrip("\r\n"))
        place += len(line)
    return found

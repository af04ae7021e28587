"""A block of our own inside a text that belongs to others: found, replaced, taken out. The rest is left to the byte.

The marks carry the name of the record, so that a block copied from another piano, or from this page, is nobody's. They
are lines of their own; where none is, an API may have put everything on one line, and then they count there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from gazelle_sync.push.text import plain

SEPARATOR = "\n\n"
_LOOSE = {" ": r"(?:\s|&nbsp;|&#160;)*", "·": r"(?:·|&middot;|&#183;)", "/": r"(?:/|&#x2[Ff];|&#47;)"}


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
    blocks = _blocks(text or "", marks) or _flattened(text or "", marks)
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


def _written(marks: Marks, says: str | None) -> str:
    """The block; a line of its text that looks like a mark gets a backslash."""
    lines = [f"\\{line}" if _is_mark(line, marks) else line for line in plain(says).split("\n")]
    return "\n".join([marks.first, *lines, marks.last])


def _is_mark(line: str, marks: Marks) -> bool:
    return line.lstrip("\\").strip() in (marks.first, marks.last)


def _blocks(text: str, marks: Marks) -> list[Found]:
    found: list[Found] = []
    begun: int | None = None
    for start, mark in sorted([*_each(text, marks.first), *_each(text, marks.last)]):
        end = start + len(mark)
        if not _stands_alone(text, start, end):
            continue
        if mark == marks.first:
            begun = start  # one that was begun before lost its last mark: what follows it is theirs
        elif begun is not None:
            found.append(Found(begun, end, _read(text[begun + len(marks.first) : start], marks)))
            begun = None
    return found


def _each(text: str, mark: str) -> Iterator[tuple[int, str]]:
    """Where a mark stands."""
    place = text.find(mark)
    while place >= 0:
        yield place, mark
        place = text.find(mark, place + 1)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the line of a mark holds nothing else."""
    stop = text.find("\n", end)
    after = text[end:stop] if stop >= 0 else text[end:]
    return not text[text.rfind("\n", 0, start) + 1 : start].strip() and not after.strip()


def _flattened(text: str, marks: Marks) -> list[Found]:
    """Blocks whose lines were joined, or whose blanks and signs became others; a mark after a backslash is text."""
    name = marks.first.rpartition(" ")[2]
    if name not in text:
        return []
    first, last = _loosely(marks.first), _loosely(marks.last)
    found = re.finditer(rf"(?<!\\){first}(?P<says>(?:(?!(?<!\\){first}).)*?)(?<!\\){last}", text, re.DOTALL)
    return [
        Found(match.start(), match.end(), plain(re.sub(rf"\\(?=\\*(?:{first}|{last}))", "", match["says"])))
        for match in found
    ]


def _loosely(mark: str) -> str:
    """A pattern for a mark whatever became of its blanks and signs."""
    return "".join(_LOOSE.get(sign) or re.escape(sign) for sign in mark)


def _read(inner: str, marks: Marks) -> str:
    """What a block says, the backslashes of `_written` taken away."""
    if "\\" in inner:
        lines = inner.split("\n")
        inner = "\n".join(line.removeprefix("\\") if _is_mark(line, marks) else line for line in lines)
    return plain(inner)

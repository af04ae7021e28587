"""Reads a CSV file into rows that know their line, a chunk at a time, and says of each bad one what is wrong with it.

pandas parses the fields. What it cannot say is found before: at which line a row begins as an editor counts lines,
which row is bad, and where the next good one begins. One bad row must not take others with it.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import islice
from pathlib import Path
from typing import IO, Final

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext

LONGEST: Final = 1_000_000
"""A row of more characters is no row of a shop."""
KEPT: Final = 2_000
"""So many characters are kept of a row that cannot be read."""
MOST_LINES: Final = 1_000
"""A note may have many lines; a quote that is still open after so many was never closed."""
CHUNK: Final = 10_000
DELIMITERS: Final = ",;\t|"

csv.field_size_limit(LONGEST)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        line: Where it begins, as an editor counts lines; the header is line 1.
        values: Its fields, in the order of the header; empty where it could not be read.
        text: Of a row that could not be read, the row itself (the beginning of a long one).
        problem: Why it could not be read; empty: it was.
    """

    line: int
    values: tuple[str, ...]
    text: str = ""
    problem: str = ""


@dataclass(slots=True)
class _Line:
    number: int
    text: str | None
    shown: str
    problem: str = ""


class CsvFile:
    """A CSV file: its header at once, its rows in chunks.

    Args:
        path: The file. It is read as it was when it was opened: what is appended later is left for the next import.

    Attributes:
        header: The names of its columns, as they are written there.
        delimiter: What stands between fields.

    Raises:
        GazelleSyncError: It cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.may_lack_fields = False
        """Whether a row may end early: spreadsheets leave empty fields out at a row's end."""
        try:
            with path.open("rb") as stream:
                self.size = path.stat().st_size
                self._special = _special_encoding(stream.read(65_536))
        except OSError as error:
            raise _unreadable(path, error) from error
        self.header: tuple[str, ...] = ()
        self.delimiter = ","
        self._first_line = 2
        for line in self._lines():
            text = line.text or ""
            if not text.strip():
                self._first_line = line.number + 1
                continue
            self.delimiter = max(DELIMITERS, key=text.count)
            fields = _fields(text, self.delimiter)
            self.header = tuple(name.strip() for name in fields) if isinstance(fields, list) else ()
            self._first_line = line.number + 1
            break

    def chunks(self) -> Iterator[tuple[int, list[Row]]]:
        """The rows, and how many bytes of the file were read when they are given.

        Raises:
            GazelleSyncError: The file cannot be read.
        """
        self._read = 0
        good: list[tuple[int, str]] = []
        bad: list[Row] = []
        for row in self._records():
            if isinstance(row, Row):
                bad.append(row)
            else:
                good.append(row)
            if len(good) + len(bad) >= CHUNK:
                yield self._read, self._parsed(good, bad)
                good, bad = [], []
        if good or bad:
            yield self.size, self._parsed(good, bad)

    def _parsed(self, good: list[tuple[int, str]], bad: list[Row]) -> list[Row]:
        if not good:
            return bad
        import pandas

        width = len(self.header)
        table = pandas.read_csv(
            StringIO("\n".join(text for _, text in good) + "\n"),
            sep=self.delimiter,
            header=None,
            names=range(width),
            index_col=False,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            lineterminator="\n",
            engine="c",
        )
        columns = [table[place].tolist() for place in range(width)]
        rows = [Row(line, values) for (line, _), values in zip(good, zip(*columns, strict=True), strict=True)]
        return sorted([*rows, *bad], key=lambda row: row.line) if bad else rows

    def _records(self) -> Iterator[tuple[int, str] | Row]:
        """The line and the text of each good row, and the bad ones."""
        width, delimiter = len(self.header), self.delimiter
        lines = self._lines()
        waiting: deque[_Line] = deque()
        while True:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                return
            if line.number < self._first_line or line.text == "":
                continue
            text = line.text
            if text is None:
                yield Row(line.number, (), line.shown, line.problem)
            elif '"' not in text and text.count(delimiter) == width - 1:
                yield line.number, text
            else:
                yield self._awkward(line, waiting, lines)

    def _awkward(self, first: _Line, waiting: deque[_Line], lines: Iterator[_Line]) -> tuple[int, str] | Row:
        """The row that begins with a line that has quotes, or not as many fields as the header."""
        text, taken, problem = self._row_at(first, waiting, lines)
        if not problem:
            for _ in range(taken):
                waiting.popleft()
            return first.number, text
        return Row(first.number, (), self._rest(first, waiting, lines) if taken else first.shown, problem)

    def _rest(self, first: _Line, waiting: deque[_Line], lines: Iterator[_Line]) -> str:
        """The text of a bad row of several lines: what follows belongs to it until a line may begin a row."""
        parts = [first.shown]
        while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
            is_short = line.text is not None and line.text.count(self.delimiter) < len(self.header) - 1
            waiting.appendleft(line)
            if not is_short or not self._row_at(line, deque(islice(waiting, 1, None)), iter(()))[2]:
                break
            parts.append(waiting.popleft().shown)
        return "\n".join(parts)[:KEPT]

    def _row_at(self, first: _Line, waiting: deque[_Line], lines: Iterator[_Line]) -> tuple[str, int, str]:
        """The text of the row that begins with a line, how many lines more it takes, and what is wrong with it."""
        width = len(self.header)
        text, taken = first.text or "", 0
        while True:
            fields = _fields(text, self.delimiter)
            if isinstance(fields, list):
                if len(fields) < width and self.may_lack_fields:
                    return text + self.delimiter * (width - len(fields)), taken, ""
                if len(fields) != width:
                    said = gettext("{count} fields where the header has {width}", count=len(fields), width=width)
                    return text, taken, said
                return text, taken, ""
            if not fields:
                return text, taken, gettext("a quote inside a quoted field is not doubled")
            while True:
                if len(waiting) <= taken and (line := next(lines, None)) is not None:
                    waiting.append(line)
                if len(waiting) <= taken or taken >= MOST_LINES or len(text) > LONGEST or waiting[taken].text is None:
                    return text, taken, gettext("a quote never closes")
                more = waiting[taken].text or ""
                text += "\n" + more
                taken += 1
                if '"' in more:
                    break

    def _lines(self) -> Iterator[_Line]:
        """The lines with their numbers, each decoded by itself: files were met in which lines differ in that."""
        try:
            with self._stream() as stream:
                size = len(stream.getbuffer()) if isinstance(stream, BytesIO) else self.size
                number = 0
                while (room := size - stream.tell()) > 0 and (raw := stream.readline(min(LONGEST, room))):
                    number += 1
                    line = _decoded(number, raw)
                    while not raw.endswith(b"\n") and (room := size - stream.tell()) > 0:
                        line = _Line(number, None, line.shown, gettext("the row is longer than 1,000,000 characters"))
                        raw = stream.readline(min(LONGEST, room)) or b"\n"
                    if not raw.endswith(b"\n") and self.path.stat().st_size > self.size:
                        line = _Line(number, None, line.shown, gettext("the file was being written while it was read"))
                    self._read = stream.tell()
                    yield line
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _stream(self) -> IO[bytes]:
        if not self._special:
            return self.path.open("rb")
        with self.path.open("rb") as stream:
            data = stream.read(self.size)
        if self._special != "cr":
            data = data.decode(self._special, "replace").encode()
        return BytesIO(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def _special_encoding(start: bytes) -> str:
    """`utf-16` by its mark, `cr` where lines end as on old Macs; empty: neither, as nearly always."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "cr" if b"\r" in start and b"\n" not in start else ""


def _decoded(number: int, raw: bytes) -> _Line:
    """A line as UTF-8, else as Windows-1252: no text of a shop is both."""
    if number == 1:
        raw = raw.removeprefix(codecs.BOM_UTF8)
    raw = raw.rstrip(b"\r\n")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError:
            shown = raw[:KEPT].decode("cp1252", "replace").replace("\0", "\ufffd")
            return _Line(number, None, shown, gettext("the line is neither UTF-8 nor Windows-1252"))
    if "\0" in text:
        return _Line(number, None, text[:KEPT].replace("\0", "\ufffd"), gettext("the line holds NUL characters"))
    return _Line(number, text, text[:KEPT])


def _fields(text: str, delimiter: str) -> list[str] | bool:
    """The fields of a row; True: a quote is open at its end; False: a quote stands where none may."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return "unexpected end of data" in str(error) or "newline inside string" in str(error)


def _unreadable(path: Path, error: OSError) -> GazelleSyncError:
    return GazelleSyncError(
        gettext("{path} cannot be read ({reason}).", path=path, reason=error.strerror or type(error).__name__)
    )

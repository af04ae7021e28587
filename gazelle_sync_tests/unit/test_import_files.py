"""A file becomes rows that know their line; a bad one is one bad row, and those around it are read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.shop.csv_import import files
from gazelle_sync.shop.csv_import.files import CsvFile, Row


def rows_of(path: Path, data: bytes, *, lacks: bool = False) -> list[Row]:
    path.write_bytes(data)
    found = CsvFile(path)
    found.may_lack_fields = lacks
    return [row for _, chunk in found.chunks() for row in chunk]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def good(rows: list[Row]) -> list[tuple[int, tuple[str, ...]]]:
    return [(row.line, row.values) for row in rows if not row.problem]


def bad(rows: list[Row]) -> list[int]:
    return [row.line for row in rows if row.problem]


HEAD = b"Id,Name,Note\n"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_rows_are_read_with_the_lines_at_which_they_begin(path: Path, newline: bytes, mark: bytes) -> None:
    lines = [b"Id,Name,Note", b"1,A,un", b"", b'2,B,"deux', b'lignes"', b"3,C,trois"]
    rows = rows_of(path, mark + newline.join(lines))
    assert good(rows) == [(2, ("1", "A", "un")), (4, ("2", "B", "deux\nlignes")), (6, ("3", "C", "trois"))]
    assert CsvFile(path).header == ("Id", "Name", "Note")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_of_the_header(path: Path, delimiter: str) -> None:
    assert good(rows_of(path, f"Id{delimiter}Name\n1{delimiter}a b\n".encode())) == [(2, ("1", "a b"))]


@pytest.mark.parametrize(
    "middle",
    [
        b'2,B,"never closed',
        b"2,B,C,too many",
        b"2,B",
        b"2,B,a\0b",
        b'2,B,"a"b"',
        b'2,"B,with\nseveral,"lines" of it\nand more',
        b"2,B,\x81\x8d",
        b"2,B," + b"x" * 5_000_000,
        b'2,B,"' + b"a line of a note that goes on and on to its end.\n" * 100_000 + b'"',
        b'2,B,"' + b"x" * 5_000_000 + b'"',
    ],
    ids=["open quote", "too many fields", "too few", "NUL", "stray quote", "stray quote in a long note", "no encoding",
         "5 MB", "5 MB of lines", "5 MB quoted"],
)  # fmt: skip
def test_a_bad_row_is_one_bad_row_and_the_others_are_read(path: Path, middle: bytes) -> None:
    after = b'\n3,C,"with, comma"\n4,D,"two\nlines"\n5,"E ""e""",x\n'
    rows = rows_of(path, HEAD + b"1,A,x\n" + middle + after)
    assert bad(rows) == [3]
    assert [values for _, values in good(rows)] == [
        ("1", "A", "x"), ("3", "C", "with, comma"), ("4", "D", "two\nlines"), ("5", 'E "e"', "x"),
    ]  # fmt: skip
    last = 2 + middle.count(b"\n") + 4 + 1
    assert good(rows)[-1][0] == last, "as an editor counts"
    (row,) = [row for row in rows if row.problem]
    assert len(row.text) <= files.KEPT
    assert row.text.startswith("2,")
    assert "\0" not in row.text


def test_a_quote_that_is_open_at_the_end_of_the_file_is_one_bad_row(path: Path) -> None:
    rows = rows_of(path, HEAD + b'1,A,x\n2,B,"open')
    assert (bad(rows), len(good(rows))) == ([3], 1)


def test_several_bad_rows_in_a_row_are_as_many(path: Path) -> None:
    rows = rows_of(path, HEAD + b"1,A,B,C\n2,A,B,C\n" + b'3,A,"x\n4,A,B,C\n' + b"5,A,B\n")
    assert bad(rows) == [2, 3, 4, 5]
    assert good(rows) == [(6, ("5", "A", "B"))]


def test_an_inch_sign_in_an_unquoted_field_is_text(path: Path) -> None:
    assert good(rows_of(path, HEAD + b'1,5" pipe,x\n')) == [(2, ("1", '5" pipe', "x"))]


def test_each_line_is_read_in_its_own_encoding(path: Path) -> None:
    rows = rows_of(path, HEAD + "1,École,é\n".encode() + "2,École,œ\n".encode("cp1252"))
    assert [values for _, values in good(rows)] == [("1", "École", "é"), ("2", "École", "œ")]


def test_a_file_in_utf_16_is_read(path: Path) -> None:
    assert good(rows_of(path, "Id,Name\r\n1,École\r\n".encode("utf-16"))) == [(2, ("1", "École"))]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"Id,Name,Note", b"Id,Name,Note\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_has_none(path: Path, data: bytes) -> None:
    assert rows_of(path, data) == []


def test_a_spreadsheet_may_leave_out_empty_fields_at_the_end_of_a_row(path: Path) -> None:
    assert good(rows_of(path, HEAD + b'1\n2,"B"\n3,C,x\n', lacks=True)) == [
        (2, ("1", "", "")), (3, ("2", "B", "")), (4, ("3", "C", "x")),
    ]  # fmt: skip


def test_what_is_appended_while_a_file_is_read_is_left_for_the_next_time(path: Path) -> None:
    path.write_bytes(HEAD + b"1,A,x\n2,B,y\n3,C")
    found = CsvFile(path)
    with path.open("ab") as more:
        more.write(b"CC,z\n4,D,w\n")
    rows = [row for _, chunk in found.chunks() for row in chunk]
    assert (good(rows), bad(rows)) == ([(2, ("1", "A", "x")), (3, ("2", "B", "y"))], [4])
    assert len(rows_of(path, path.read_bytes())) == 4


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(GazelleSyncError, match="cannot be read"):
        CsvFile(tmp_path / "missing.csv")


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60)
@given(st.lists(st.tuples(cells, cells, cells).filter(any), max_size=12), st.sampled_from([",", ";", "\t"]))
def test_whatever_a_program_writes_is_read_back(rows: list[tuple[str, ...]], delimiter: str) -> None:
    import tempfile

    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("Id", "Name", "Note"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        found = rows_of(Path(folder) / "f.csv", out.getvalue().encode())
    assert [row.values for row in found] == rows
    lines = out.getvalue().split("\n")
    assert all(lines[row.line - 1].startswith('"') for row in found)


def test_a_file_is_given_in_chunks_with_how_far_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 10)
    path.write_bytes(HEAD + b"".join(b"%d,A,x\n" % n for n in range(25)))
    found = list(CsvFile(path).chunks())
    assert [len(rows) for _, rows in found] == [10, 10, 5]
    assert [read for read, _ in found] == sorted(read for read, _ in found)
    assert found[-1][0] == path.stat().st_size

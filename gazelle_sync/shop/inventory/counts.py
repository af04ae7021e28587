"""Counts as a CSV file, as a spreadsheet writes it: out for the one who counts, and back in."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path

from gazelle_sync.errors import GazelleSyncError, SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.inventory.consumption import MAIN
from gazelle_sync.shop.inventory.naming import Material, Names, Person
from gazelle_sync.shop.inventory.quantities import quantity_of
from gazelle_sync.shop.inventory.stock import Count, Stock, number, place_of

COLUMNS = (
    "sku",
    "product_external_id",
    "name",
    "technician",
    "technician_name",
    "location",
    "quantity",
    "reorder_threshold",
)
PRODUCT, TECHNICIAN = ("sku", "product_external_id", "name"), ("technician", "technician_name")
"""The first of these that a row fills says which product, and whose stock, it is about."""
ENCODINGS = ("utf-8-sig", "cp1252")
"""What spreadsheets write: UTF-8, with or without a byte-order mark, or Windows' Western European."""
NOTHING = Decimal(0)


@dataclass(frozen=True)
class CountRow:
    """A row of the file that can be a count.

    Attributes:
        line: As an editor counts lines.
        material: Of what.
        person: Whose.
        location: Where.
        quantity: What was counted.
        before: What the stock says now; 0 where nothing was ever moved.
        reorder_threshold: The new one; None: it stays.
    """

    line: int
    material: Material
    person: Person
    location: str
    quantity: Decimal
    before: Decimal = NOTHING
    reorder_threshold: Decimal | None = None

    def as_count(self, product_id: int) -> Count:
        """For `Stockroom.count`."""
        return Count(product_id, self.person.id, self.location, self.quantity, self.reorder_threshold)


@dataclass(frozen=True)
class Refused:
    """A row of the file that is no count, and why."""

    line: int
    reason: str


def write_counts(path: Path, stocks: Iterable[Stock], language: str) -> int:
    """Write a file of what there is; gives how many rows it has.

    Raises:
        GazelleSyncError: It cannot be written.
    """
    rows = [
        {
            "sku": one.sku,
            "product_external_id": one.external_id,
            "name": (one.name_fr or one.name_en) if language == "fr" else (one.name_en or one.name_fr),
            "technician": one.technician,
            "technician_name": one.technician_name,
            "location": one.location,
            "quantity": number(one.quantity),
            "reorder_threshold": None if one.reorder_threshold is None else number(one.reorder_threshold),
        }
        for one in stocks
    ]
    try:
        # The mark lets a spreadsheet see that it is UTF-8.
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise GazelleSyncError(
            gettext("{path} cannot be written ({reason}).", path=path, reason=error.strerror)
        ) from error
    return len(rows)


def read_counts(
    path: Path, names: Names, stocks: Iterable[Stock], language: str
) -> tuple[list[CountRow], list[Refused]]:
    """What a file says was counted, row by row.

    Args:
        path: With a header that has some of `COLUMNS`; separated by commas or semicolons.
        names: To find products and people.
        stocks: What there is now.
        language: `en` or `fr`.

    Returns:
        The counts, and the rows that are none. A row without a quantity, or with one below zero as it stands here, was
        not counted and is in neither.

    Raises:
        SettingsError: The file is not such a file.
    """
    now = {(one.product_id, one.technician, one.location): one.quantity for one in stocks}
    seen: dict[tuple[str, str, str], int] = {}
    counted: list[CountRow] = []
    refused: list[Refused] = []
    for line, row in _rows(path):
        try:
            one = _count_of(line, row, names, language)
        except SettingsError as error:
            refused.append(Refused(line, str(error)))
            continue
        if one is None:
            continue
        before = now.get((one.material.id, one.person.id, one.location), NOTHING) if one.material.id else NOTHING
        if one.quantity < 0:
            if one.quantity != before:  # else the row says what the export did: nobody has counted it
                reason = gettext("there is no less than nothing: {quantity}.", quantity=one.quantity)
                refused.append(Refused(line, reason))
            continue
        first = seen.setdefault((one.material.label, one.person.id, one.location), line)
        if first != line:
            refused.append(Refused(line, gettext("it counts the same stock as line {line}.", line=first)))
            continue
        counted.append(
            CountRow(line, one.material, one.person, one.location, one.quantity, before, one.reorder_threshold)
        )
    return counted, refused


def _count_of(line: int, row: Mapping[str, str], names: Names, language: str) -> CountRow | None:
    if not row["quantity"]:
        return None
    product = next((row[name] for name in PRODUCT if row.get(name)), "")
    technician = next((row[name] for name in TECHNICIAN if row.get(name)), "")
    if not product or not technician:
        raise SettingsError(gettext("it names no product, or nobody whose stock it is."))
    threshold = row.get("reorder_threshold")
    return CountRow(
        line,
        names.material(product, language),
        names.person(technician),
        place_of(row.get("location") or MAIN),
        quantity_of(row["quantity"]),
        reorder_threshold=quantity_of(threshold, least=NOTHING) if threshold else None,
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows that are not empty, with the line on which each begins; column names in lower case, values stripped."""
    text = _text(path)
    header = text.partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    begins = 1
    try:
        columns = [name.strip().casefold() for name in next(reader, [])]
        _assert_columns(path, columns)
        begins = reader.line_num + 1
        for values in reader:
            row = dict(zip(columns, (value.strip() for value in values), strict=False))
            if any(row.values()):
                yield begins, {**dict.fromkeys(columns, ""), **row}
            begins = reader.line_num + 1
    except csv.Error as error:
        raise SettingsError(
            gettext("{path} is no CSV file from line {line} on ({reason}).", path=path, line=begins, reason=error)
        ) from error


def _assert_columns(path: Path, columns: Sequence[str]) -> None:
    lacks_one = "quantity" not in columns or not {*PRODUCT} & {*columns} or not {*TECHNICIAN} & {*columns}
    if lacks_one or len(set(columns)) < len(columns):
        raise SettingsError(
            gettext(
                "{path} is no file of counts. Its first line names the columns, each once: {columns}; quantity, one "
                "for the product and one for the technician are enough. `gazelle-sync inventory export` writes one.",
                path=path,
                columns=", ".join(COLUMNS),
            )
        )


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(gettext("{path} cannot be read ({reason}).", path=path, reason=error.strerror)) from error
    for encoding in ENCODINGS if b"\0" not in content else ():  # no column can hold a NUL; Excel's UTF-16 has many
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SettingsError(gettext("{path} cannot be read ({reason}).", path=path, reason="UTF-8"))

"""The types that reconcilers use, and the conversions that they share.

A reconciler is mostly field maps, (column, field, conversion) for each table, read by `read`. Three rules hold
everywhere:

- a field that is absent leaves its column alone (it is not a key), a null means that Gazelle has no value (None);
- a value of the wrong type is a `ReconcileError`, never a guess. Two exceptions: a number where text is expected (a
  serial number, a year) is written out, and digits are accepted where an integer is expected;
- unknown fields and unknown enum values are no errors: Gazelle adds them without notice.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import FIRST, LAST, montreal_day

Body = Mapping[str, Any]
"""One record as Gazelle sent it: decoded JSON, untouched."""

Values = dict[str, Any]
"""One table row: column → typed value. A column that is *not a key* was absent from the body and keeps its value in
the table; None means that Gazelle has no value."""

Rows = dict[str, list[Values]]
"""Table → its rows. A nested table with an empty list has no rows any more; one that is *not a key* (its list was
absent from the body) keeps its rows."""

Reconciler = Callable[[Body], Rows]

ParentHints = Callable[[Body], Iterator[tuple[str, Values]]]
"""What a body contains of the records that it names, as (table, values with external_id): used for a stub when Gazelle
no longer has the record itself."""

Conversion = Callable[[Any], Any]
"""A JSON value that is not null → the value of a column, or `NOT_SAID`; raises `ReconcileError` with what is wrong."""

FieldMap = tuple[tuple[str, str, Conversion], ...]
"""(column, field of the body, conversion) for each column that depends on one field."""

NOT_SAID: Final = object()
"""What a conversion returns when its column is to be left alone."""

INTEGER_RANGE: Final = range(-(2**31), 2**31)
MONEY_RANGE: Final = range(-(10**12) + 1, 10**12)
WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}")


class ReconcileError(GazelleSyncError):
    """One body cannot become rows.

    The message names the field, the value and what is wrong with it; the caller adds the record's id.
    """

    cause = "unreadable"


def read(body: Body, fields: FieldMap, **values: Any) -> Values:
    """Turn a body's fields into columns.

    Args:
        body: The record.
        fields: Its field map.
        values: Columns that the row already has.

    Raises:
        ReconcileError: A value cannot be converted.
    """
    get = body.get
    field = ""
    try:
        for column, field, convert in fields:
            value = get(field, NOT_SAID)
            if value is None or (convert is text and value.__class__ is str):  # most values
                values[column] = value
            elif value is not NOT_SAID:
                converted = convert(value)
                if converted is not NOT_SAID:
                    values[column] = converted
    except ReconcileError as error:
        raise ReconcileError(f"{field}: {error}") from None
    return values


class within:  # noqa: N801 - it reads as a function
    """Add to an error's message the place of its field in the body: `allContacts[3].firstName: …`.

    Args:
        place: Name of the list or record.
        index: Position in a list.
    """

    __slots__ = ("_index", "_place")

    def __init__(self, place: str, index: int | None = None) -> None:
        self._place = place
        self._index = index

    def __enter__(self) -> None:
        """Nothing: the message is only built after an error."""

    def __exit__(self, _: object, error: object, __: object) -> None:
        """Put the place before the message."""
        if isinstance(error, ReconcileError):
            place = self._place if self._index is None else f"{self._place}[{self._index}]"
            raise ReconcileError(f"{place}.{error}") from None


def columns(*maps: FieldMap) -> tuple[str, ...]:
    """The columns that field maps write, in their order."""
    return tuple(column for fields in maps for column, _, _ in fields)


def identity(body: Body) -> str:
    """The external id of a record.

    Raises:
        ReconcileError: The body is no record, or has no id.
    """
    value = record(body).get("id")
    if value is None:
        raise ReconcileError("id: " + gettext("is missing"))
    external_id = text(value)
    if not external_id:
        raise ReconcileError("id: " + gettext("is empty"))
    return external_id


def record(value: object) -> Body:
    """A JSON object."""
    if not isinstance(value, dict):
        raise _wrong(gettext("a record"), value)
    return value


def records(body: Body, field: str) -> list[Body] | None:
    """The records of a plain list; None where it is absent or null.

    Gazelle's lists are never null by design, so a null is a fault, and a fault must not remove rows. Nulls among the
    records are skipped: the API allows them.
    """
    listed = body.get(field)
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise ReconcileError(f"{field}: " + str(_wrong(gettext("a list"), listed)))
    found: list[Body] = []
    for index, item in enumerate(listed):
        if item is None:
            continue
        if not isinstance(item, dict):
            raise ReconcileError(f"{field}[{index}]: " + str(_wrong(gettext("a record"), item)))
        found.append(item)
    return found


def nodes(body: Body, field: str) -> list[Body] | None:
    """The records of a connection, as `records`.

    Raises:
        ReconcileError: The connection was cut off after its first page. Taken as whole, it would remove the rest.
    """
    connection = body.get(field)
    if connection is None:
        return None
    if not isinstance(connection, dict):
        raise ReconcileError(f"{field}: " + str(_wrong(gettext("a connection"), connection)))
    if is_cut(connection):
        raise ReconcileError(
            f"{field}: " + gettext("the list goes on after this page, and the body holds only this page")
        )
    with within(field):
        return records(connection, "nodes")


def is_cut(connection: object) -> bool:
    """Whether a connection goes on after the page that the body holds."""
    info = connection.get("pageInfo") if isinstance(connection, dict) else None
    return isinstance(info, dict) and info.get("hasNextPage") is True


def named(body: Body, field: str, table: str, fields: FieldMap) -> Iterator[tuple[str, Values]]:
    """The id and the non-null fields of a record that a body names; nothing where it names none."""
    mentioned = body.get(field)
    if not isinstance(mentioned, dict) or mentioned.get("id") in (None, ""):
        return
    said = read(mentioned, fields)
    yield (
        table,
        {"external_id": identity(mentioned), **{column: value for column, value in said.items() if value is not None}},
    )


def text(value: object) -> str:
    """Text as it came, empty text included. A number is written out."""
    if type(value) is str:
        return value
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and value in MONEY_RANGE):
        return str(value)
    raise _wrong(gettext("text"), value)


def boolean(value: object) -> bool:
    """True or false, not 1 or "true"."""
    if value is True or value is False:
        return bool(value)
    raise _wrong(gettext("true or false"), value)


def integer(value: object) -> int:
    """A whole number that fits PostgreSQL's `integer`."""
    number = _whole(value)
    if number not in INTEGER_RANGE:
        raise ReconcileError(gettext("does not fit an integer column: {value}", value=_shown(value)))
    return number


def hundredths(value: object) -> Decimal:
    """A whole number of hundredths (cents, for one) as a decimal with two places: `1050` is `10.50`."""
    number = _whole(value)
    if number not in MONEY_RANGE:
        raise ReconcileError(gettext("does not fit a numeric(12,2) column: {value}", value=_shown(value)))
    return _with_two_places(number)


@lru_cache(maxsize=4096)
def _with_two_places(number: int) -> Decimal:
    """Cached, since the amounts of a price list repeat."""
    return Decimal(number).scaleb(-2)


def decimal_degrees(value: object) -> float | None:
    """A latitude or longitude, which Gazelle sends as text; blank where the address was not found on the map."""
    if isinstance(value, str) and not value.strip():
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(gettext("decimal degrees"), value)
    try:
        degrees = float(value)
    except (ValueError, OverflowError):
        raise _wrong(gettext("decimal degrees"), value) from None
    if not math.isfinite(degrees):
        raise _wrong(gettext("decimal degrees"), value)
    return degrees


def instant(value: object) -> datetime:
    """An ISO-8601 instant, in UTC.

    One that names no zone is refused: guessing it once moved a whole calendar. So is a mistyped year, outside 1900 to
    2199.
    """
    if type(value) is not str:
        raise _wrong(gettext("an instant such as 2026-01-09T12:00:00Z"), value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _wrong(gettext("an instant such as 2026-01-09T12:00:00Z"), value) from None
    if moment.tzinfo is None:
        raise ReconcileError(gettext("an instant must say its zone (Z or an offset): {value}", value=_shown(value)))
    if moment.tzinfo is UTC and FIRST.year <= moment.year < LAST.year:
        return moment
    if not FIRST <= moment < LAST:
        raise ReconcileError(gettext("an instant must be in the years 1900 to 2199: {value}", value=_shown(value)))
    return moment.astimezone(UTC)


def day(value: object) -> date:
    """A calendar day, `2026-01-09`. An instant is refused: which day it is on depends on the place."""
    if type(value) is not str:
        raise _wrong(gettext("a day such as 2026-01-09"), value)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _wrong(gettext("a day such as 2026-01-09"), value) from None


def day_in_montreal(value: object) -> date:
    """The day in Montreal on which an instant falls."""
    return montreal_day(instant(value))


def utc_day(value: object) -> date:
    """The day in UTC on which an instant falls."""
    return instant(value).date()


def utc_time(value: object) -> time:
    """The time of day in UTC of an instant."""
    return instant(value).time()


def list_of_records(value: object) -> list[Body]:
    """A list of records as it came, for a column that holds JSON."""
    if not isinstance(value, list):
        raise _wrong(gettext("a list"), value)
    return [record(item) for item in value]


def texts(value: object) -> list[str]:
    """A list of texts, in its order."""
    if not isinstance(value, list):
        raise _wrong(gettext("a list of texts"), value)
    return [text(item) for item in value]


class Inner:
    """A conversion that takes one field of a nested record: `inner("email", text)` for `{"email": "…"}`."""

    __slots__ = ("convert", "field")

    def __init__(self, field: str, convert: Conversion) -> None:
        self.field = field
        self.convert = convert

    def __call__(self, value: object) -> object:
        """The field's value, converted; `NOT_SAID` where the record lacks it."""
        if type(value) is not dict:
            raise _wrong(gettext("a record"), value)
        found = value.get(self.field, NOT_SAID)
        if found is None or found is NOT_SAID:
            return found
        try:
            return self.convert(found)
        except ReconcileError as error:
            raise ReconcileError(f"{self.field}: {error}") from None


inner = Inner


def reference(value: object) -> str | None:
    """The external id of another record; empty text names none."""
    return text(value) or None


reference_in_record: Final = inner("id", reference)
"""The external id of a record that the body names: `{"id": "cli_…"}`."""


def tags(body: Body) -> Values:
    """The two columns of a merged tag list, both as Gazelle sent them; none where `tags` is absent or null.

    `tags` is never null by Gazelle's own schema, so a null is a fault and must not change them.
    """
    if body.get("tags") is None:
        return {}
    said = read(body, (("tags", "tags", texts),))["tags"]
    return {"tags": said, "gazelle_tags": list(said)}


TAG_COLUMNS: Final = ("tags", "gazelle_tags")

STAMPS: Final[FieldMap] = (
    ("gazelle_created_at", "createdAt", instant),
    ("gazelle_updated_at", "updatedAt", instant),
)
"""The two instants that nearly every record has."""

PERSON: Final[FieldMap] = (
    ("first_name", "firstName", text),
    ("last_name", "lastName", text),
)


def _whole(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    raise _wrong(gettext("a whole number"), value)


def _wrong(expected: str, value: object) -> ReconcileError:
    return ReconcileError(gettext("expected {expected}, got {value}", expected=expected, value=_shown(value)))


def _shown(value: object) -> str:
    try:
        return _PRINTER.repr(value)
    except ValueError:  # Python refuses to print a number of thousands of digits
        return gettext("a {kind} too long to print", kind=type(value).__name__)


_PRINTER = reprlib.Repr()
_PRINTER.maxstring = _PRINTER.maxother = 80
_PRINTER.maxlevel = 2

"""The values that variables may have: each type with its validator.

The message of a ValueError follows the name of the variable; other errors also show the value.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import MONTREAL, montreal_day

GRAPHQL_PATH = "/graphql/private/"
EVERY_QUARTER, AT_THREE, SUNDAYS_AT_THREE = CRONS = ("*/15 * * * *", "0 3 * * 1-6", "0 3 * * 0")
QUARTER = timedelta(minutes=15)
LEAST_SECRET = 32
_FERNET_KEY = re.compile(r"[\w-]{43}=", re.ASCII)
SHOP_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_FOREIGN_PARAMETERS = {"pgbouncer", "connection_limit", "pool_timeout", "schema", "supa"}


def within(least: float, most: float = float("inf"), *, or_zero: bool = False) -> AfterValidator:
    """A number between two limits, both included."""
    limits = Message("should be between {least} and {most}")
    if or_zero:
        limits = Message("should be 0 (no limit) or between {least} and {most}")
    elif most == float("inf"):
        limits = Message("should be {least} or more")

    def check(value: float) -> float:
        is_within = least <= value <= most and value != float("inf")
        if not is_within and not (or_zero and value == 0):
            raise PydanticCustomError("limits", gettext(limits, least=f"{least:g}", most=f"{most:g}"))
        return value

    return AfterValidator(check)


def _day(value: object) -> date:
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise PydanticCustomError("day", gettext("should be a day such as 2016-01-01")) from None
    if day > montreal_day(datetime.now(UTC)):
        raise PydanticCustomError("day", gettext("is in the future: it should be today or a day before"))
    return day


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(gettext("is not a web address: it should look like https://gazelleapp.io"))
    if "?" in value or "#" in value:
        raise ValueError(gettext("should end before the ? or the #: it should look like https://gazelleapp.io"))
    return value.rstrip("/").removesuffix(GRAPHQL_PATH.rstrip("/")).rstrip("/")


def _postgres_address(value: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    if not value.startswith(("postgresql://", "postgres://")):
        raise ValueError(gettext("is not a PostgreSQL address: it should begin with postgresql://"))
    try:
        value = _without_foreign_parameters(value)
        is_readable = "@" not in str(conninfo_to_dict(value).get("host", ""))
    except (ProgrammingError, ValueError):
        is_readable = False
    if not is_readable:
        raise ValueError(
            gettext(
                "cannot be read as a PostgreSQL address. Letters such as @ : / % [ ] in a user's name or a password "
                "are written in percent form: %40 %3A %2F %25 %5B %5D."
            )
        )
    return value


def _without_foreign_parameters(url: str) -> str:
    """Drop `pgbouncer=true` and its like, which Supabase's page adds for another library and libpq refuses."""
    parts = urlsplit(url)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(key, value) for key, value in parameters if key not in _FOREIGN_PARAMETERS]
    return url if kept == parameters else urlunsplit(parts._replace(query=urlencode(kept)))


def _key(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError(gettext("contains a letter that no key has (an accent, a line break): copy it again."))
    return value


def _secret(value: str) -> str:
    if len(value) < LEAST_SECRET:
        raise ValueError(gettext("should have at least {count} letters.", count=LEAST_SECRET))
    return value


def _token_keys(value: object) -> object:
    """Fernet keys (32 bytes as URL-safe base64), with commas between them."""
    keys = _names(value)
    if isinstance(keys, tuple) and not all(_FERNET_KEY.fullmatch(key) for key in keys):
        raise ValueError(
            gettext(
                "holds something that is no key. `gazelle-sync init --token-store database` makes one; several stand "
                "with commas between them, the newest first"
            )
        )
    return keys


def _alert_addresses(value: object) -> object:
    """Addresses, with commas or white space between them (an address may hold commas of its own)."""
    if not isinstance(value, str):
        return value
    urls = [part.strip(" ,;") for part in re.split(r"[\s,;]+(?=[A-Za-z][\w+.-]*://)", value)]
    for number, url in enumerate(filter(None, urls), start=1):
        try:
            is_address = "://" in url and bool(urlsplit(url).scheme)
        except ValueError:
            is_address = False
        if not is_address:
            raise ValueError(
                gettext(
                    "has an address that cannot be read, number {number}. It should look like "
                    "mailtos://name:password@example.com or slack://…; letters such as @ : / in a password are written "
                    "in percent form.",
                    number=number,
                )
            )
    return tuple(filter(None, urls))


def _cron(value: str) -> str:
    text = " ".join(value.split())
    if text in CRONS:
        return text
    from croniter import CroniterError, croniter

    try:
        croniter(text, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
        day, month = croniter.expand(text)[0][2:4]
        if month == [2] and day in ([30], [31]):  # never comes; Dagster refuses it beside a weekday as well
            text = ""
    except CroniterError:
        text = ""
    if len(text.split(" ")) != 5:  # Dagster takes neither seconds nor years
        raise PydanticCustomError("cron", gettext("should be a cron expression of five fields such as */15 * * * *"))
    return text


@cache
def longest_pause(schedule: str) -> timedelta:
    """The longest time between two ticks of any two weeks, less the default's 15 minutes; never less than zero."""
    if schedule == EVERY_QUARTER:
        return timedelta(0)
    from croniter import croniter

    begin = datetime(2026, 1, 1, tzinfo=MONTREAL)
    ticks = croniter(schedule, begin, ret_type=datetime)
    times: list[datetime] = [ticks.get_next()]
    while times[-1] < begin + timedelta(days=14):
        times.append(ticks.get_next())
    return max([*(after - before for before, after in pairwise(times)), QUARTER]) - QUARTER


def _shop(value: str) -> str:
    if not SHOP_NAME.fullmatch(value):
        raise ValueError(
            gettext("is not a shop's name: it has small letters a to z, figures, - and _, and at most 40 of them.")
        )
    return value


def _names(value: object) -> object:
    """Names with commas between them."""
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Percent = Annotated[int, within(0, 100)]
Days = Annotated[int, within(0, 36_500)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Cron = Annotated[str, AfterValidator(_cron)]
PostgresAddress = Annotated[str, AfterValidator(_postgres_address)]
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
Key = Annotated[str, AfterValidator(_key)]
Secret = Annotated[str, AfterValidator(_secret)]
TokenKeys = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_token_keys)]
AlertAddresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_alert_addresses)]
ShopName = Annotated[str, AfterValidator(_shop)]
Day = Annotated[date, BeforeValidator(_day)]
lowered = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)

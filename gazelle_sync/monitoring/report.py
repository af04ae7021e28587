"""`gazelle-sync report`: one HTML page for the shop's staff, without scripts or external files."""

from __future__ import annotations

import errno
import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from gazelle_sync.entities import ENTITIES, entity_name
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.incidents.messages import MARKS, next_step, run_link, title_of
from gazelle_sync.monitoring.status import SHAPES, Situation, read_situation
from gazelle_sync.montreal import montreal_day, spoken_instant
from gazelle_sync.push.conflicts import Conflict, open_conflicts
from gazelle_sync.quality.verify.session import last_held
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar.agenda import Entry, read_agenda, remarks_of
from gazelle_sync.shop.inventory.render import render_stock
from gazelle_sync.shop.inventory.stock import Stock, Stockroom
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.names import names_of, with_name
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_settings
from gazelle_sync.warehouse.source import SANDBOX_NOTICE, is_sandbox

DAYS = 30
LEAST_DAYS = 7
WEEK = 7
MOST_SHOWN = 50
SIDES = {"ours": Message("ours"), "theirs": Message("Gazelle's")}
PLACES = (
    ("now", Message("Now")),
    ("push", Message("To Gazelle")),
    ("conflicts", Message("Conflicts")),
    ("alerts", Message("Alerts and checks")),
    ("proof", Message("Proof")),
    ("stock", Message("Stock")),
    ("week", Message("The coming week")),
)
"""Anchor and title of each part of the page."""
TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(settings: Settings, path: Path) -> None:
    """Write the page atomically.

    Args:
        settings: With `database_url` filled in; for the language as well.
        path: The file.

    Raises:
        DatabaseError: The database cannot be reached.
        GazelleSyncError: The file cannot be written.
    """
    write_page(render_report(settings), path)


def check_place(path: Path) -> None:
    """Refuse a place for a page before the work whose report it is.

    Args:
        path: The file.

    Raises:
        GazelleSyncError: A file cannot be written there.
    """
    folder = path.resolve().parent
    if path.is_dir():
        raise _unwritable(path, errno.EISDIR)
    if not folder.is_dir():
        raise _unwritable(path, errno.ENOENT)
    if not os.access(folder, os.W_OK):
        raise _unwritable(path, errno.EACCES)


def _unwritable(path: Path, number: int) -> GazelleSyncError:
    reason = os.strerror(number)
    return GazelleSyncError(
        gettext("{path} cannot be written ({reason}). Choose another place.", path=path, reason=reason)
    )


def write_page(text: str, path: Path) -> None:
    """Write a page atomically.

    Args:
        text: The page.
        path: The file.

    Raises:
        GazelleSyncError: The file cannot be written.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a device (/dev/stdout), which must not be replaced
            path.write_text(text, encoding="utf-8")
            return
        target = path.resolve()
        with tempfile.NamedTemporaryFile("w", dir=target.parent, encoding="utf-8", delete=False) as part:
            part.write(text)
        os.replace(part.name, target)  # noqa: PTH105 - of a name, not of a Path
    except OSError as error:
        raise _unwritable(path, error.errno or errno.EIO) from error


def render_report(settings: Settings) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    say = translator(settings.language)
    now = datetime.now(UTC)
    runs: list[tuple[Any, ...]] = []
    week: list[Entry] = []
    stored: dict[str, str] = {}
    situation = read_situation(settings)
    low: list[Stock] = []
    conflicts: list[Conflict] = []
    names: dict[str, str] = {}
    if situation.is_set_up:
        low = [one for one in Stockroom(settings).read() if one.is_low or one.quantity < 0]
        conflicts = open_conflicts(settings)
        with borrow(str(settings.database_url)) as connection:
            runs = connection.execute(statement("monitoring/report_days"), {"days": DAYS}).fetchall()
            week = read_agenda(connection, montreal_day(now), WEEK)
            stored = read_settings(connection)
            named = [*(one.key for one in situation.waiting), *(one.external_id for one in conflicts)]
            names = names_of(connection, named, say)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        say=say,
        made=f"{spoken_instant(say, now)} (Montréal)",
        sandbox=say(SANDBOX_NOTICE) if is_sandbox(settings, api=False) else "",
        entities=_entities(situation, say),
        shapes=SHAPES,
        push=_push(situation, names, say),
        conflicts=[
            {
                "record": with_name(one.external_id, names),
                "field": one.field,
                "ours": one.ours,
                "theirs": one.theirs,
                "winner": say(SIDES[one.winner]) if one.winner in SIDES else one.winner,
            }
            for one in conflicts[:MOST_SHOWN]
        ],
        incidents=_incidents(settings, situation, say),
        stock=render_stock(settings.language, low[:MOST_SHOWN]).splitlines() if low else [],
        proof=_proof(stored, say),
        places=PLACES,
        plots=_plots(runs, say, montreal_day(now)),
        days=_days(week, say),
    )


def _entities(situation: Situation, say: Translator) -> list[dict[str, Any]]:
    return [
        {
            "name": entity_name(say, row.entity),
            "light": row.light,
            "last": spoken_instant(say, row.last_sync_at) if row.last_sync_at else say("never"),
            "rows": say.number(row.rows),
            "backlog": say.number(row.backlog),
            "errors": say.number(row.errors),
        }
        for row in situation.entities
    ]


def _push(situation: Situation, names: dict[str, str], say: Translator) -> dict[str, Any]:
    """What waits to be sent to Gazelle, and why."""
    edits = situation.edits
    text = Plural("{count} row waits to be sent to Gazelle.", "{count} rows wait to be sent to Gazelle.")
    waiting = [
        {
            "record": with_name(one.key, names),
            "why": one.error or (say("hidden: stays here") if one.is_hidden else say("due")),
            "is_error": one.error is not None,
        }
        for one in situation.waiting[:MOST_SHOWN]
    ]
    last = spoken_instant(say, edits.last_sync_at) if edits.last_sync_at else say("never")
    return {
        "light": edits.light, "said": say(text, count=len(situation.waiting)), "waiting": waiting,
        "failure": edits.failure, "last": last,
    }  # fmt: skip


def _incidents(settings: Settings, situation: Situation, say: Translator) -> list[dict[str, Any]]:
    """Open alerts, failed checks among them, each with since when, what to do and the run's page."""
    return [
        {
            "mark": MARKS[one.severity], "title": title_of(one, say), "since": spoken_instant(say, one.opened_at),
            "command": next_step(one), "link": run_link(settings, one.run_id) if one.run_id else None,
            "is_check": one.rule == "failed_check",
        }
        for one in situation.incidents.incidents
    ]  # fmt: skip


def _proof(stored: dict[str, str], say: Translator) -> list[dict[str, Any]]:
    """When production was last proven equal to the account (`gazelle-sync verify`)."""
    held = last_held(stored)
    return [
        {
            "name": entity_name(say, entity.name),
            "held": spoken_instant(say, found.held_at) if found.held_at else say("never"),
            "deep": spoken_instant(say, found.deep_held_at) if found.deep_held_at else say("never"),
            "wrong": say.number(found.wrong),
            "looked": spoken_instant(say, found.looked_at) if found.looked_at else say("never"),
        }
        for entity in ENTITIES
        if (found := held.get(entity.name)) is not None
    ]


def _plots(runs: list[tuple[Any, ...]], say: Translator, today: date) -> list[dict[str, Any]]:
    """The four plots, over the days from the first run in the window to today."""
    if not runs:
        return []
    from markupsafe import Markup

    from gazelle_sync.monitoring.plots import BLUE, GREEN, GREY, RED, bars, lines

    by_day = {row[0]: row[1:] for row in runs}
    first = max(min(*by_day, today - timedelta(days=LEAST_DAYS - 1)), today - timedelta(days=DAYS))
    days = [first + timedelta(days=n) for n in range((max(today, first) - first).days + 1)]
    nothing = (0, 0, None, None, None, 0, 0)
    staged, errors, median, longest, backlog, failed, _ = zip(*(by_day.get(day, nothing) for day in days), strict=True)
    drawn = [
        (say("Volumes by day"), say("New versions that Gazelle sent"), bars(days, staged, say)),
        (
            say("Durations"),
            say("Seconds of a run, by day"),
            lines(days, [(say("tick, median"), BLUE, median), (say("longest run"), GREY, longest)], say),
        ),
        (
            say("Errors by day"),
            say("Records in error in one run at worst, and runs that failed"),
            lines(days, [(say("records"), RED, errors), (say("runs"), GREY, failed)], say),
        ),
        (
            say("Backlog"),
            say("Records that a run left waiting, at worst"),
            bars(days, [value or 0 for value in backlog], say, colour=GREEN),
        ),
    ]
    return [
        {"title": title, "hint": hint, "svg": Markup(svg)}  # noqa: S704 - drawn from numbers alone
        for title, hint, svg in drawn
    ]


def _days(week: list[Entry], say: Translator) -> list[dict[str, Any]]:
    """The agenda by days: each technician's visits in their order, so that the gaps between them can be seen."""
    days = []
    for day, entries in groupby(week, key=lambda entry: entry.day):
        visits = [
            {
                "time": say("all day") if entry.at is None else say.time(entry.at),
                "title": entry.title or "—",
                "client": entry.client or "",
                "technician": entry.technician or entry.technician_id or say("nobody"),
                "remarks": " · ".join(remarks_of(say, entry)),
            }
            for entry in entries
        ]
        days.append({"name": say.date(day, year=False), "visits": visits})
    return days

"""`gazelle-sync report`: one HTML page for the shop's staff, without scripts or external files."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from gazelle_sync.entities import entity_name
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Translator, translator
from gazelle_sync.monitoring.status import read_status
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.source import SANDBOX_NOTICE, is_sandbox

DAYS = 30
LEAST_DAYS = 7
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
        said = gettext("{path} cannot be written ({reason}). Choose another place.", path=path, reason=error.strerror)
        raise GazelleSyncError(said) from error


def render_report(settings: Settings) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    say = translator(settings.language)
    now = datetime.now(UTC)
    runs: list[tuple[Any, ...]] = []
    week: list[tuple[Any, ...]] = []
    if not pending(str(settings.database_url)):
        with borrow(str(settings.database_url)) as connection:
            runs = connection.execute(statement("monitoring/report_days"), {"days": DAYS}).fetchall()
            week = connection.execute(statement("monitoring/report_week")).fetchall()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        say=say,
        made=f"{now.astimezone(MONTREAL):%Y-%m-%d %H:%M} (Montréal)",
        sandbox=say(SANDBOX_NOTICE) if is_sandbox(settings, api=False) else "",
        entities=_entities(settings, say),
        plots=_plots(runs, say, montreal_day(now)),
        days=_days(week, say),
    )


def _entities(settings: Settings, say: Translator) -> list[dict[str, Any]]:
    return [
        {
            "name": entity_name(say, row.entity),
            "light": row.light,
            "last": f"{row.last_sync_at.astimezone(MONTREAL):%Y-%m-%d %H:%M}" if row.last_sync_at else say("never"),
            "rows": say.number(row.rows),
            "backlog": say.number(row.backlog),
            "errors": say.number(row.errors),
        }
        for row in read_status(settings)
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
        (say("Volumes by day"), say("New versions that Gazelle sent"), bars(days, staged)),
        (
            say("Durations"),
            say("Seconds of a run, by day"),
            lines(days, [(say("tick, median"), BLUE, median), (say("longest run"), GREY, longest)]),
        ),
        (
            say("Errors by day"),
            say("Records in error in one run at worst, and runs that failed"),
            lines(days, [(say("records"), RED, errors), (say("runs"), GREY, failed)]),
        ),
        (
            say("Backlog"),
            say("Records that a run left waiting, at worst"),
            bars(days, [value or 0 for value in backlog], colour=GREEN),
        ),
    ]
    return [
        {"title": title, "hint": hint, "svg": Markup(svg)}  # noqa: S704 - drawn from numbers alone
        for title, hint, svg in drawn
    ]


def _days(week: list[tuple[Any, ...]], say: Translator) -> list[dict[str, Any]]:
    days = []
    for day, rows in groupby(week, key=lambda row: row[0]):
        visits = [
            {
                "time": f"{at:%H:%M}" if at else say("all day"),
                "title": title or "—",
                "client": client or "",
                "technician": technician or "",
            }
            for _, at, title, client, technician, *_ in rows
        ]
        days.append({"name": say.day(day, say("EEEE, MMMM d")), "visits": visits})
    return days

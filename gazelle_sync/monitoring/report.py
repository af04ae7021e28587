"""`gazelle-sync report`: one page for the shop's staff, complete in itself: no script, nothing from elsewhere."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n.names import NAMES, entity_name
from gazelle_sync.monitoring.status import read_status
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import connect, database_errors, statement
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.source import SANDBOX_SAID, is_sandbox

DAYS = 30
LEAST_DAYS = 7
TEMPLATE = Path(__file__).with_name("report.html.j2")

WORDS = {
    "en": {
        "title": "Gazelle → PostgreSQL", "made": "As it stood on", "now": "Now", "last": "Last sync (Montreal)",
        "rows": "Rows", "waiting": "Waiting", "errors": "Errors", "never": "never",
        "no_runs": "There is nothing to show yet: no run has ended in the last 30 days.",
        "week": "The coming week", "week_hint": "Appointments by the clock in Montreal, cancelled ones left out",
        "no_visits": "There are no appointments in the coming seven days.", "all_day": "all day",
        "volumes": ("Volumes by day", "New versions that Gazelle sent"),
        "durations": ("Durations", "Seconds of a run, by day"),
        "failures": ("Errors by day", "Records in error in one run at worst, and runs that failed"),
        "backlog": ("Backlog", "Records that a run left waiting, at worst"),
        "median": "tick, median", "longest": "longest run", "records": "records", "runs": "runs",
        "weekdays": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        "months": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                   "November", "December"),
        "day": "{weekday}, {month} {day}",
    },
    "fr": {
        "title": "Gazelle → PostgreSQL", "made": "État au", "now": "Maintenant", "last": "Dernière synchro (Montréal)",
        "rows": "Lignes", "waiting": "En attente", "errors": "Erreurs", "never": "jamais",
        "no_runs": "Rien à montrer encore : aucune exécution terminée depuis 30 jours.",
        "week": "La semaine à venir", "week_hint": "Rendez-vous à l'heure de Montréal, sans les annulés",
        "no_visits": "Aucun rendez-vous dans les sept prochains jours.", "all_day": "toute la journée",
        "volumes": ("Volumes par jour", "Nouvelles versions envoyées par Gazelle"),
        "durations": ("Durées", "Secondes par exécution, par jour"),
        "failures": ("Erreurs par jour", "Fiches en erreur dans une exécution, au pire, et exécutions échouées"),
        "backlog": ("En attente", "Fiches laissées en attente par une exécution, au pire"),
        "median": "passage, médiane", "longest": "la plus longue", "records": "fiches", "runs": "exécutions",
        "weekdays": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        "months": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
                   "novembre", "décembre"),
        "day": "{weekday} {day} {month}",
    },
}  # fmt: skip


def write_report(settings: Settings, path: Path) -> None:
    """Write the page; the file is whole or as it was before.

    Args:
        settings: With `database_url` filled in; for the language as well.
        path: Where to.

    Raises:
        DatabaseError: The database cannot be reached.
        GazelleSyncError: The file cannot be written.
    """
    text = render_report(settings)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device (/dev/stdout): nothing may stand in its place
            path.write_text(text, encoding="utf-8")
            return
        target = path.resolve()
        with tempfile.NamedTemporaryFile("w", dir=target.parent, encoding="utf-8", delete=False) as part:
            part.write(text)
        os.replace(part.name, target)  # noqa: PTH105 - of a name, not of a Path
    except OSError as error:
        raise GazelleSyncError(f"{path} cannot be written ({error.strerror}). Choose another place.") from error


def render_report(settings: Settings) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    words: dict[str, Any] = WORDS[settings.language]
    now = datetime.now(UTC)
    runs: list[tuple[Any, ...]] = []
    week: list[tuple[Any, ...]] = []
    if not pending(str(settings.database_url)):
        with database_errors(), connect(str(settings.database_url)) as connection:
            runs = connection.execute(statement("monitoring/report_days"), {"days": DAYS}).fetchall()
            week = connection.execute(statement("monitoring/report_week")).fetchall()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        language=settings.language,
        words=words,
        made=f"{now.astimezone(MONTREAL):%Y-%m-%d %H:%M} (Montréal)",
        sandbox=SANDBOX_SAID[settings.language] if is_sandbox(settings, api=False) else "",
        entities=_entities(settings, words),
        plots=_plots(runs, words, montreal_day(now)),
        days=_days(week, words),
    )


def _entities(settings: Settings, words: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": entity_name(NAMES[settings.language], row.entity),
            "light": row.light,
            "last": f"{row.last_sync_at.astimezone(MONTREAL):%Y-%m-%d %H:%M}" if row.last_sync_at else words["never"],
            "rows": _number(row.rows),
            "backlog": _number(row.backlog),
            "errors": _number(row.errors),
        }
        for row in read_status(settings)
    ]


def _plots(runs: list[tuple[Any, ...]], words: dict[str, Any], today: date) -> list[dict[str, Any]]:
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
    drawn = {
        "volumes": bars(days, staged),
        "durations": lines(days, [(words["median"], BLUE, median), (words["longest"], GREY, longest)]),
        "failures": lines(days, [(words["records"], RED, errors), (words["runs"], GREY, failed)]),
        "backlog": bars(days, [value or 0 for value in backlog], colour=GREEN),
    }
    return [
        {"title": words[name][0], "hint": words[name][1], "svg": Markup(svg)}  # noqa: S704 - drawn from numbers alone
        for name, svg in drawn.items()
    ]


def _days(week: list[tuple[Any, ...]], words: dict[str, Any]) -> list[dict[str, Any]]:
    days = []
    for day, rows in groupby(week, key=lambda row: row[0]):
        name = words["day"].format(
            weekday=words["weekdays"][day.weekday()], month=words["months"][day.month - 1], day=day.day
        )
        visits = [
            {
                "time": f"{at:%H:%M}" if at else words["all_day"],
                "title": title or "—",
                "client": client or "",
                "technician": technician or "",
            }
            for _, at, title, client, technician, *_ in rows
        ]
        days.append({"name": name, "visits": visits})
    return days


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")

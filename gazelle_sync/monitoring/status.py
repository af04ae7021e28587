"""`gazelle-sync status`: how up to date each entity is, on one screen.

A tick comes every 15 minutes, so an entity is late after 20 and lost after 60. Nothing here imports Dagster: the answer
comes from the shop's own tables, however the sync was started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from gazelle_sync.entities import ENTITIES, LATE, LOST, entity_name
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.notifications import ledger
from gazelle_sync.push.status import PushStatus, read_push
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow, together
from gazelle_sync.warehouse.relations import how_many

Light = Literal["green", "yellow", "red"]

SHOWN_ABOVE = ("failed_run", "stale_data")
"""Rules whose alerts the screen shows by other lines."""
ALL = [entity.name for entity in ENTITIES]
RUNS_LOOKED_AT = 20
"""An entity's last failure is looked for in so many runs: a replay or a backfill may leave it out."""

STATUSES = {
    "success": Message("succeeded"),
    "warning": Message("succeeded with records in error"),
    "error": Message("failed"),
}


@dataclass(frozen=True)
class EntityStatus:
    """One entity, now.

    Attributes:
        entity: Its name.
        last_sync_at: Start of its last successful pull, aware UTC; None: never.
        age_s: Seconds since, by the database's clock.
        rows: Living rows of its own table.
        backlog: Staged versions that wait to be applied.
        errors: Records whose newest version could not be applied.
        failure: Why it failed in the newest run that concerned it, or None.
        light: `green`, `yellow` or `red`.
    """

    entity: str
    last_sync_at: datetime | None = None
    age_s: float | None = None
    rows: int = 0
    backlog: int = 0
    errors: int = 0
    failure: str | None = None

    @property
    def light(self) -> Light:
        """Red: never read, lost, or failed. Yellow: late, or records wait or are in error."""
        if self.age_s is None or self.age_s > LOST.total_seconds() or self.failure is not None:
            return "red"
        if self.age_s > LATE.total_seconds() or self.backlog or self.errors:
            return "yellow"
        return "green"

    def as_json(self) -> dict[str, Any]:
        """For `--json`: instants in ISO-8601, UTC."""
        last = self.last_sync_at.isoformat() if self.last_sync_at else None
        return {**asdict(self), "last_sync_at": last, "light": self.light}


@dataclass(frozen=True)
class _Run:
    task_type: str
    mode: str
    status: str
    started_at: datetime
    duration_s: float | None
    error_message: str | None


def read_status(settings: Settings) -> list[EntityStatus]:
    """Every entity, in order of dependency.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    url = str(settings.database_url)
    if pending(url):
        return [EntityStatus(entity.name) for entity in ENTITIES]
    with borrow(url) as connection:
        found_health, found_failures, *counts = together(
            connection,
            (statement("monitoring/status_health"), None),
            (statement("monitoring/status_failures"), {"runs": RUNS_LOOKED_AT, "entities": ALL}),
            *(how_many(entity.table.name) for entity in ENTITIES),
        )
    health = {row[0]: row[1:] for row in found_health}
    failures: dict[str, str | None] = dict(found_failures)
    return [
        _entity_status(entity.name, health[entity.name], rows, failures)
        for entity, [(rows, _)] in zip(ENTITIES, counts, strict=True)
    ]


def push_status(settings: Settings) -> PushStatus:
    """The status of the push.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    return PushStatus() if pending(str(settings.database_url)) else read_push(settings, late=LATE)


def alerts_status(settings: Settings) -> ledger.LedgerStatus:
    """Open incidents (failed checks, failed jobs, …) and undelivered messages.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with borrow(str(settings.database_url)) as connection:
        return ledger.read_ledger_status(connection)


def alerts_as_json(status: ledger.LedgerStatus) -> dict[str, Any]:
    """For `--json`, with the keys of an entity: `errors` are open incidents, `backlog` undelivered messages."""
    return {
        "entity": "alerts", "last_sync_at": None, "age_s": None, "rows": len(status.open),
        "backlog": status.undelivered, "errors": len(status.open),
        "failure": "\n".join(title for _, title in status.open) or None, "light": status.light,
    }  # fmt: skip


def render_status(settings: Settings, rows: list[EntityStatus], edits: PushStatus) -> str:
    """The screen.

    Args:
        settings: For the language, and the database that holds the runs.
        rows: Of `read_status`.
        edits: Of `push_status`.
    """
    say = translator(settings.language)
    now = datetime.now(UTC)
    if pending(str(settings.database_url)):  # nothing was read: a table of it would say that nothing ever was
        return "✗ " + say(
            "This database is not set up, or not up to date. `gazelle-sync sync` does it (or `migrate` alone)."
        )
    lines = [_table(rows, say, now)]
    runs = _runs(settings)
    lines += _run_lines(settings, runs, say, now, {row.failure for row in rows if row.failure})
    lines += _advice(rows, say)
    lines += _push_lines(edits, say, now)
    alerts = _alert_lines(alerts_status(settings), say)
    lines += alerts
    is_green = edits.light == "green" and all(row.light == "green" for row in rows)
    if not alerts and is_green and not any(run.status == "error" for run in runs):
        lines.append("✓ " + say("All is well."))
    return "\n".join(lines)


def _entity_status(name: str, health: tuple[Any, ...], rows: int, failures: Mapping[str, str | None]) -> EntityStatus:
    last_sync_at, age_s, backlog, errors = health
    return EntityStatus(
        name,
        last_sync_at=last_sync_at.astimezone(UTC) if last_sync_at else None,
        age_s=None if age_s is None else round(age_s, 1),
        rows=rows,
        backlog=backlog,
        errors=errors,
        failure=failures.get(name),
    )


def _runs(settings: Settings) -> list[_Run]:
    """The last run that ended, and the one that says it is running."""
    with borrow(str(settings.database_url)) as connection:
        return [_Run(*row) for row in connection.execute(statement("monitoring/status_runs"))]


def _run_lines(settings: Settings, runs: list[_Run], say: Translator, now: datetime, shown: set[str]) -> list[str]:
    """One line per run; reasons that an entity's line already has are left out."""
    lines = []
    for run in runs:
        when = _when(run.started_at, now)
        if run.status == "running":
            if pull_is_running(str(settings.database_url)):
                lines.append(say("Running now: {mode}, since {when}.", mode=run.mode, when=when))
                continue
            lines.append(
                say(
                    "The run that began {when} ({mode}) was killed. What it committed is kept; the next run does "
                    "the rest.",
                    mode=run.mode,
                    when=when,
                )
            )
            continue
        status = say(STATUSES[run.status])
        if run.duration_s is not None:
            status = say("{status} in {seconds} s", status=status, seconds=say.decimal(run.duration_s))
        lines.append(say("Last run: {mode}, {when}, {status}.", mode=run.mode, when=when, status=status))
        reasons = dict.fromkeys((run.error_message or "").splitlines())
        lines += [f"  ✗ {reason}" for reason in reasons if reason not in shown]
    return lines or [say("No run yet: start one with `gazelle-sync sync`.")]


def _advice(rows: list[EntityStatus], say: Translator) -> list[str]:
    """What to do about what is not green."""
    lines = []
    late = [entity_name(say, r.entity) for r in rows if r.age_s is not None and r.age_s > LATE.total_seconds()]
    if late:
        minutes = int(LATE.total_seconds() // 60)
        lines.append(
            "⚠ "
            + say(
                "{names}: no sync for more than {minutes} minutes. Is `gazelle-sync up` running?",
                names=", ".join(late),
                minutes=minutes,
            )
        )
    failed: dict[str, list[str]] = {}
    for row in rows:
        if row.failure:
            failed.setdefault(row.failure, []).append(entity_name(say, row.entity))
    lines += ["✗ " + say("{names}: {reason}", names=", ".join(who), reason=why) for why, who in failed.items()]
    if any(row.errors for row in rows):
        lines.append(
            "⚠ " + say("Records in error: `gazelle-sync errors` (or the view v_sync_errors) says which and why.")
        )
    if any(row.backlog for row in rows):
        lines.append(
            "⚠ " + say("Records are staged and not applied yet: the next run applies them, or `gazelle-sync replay`.")
        )
    return lines


def _push_lines(edits: PushStatus, say: Translator, now: datetime) -> list[str]:
    lines = []
    if edits.failure is not None and edits.last_sync_at is not None:
        reason = edits.failure if edits.failure.endswith((".", "!", "?")) else f"{edits.failure}."
        lines.append(
            "✗ "
            + say(
                "The last push ({when}) failed: {reason} Nothing is lost: `gazelle-sync push` tries again, "
                "`gazelle-sync push --status` shows what waits.",
                when=_when(edits.last_sync_at, now),
                reason=reason,
            )
        )
    if edits.errors:
        lines.append("⚠ " + say("Edits that did not go to Gazelle: `gazelle-sync push --status` says which and why."))
    if edits.is_late:
        lines.append(
            "⚠ "
            + say(
                "Edits wait for more than {minutes} minutes. Is `gazelle-sync up` running? `gazelle-sync push` sends "
                "them now.",
                minutes=int(LATE.total_seconds() // 60),
            )
        )
    return lines


def _alert_lines(status: ledger.LedgerStatus, say: Translator) -> list[str]:
    """Open incidents that no other line shows, and undelivered messages."""
    lines = [title for rule, title in status.open if rule not in SHOWN_ABOVE]
    if status.undelivered:
        text = Plural(
            "{count} alert could not be delivered so far ({reason}). Check GAZELLE_ALERT_URLS.",
            "{count} alerts could not be delivered so far ({reason}). Check GAZELLE_ALERT_URLS.",
        )
        lines.append("⚠ " + say(text, count=status.undelivered, reason=status.last_error or "…"))
    return lines


def _table(rows: list[EntityStatus], say: Translator, now: datetime) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    heads = ("", "", say("last sync"), say("age"), say("rows"), say("waiting"), say("errors"))
    for n, head in enumerate(heads):
        table.add_column(head, justify="left" if n < 2 else "right")
    for row in rows:
        last = _when(row.last_sync_at, now) if row.last_sync_at else say("never")
        age = "—" if row.age_s is None else _duration(row.age_s, say)
        counts = (say.number(count) for count in (row.rows, row.backlog, row.errors))
        table.add_row(f"[{row.light}]●[/]", entity_name(say, row.entity), last, age, *counts)
    # Colours are always written: click removes them where the output is no terminal.
    console = Console(width=100, force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    here_and_now = f"{now.astimezone(MONTREAL):%Y-%m-%d %H:%M}"
    title = say("Gazelle → PostgreSQL, {now} in Montreal", now=here_and_now)
    return "\n".join([title, "", *(line.rstrip() for line in capture.get().splitlines()), ""])


def _when(instant: datetime, now: datetime) -> str:
    """Montreal's wall clock; the date only where it is not today's."""
    local = instant.astimezone(MONTREAL)
    return f"{local:%H:%M}" if local.date() == now.astimezone(MONTREAL).date() else f"{local:%Y-%m-%d %H:%M}"


def _duration(seconds: float, say: Translator) -> str:
    """Seconds in the largest unit that a person would say."""
    if seconds < 90:
        return say("{n} s", n=int(max(0.0, seconds)))
    if seconds < 5400:
        return say("{n} min", n=int(seconds // 60))
    if seconds < 172_800:
        return say("{n} h", n=int(seconds // 3600))
    return say("{n} days", n=int(seconds // 86_400))

"""`gazelle-sync status`: how far each entity is from Gazelle, on one screen that a person reads in five seconds.

A tick comes every 15 minutes, so an entity is late after 20 and lost after 60. Nothing here imports Dagster: the answer
comes from the shop's own tables, whoever ran the sync.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg import sql

from gazelle_sync.entities import ENTITIES, LATE, LOST
from gazelle_sync.i18n.names import NAMES, entity_name
from gazelle_sync.i18n.plurals import counted
from gazelle_sync.montreal import MONTREAL, montreal_time
from gazelle_sync.notifications import ledger
from gazelle_sync.push.status import PushStatus, read_push
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync.warehouse.migrate import pending

Light = Literal["green", "yellow", "red"]

SAID_ABOVE = ("failed_run", "stale_data")
"""Alerts that say what the screen says by itself."""
RUNS_LOOKED_AT = 20
"""An entity's last failure is looked for in so many runs: a replay or a backfill need not have touched it."""

WORDS = {
    "en": {
        "title": "Gazelle → PostgreSQL, {now} in Montreal",
        "head": ("", "", "last sync", "age", "rows", "waiting", "errors"),
        "never": "never",
        "ago": {"s": "{n} s", "min": "{n} min", "h": "{n} h", "d": "{n} days"},
        "last": "Last run: {mode}, {when}, {status}.",
        "status": {"success": "succeeded", "warning": "succeeded with records in error", "error": "failed"},
        "took": "{status} in {seconds:.1f} s",
        "running": "Running now: {mode}, since {when}.",
        "dead": "The run that began {when} ({mode}) died without a word. What it committed is kept; the next takes up.",
        "no_run": "No run yet: start one with `gazelle-sync sync`.",
        "new": "This database is not set up, or not up to date. `gazelle-sync sync` does it (or `migrate` alone).",
        "well": "All is well.",
        "late": "{names}: no sync for more than {minutes} minutes. Is `gazelle-sync up` running?",
        "failed": "{names}: {reason}",
        "push_failed": "The last push ({when}) failed: {reason} Nothing is lost: `gazelle-sync push` tries again, "
        "`gazelle-sync push --status` shows what waits.",
        "push_errors": "Edits that did not go to Gazelle: `gazelle-sync push --status` says which and why.",
        "push_late": "Edits wait for more than {minutes} minutes. Is `gazelle-sync up` running? `gazelle-sync push` "
        "sends them now.",
        "in_error": "Records in error: `gazelle-sync errors` (or the view v_sync_errors) says which and why.",
        "undelivered": "{count:# alert|# alerts} could not be delivered so far ({reason}). Check GAZELLE_ALERT_URLS.",
        "backlog": "Records are staged and not applied yet: the next run applies them, or `gazelle-sync replay`.",
    },
    "fr": {
        "title": "Gazelle → PostgreSQL, {now} à Montréal",
        "head": ("", "", "dernière synchro", "âge", "lignes", "en attente", "erreurs"),
        "never": "jamais",
        "ago": {"s": "{n} s", "min": "{n} min", "h": "{n} h", "d": "{n} jours"},
        "last": "Dernière exécution : {mode}, {when}, {status}.",
        "status": {"success": "réussie", "warning": "réussie, avec des fiches en erreur", "error": "échouée"},
        "took": "{status} en {seconds:.1f} s",
        "running": "En cours : {mode}, depuis {when}.",
        "dead": "L'exécution commencée {when} ({mode}) s'est arrêtée sans un mot. Ce qu'elle a enregistré est "
        "conservé ; la prochaine reprend la suite.",
        "no_run": "Aucune exécution encore : lancez-en une avec `gazelle-sync sync`.",
        "new": "Cette base n'est pas installée, ou pas à jour. `gazelle-sync sync` s'en charge (ou `migrate` seul).",
        "well": "Tout va bien.",
        "late": "{names} : pas de synchro depuis plus de {minutes} minutes. `gazelle-sync up` est-il en marche ?",
        "failed": "{names} : {reason}",
        "push_failed": "Le dernier envoi ({when}) a échoué : {reason} Rien n'est perdu : `gazelle-sync push` réessaie, "
        "`gazelle-sync push --status` montre ce qui attend.",
        "push_errors": "Des modifications ne sont pas parties vers Gazelle : `gazelle-sync push --status` dit "
        "lesquelles et pourquoi.",
        "push_late": "Des modifications attendent depuis plus de {minutes} minutes. `gazelle-sync up` est-il en "
        "marche ? `gazelle-sync push` les envoie tout de suite.",
        "in_error": "Des fiches sont en erreur : `gazelle-sync errors` (ou la vue v_sync_errors) dit lesquelles et "
        "pourquoi.",
        "undelivered": "{count:# alerte n'a pas pu être remise|# alertes n'ont pas pu être remises} jusqu'ici "
        "({reason}). Vérifiez GAZELLE_ALERT_URLS.",
        "backlog": "Des fiches reçues attendent d'être appliquées : la prochaine exécution s'en charge, ou "
        "`gazelle-sync replay`.",
    },
}  # fmt: skip


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
        failure: Why it failed in the newest run that had to do with it, or None.
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
        """Red: never in step, lost, or failed. Yellow: late, or records that wait or are in error."""
        if self.age_s is None or self.age_s > LOST.total_seconds() or self.failure is not None:
            return "red"
        if self.age_s > LATE.total_seconds() or self.backlog or self.errors:
            return "yellow"
        return "green"

    def as_json(self) -> dict[str, Any]:
        """For machines: instants in ISO-8601, UTC."""
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
    with database_errors(), connect(url) as connection:
        health = {row[0]: row[1:] for row in connection.execute(statement("monitoring/status_health"))}
        failures = _failures(connection)
        return [
            _entity_status(entity.name, health[entity.name], _rows(connection, entity.table.name), failures)
            for entity in ENTITIES
        ]


def push_status(settings: Settings) -> PushStatus:
    """How the other direction stands.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    return PushStatus() if pending(str(settings.database_url)) else read_push(settings, late=LATE)


def alerts_status(settings: Settings) -> ledger.Standing:
    """What was told and lasts: failed checks, failed jobs, whatever the alerts watch; and what could not be delivered.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with database_errors(), connect(str(settings.database_url)) as connection:
        return ledger.standing(connection)


def alerts_as_json(standing: ledger.Standing) -> dict[str, Any]:
    """For machines, with the keys of an entity: `errors` are open troubles, `backlog` messages not delivered."""
    return {
        "entity": "alerts", "last_sync_at": None, "age_s": None, "rows": len(standing.open),
        "backlog": standing.undelivered, "errors": len(standing.open),
        "failure": "\n".join(title for _, title in standing.open) or None, "light": standing.light,
    }  # fmt: skip


def render_status(settings: Settings, rows: list[EntityStatus], edits: PushStatus) -> str:
    """The screen.

    Args:
        settings: For the language, and the database that holds the runs.
        rows: Of `read_status`.
        edits: Of `push_status`.
    """
    words, names = WORDS[settings.language], NAMES[settings.language]
    now = datetime.now(UTC)
    lines = [_table(rows, words, names, now)]
    if pending(str(settings.database_url)):
        return "\n".join([*lines, f"✗ {words['new']}"])
    runs = _runs(settings)
    lines += _run_lines(settings, runs, words, now, {row.failure for row in rows if row.failure})
    lines += _advice(rows, words, names)
    lines += _push_lines(edits, words, now)
    alerts = _alert_lines(settings, alerts_status(settings), words)
    lines += alerts
    is_green = edits.light == "green" and all(row.light == "green" for row in rows)
    if not alerts and is_green and not any(run.status == "error" for run in runs):
        lines.append(f"✓ {words['well']}")
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


def _rows(connection: Connection, table: str) -> int:
    row = connection.execute(
        sql.SQL(statement("monitoring/status_rows")).format(table=sql.Identifier(table))
    ).fetchone()
    return row[0] if row else 0


def _failures(connection: Connection) -> dict[str, str | None]:
    """Entity → why the newest run that had to do with it failed, None where it did not."""
    parameters = {"runs": RUNS_LOOKED_AT, "entities": [entity.name for entity in ENTITIES]}
    return dict(connection.execute(statement("monitoring/status_failures"), parameters).fetchall())


def _runs(settings: Settings) -> list[_Run]:
    """The last run that ended, and the one that says it is running."""
    with database_errors(), connect(str(settings.database_url)) as connection:
        return [_Run(*row) for row in connection.execute(statement("monitoring/status_runs"))]


def _run_lines(
    settings: Settings, runs: list[_Run], words: Mapping[str, Any], now: datetime, said: set[str]
) -> list[str]:
    """A line a run; reasons that are said of an entity are not said twice."""
    lines = []
    for run in runs:
        facts = {"mode": run.mode, "when": _when(run.started_at, now)}
        if run.status == "running":
            lines.append(words["running" if pull_is_running(str(settings.database_url)) else "dead"].format(**facts))
            continue
        status = words["status"][run.status]
        if run.duration_s is not None:
            status = words["took"].format(status=status, seconds=run.duration_s)
        lines.append(words["last"].format(**facts, status=status))
        reasons = dict.fromkeys((run.error_message or "").splitlines())
        lines += [f"  ✗ {reason}" for reason in reasons if reason not in said]
    return lines or [words["no_run"]]


def _advice(rows: list[EntityStatus], words: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """What to do about what is not green, each thing once."""
    lines = []
    late = [entity_name(names, r.entity) for r in rows if r.age_s is not None and r.age_s > LATE.total_seconds()]
    if late:
        minutes = int(LATE.total_seconds() // 60)
        lines.append("⚠ " + words["late"].format(names=", ".join(late), minutes=minutes))
    failed: dict[str, list[str]] = {}
    for row in rows:
        if row.failure:
            failed.setdefault(row.failure, []).append(entity_name(names, row.entity))
    lines += ["✗ " + words["failed"].format(names=", ".join(who), reason=why) for why, who in failed.items()]
    if any(row.errors for row in rows):
        lines.append("⚠ " + words["in_error"])
    if any(row.backlog for row in rows):
        lines.append("⚠ " + words["backlog"])
    return lines


def _push_lines(edits: PushStatus, words: Mapping[str, Any], now: datetime) -> list[str]:
    lines = []
    if edits.failure is not None and edits.last_sync_at is not None:
        reason = edits.failure if edits.failure.endswith((".", "!", "?")) else f"{edits.failure}."
        lines.append("✗ " + words["push_failed"].format(when=_when(edits.last_sync_at, now), reason=reason))
    if edits.errors:
        lines.append("⚠ " + words["push_errors"])
    if edits.is_late:
        lines.append("⚠ " + words["push_late"].format(minutes=int(LATE.total_seconds() // 60)))
    return lines


def _alert_lines(settings: Settings, standing: ledger.Standing, words: Mapping[str, Any]) -> list[str]:
    """Troubles that were told and last, and what could not be told. Those of an entity's own failure are said above."""
    lines = [title for rule, title in standing.open if rule not in SAID_ABOVE]
    if standing.undelivered:
        reason = standing.last_error or "…"
        lines.append("⚠ " + counted(settings.language, words["undelivered"], count=standing.undelivered, reason=reason))
    return lines


def _table(rows: list[EntityStatus], words: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for n, head in enumerate(words["head"]):
        table.add_column(head, justify="left" if n < 2 else "right")
    for row in rows:
        last = _when(row.last_sync_at, now) if row.last_sync_at else words["never"]
        age = "—" if row.age_s is None else _span(row.age_s, words["ago"])
        counts = (
            f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") for count in (row.rows, row.backlog, row.errors)
        )
        table.add_row(f"[{row.light}]●[/]", entity_name(names, row.entity), last, age, *counts)
    # Colours are always written: click takes them away where the output is no terminal.
    console = Console(width=100, force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    title = words["title"].format(now=f"{now.astimezone(MONTREAL):%Y-%m-%d %H:%M}")
    return "\n".join([title, "", *(line.rstrip() for line in capture.get().splitlines()), ""])


def _when(instant: datetime, now: datetime) -> str:
    """Montreal's wall clock; the date only where it is not today's."""
    local = montreal_time(instant)
    return f"{local:%H:%M}" if local.date() == now.astimezone(MONTREAL).date() else f"{local:%Y-%m-%d %H:%M}"


def _span(seconds: float, words: Mapping[str, str]) -> str:
    """Seconds in the largest unit that a person would say."""
    seconds = max(0.0, seconds)
    for unit, size, limit in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < limit:
            return words[unit].format(n=int(seconds // size))
    return words["d"].format(n=int(seconds // 86_400))

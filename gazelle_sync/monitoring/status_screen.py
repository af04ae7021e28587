"""The screen of `gazelle-sync status`: a table of the entities, and below it what a person should know or do."""

from __future__ import annotations

from datetime import UTC, datetime

from gazelle_sync.entities import LATE, entity_name
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.incidents.messages import MARKS, next_step, run_link, title_of
from gazelle_sync.monitoring.status import SHAPES, EntityStatus, Situation
from gazelle_sync.montreal import spoken_instant, spoken_lately
from gazelle_sync.notifications import ledger
from gazelle_sync.push.status import PushStatus
from gazelle_sync.settings import Settings

STATUSES = {
    "success": Message("succeeded"),
    "warning": Message("succeeded with records in error"),
    "error": Message("failed"),
}


def render_status(settings: Settings, found: Situation) -> str:
    """The screen.

    Args:
        settings: For the language.
        found: Of `read_situation`.
    """
    said = status_sentences(settings, found)
    if found.is_set_up:  # else nothing was read: a table of it would say that nothing ever was
        said.insert(0, _table(found.entities, translator(settings.language)))
    return "\n".join(said)


def status_sentences(settings: Settings, found: Situation) -> list[str]:
    """What the screen says below its table, a line each."""
    say = translator(settings.language)
    if not found.is_set_up:
        return [
            "✗ "
            + say("This database is not set up, or not up to date. `gazelle-sync sync` does it (or `migrate` alone).")
        ]
    rows, edits = found.entities, found.edits
    lines = _run_lines(found, say, {row.failure for row in rows if row.failure})
    lines += _advice(rows, say)
    lines += _push_lines(edits, say, {row.failure for row in rows if row.failure})
    lines += _conflict_lines(found.conflicts, say)
    alerts = _alert_lines(settings, found.incidents, rows, edits)
    lines += alerts
    is_green = edits.light == "green" and all(row.light == "green" for row in rows)
    if not alerts and is_green and not any(run.status == "error" for run in found.runs):
        lines.append("✓ " + say("All is well."))
    return lines


def _conflict_lines(count: int, say: Translator) -> list[str]:
    if not count:
        return []
    text = Plural(
        "{count} edit of both sides at once: the later one counts. `gazelle-sync conflicts` shows the other.",
        "{count} edits of both sides at once: the later ones count. `gazelle-sync conflicts` shows the others.",
    )
    return ["⚠ " + say(text, count=count)]


def _run_lines(found: Situation, say: Translator, shown: set[str]) -> list[str]:
    """One line per run; reasons that an entity's line already has are left out."""
    lines = []
    for run in found.runs:
        when = spoken_lately(say, run.started_at)
        if run.status == "running":
            if found.is_pulling:
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
    late = [entity_name(say, r.entity) for r in rows if r.is_late]
    if late:
        minutes = int((LATE + rows[0].pause).total_seconds() // 60)
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


def _push_lines(edits: PushStatus, say: Translator, shown: set[str]) -> list[str]:
    """How the push stands; a reason that the pull's lines already have is left out."""
    lines = []
    if edits.failure is not None and edits.last_sync_at is not None and edits.failure not in shown:
        reason = edits.failure if edits.failure.endswith((".", "!", "?")) else f"{edits.failure}."
        lines.append(
            "✗ "
            + say(
                "The last push ({when}) failed: {reason} Nothing is lost: `gazelle-sync push` tries again, "
                "`gazelle-sync push --status` shows what waits.",
                when=spoken_lately(say, edits.last_sync_at),
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


def _alert_lines(
    settings: Settings, status: ledger.LedgerStatus, rows: list[EntityStatus], edits: PushStatus
) -> list[str]:
    """Open incidents that no other line shows, with their time, the next step and the run; undelivered messages."""
    say = translator(settings.language)
    is_shown = {
        "failed_run": True,
        "stale_data": True,
        "many_errors": any(row.errors for row in rows),
        "failed_push": edits.errors > 0 or edits.failure is not None,
    }
    lines = []
    for one in status.incidents:
        if is_shown.get(one.rule):
            continue
        since = spoken_lately(say, one.opened_at)
        said = say("{title}, since {when}", title=title_of(one, say), when=since)
        command = next_step(one)
        lines.append(f"{MARKS[one.severity]} {said}" + (f" → `{command}`" if command else ""))
        if one.run_id:
            lines.append(f"    {run_link(settings, one.run_id)}")
    if status.undelivered:
        text = Plural(
            "{count} alert could not be delivered so far ({reason}). Check GAZELLE_ALERT_URLS.",
            "{count} alerts could not be delivered so far ({reason}). Check GAZELLE_ALERT_URLS.",
        )
        lines.append("⚠ " + say(text, count=status.undelivered, reason=status.last_error or "…"))
    return lines


def _table(rows: list[EntityStatus], say: Translator) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    heads = ("", "", say("last sync"), say("age"), say("rows"), say("waiting"), say("errors"))
    for n, head in enumerate(heads):
        table.add_column(head, justify="left" if n < 2 else "right")
    for row in rows:
        last = spoken_lately(say, row.last_sync_at) if row.last_sync_at else say("never")
        age = "—" if row.age_s is None else _duration(row.age_s, say)
        counts = (say.number(count) for count in (row.rows, row.backlog, row.errors))
        table.add_row(f"[{row.light}]{SHAPES[row.light]}[/]", entity_name(say, row.entity), last, age, *counts)
    # Colours are always written: click removes them where the output is no terminal.
    console = Console(width=100, force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    title = say("Gazelle → PostgreSQL, {now} in Montreal", now=spoken_instant(say, datetime.now(UTC)))
    return "\n".join([title, "", *(line.rstrip() for line in capture.get().splitlines()), ""])


def _duration(seconds: float, say: Translator) -> str:
    """Seconds in the largest unit that a person would say."""
    if seconds < 90:
        return say("{n} s", n=int(max(0.0, seconds)))
    if seconds < 5400:
        return say("{n} min", n=int(seconds // 60))
    if seconds < 172_800:
        return say("{n} h", n=int(seconds // 3600))
    return say("{n} days", n=int(seconds // 86_400))

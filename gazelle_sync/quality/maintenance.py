"""Whether maintenance alerts say what the notes say: open ones are still in their notes, and the notes are read."""

from __future__ import annotations

from typing import Any

from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.montreal import spoken_day, spoken_instant
from gazelle_sync.quality.context import Check, CheckContext, Lookup, lookup
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.shop.maintenance.scan import findings_of_note, thresholds_of

SAID = Message("Every open alert's note still says so ({count} looked at).")
NOT_SAID = Plural(
    "{count} open alert has a note that says it no more, or that is gone.",
    "{count} open alerts have notes that say it no more, or that are gone.",
)
READ = Message(
    "What was written is read: {notes} notes and readings in the last 14 days, the last scan on {last} (Montreal)."
)
NEVER = Message("Nothing was written that would have to be read.")
UNREAD = Plural(
    "Notes came on {count} day, and no scan has read them ({days}).",
    "Notes came on {count} days, and no scan has read them ({days}).",
)
SCAN = Message("Is `gazelle-sync up` running? `gazelle-sync alerts scan` reads them now.")
SCAN_ALL = Message("`gazelle-sync alerts scan --all` reads all notes again.")


def evaluate_sources(context: CheckContext, check: str) -> Finding:
    """Every open alert's source still says so; alerts that people wrote, imported or opened themselves are exempt."""
    thresholds = thresholds_of(context.settings)
    rows = context.rows(*_sources(context)[:2])
    gone = [
        f"{alert_id}: {kind}, {source}"
        for alert_id, kind, source, text, humidity, asks_for_low in rows
        if not any(
            (one.kind, one.effect, one.status) == (kind, "opens", "open")
            for one in findings_of_note(text, humidity, thresholds, asks_for_low=bool(asks_for_low))
        )
    ]
    numbers = {"checked": len(rows), "no longer said": len(gone)}
    if not gone:
        return Finding(check, True, context.say(SAID, count=len(rows)), numbers=numbers)
    summary, advice = context.say(NOT_SAID, count=len(gone)), context.say(SCAN_ALL)
    return Finding(check, False, summary, "warning", advice, examples=first_few(gone), numbers=numbers)


def evaluate_read(context: CheckContext, check: str) -> Finding:
    """No day on which notes came and none was read."""
    [(days, notes, last)] = context.rows("quality/maintenance_unread")
    numbers = {"checked": notes, "days": len(days)}
    if not days:
        at = None if last is None else spoken_instant(translator(context.language), last)
        said = context.say(NEVER) if at is None else context.say(READ, notes=notes, last=at)
        return Finding(check, True, said, numbers=numbers)
    summary = context.say(
        UNREAD, count=len(days), days=", ".join(spoken_day(translator(context.language), day) for day in days[:3])
    )
    return Finding(check, False, summary, "warning", context.say(SCAN), numbers=numbers)


def _sources(context: CheckContext) -> Lookup:
    low: dict[str, Any] = {"low": list(context.settings.maintenance_low_humidity_clients)}
    return lookup("quality/maintenance_sources", low)


CHECKS = (
    Check(
        "maintenance_sources",
        Message("Every open maintenance alert's note still says so."),
        evaluate_sources,
        lookups=lambda context: [_sources(context)],
    ),
    Check(
        "maintenance_read",
        Message("What was written at pianos is read for maintenance alerts."),
        evaluate_read,
        lookups=lambda _: [lookup("quality/maintenance_unread")],
    ),
)

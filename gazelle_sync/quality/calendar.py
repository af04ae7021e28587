"""What a person should look at in the calendar: warnings, since the tables are right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.quality.context import Check, CheckContext, lookup, warning
from gazelle_sync.quality.finding import Finding, first_few

AHEAD = timedelta(days=30)

ALL_ASSIGNED = Plural(
    "The {count} visit of tomorrow has a technician.", "The {count} visits of tomorrow have technicians."
)
UNASSIGNED = Plural("{count} visit of tomorrow has no technician.", "{count} visits of tomorrow have no technician.")
ASSIGN = Message("Assign somebody at Gazelle.")
NOT_AT_ONCE = Message("Nobody has two visits at once within 30 days.")
AT_ONCE = Plural(
    "{count} pair of visits of one technician overlaps within 30 days.",
    "{count} pairs of visits of one technician overlap within 30 days.",
)
MOVE_ONE = Message("`gazelle-sync calendar conflicts` lists them: move one of each pair.")
ALL_SENT = Plural(
    "The {count} notice of the last three days is settled.", "The {count} notices of three days are settled."
)
UNSENT = Plural(
    "{count} notice to a technician is due and not sent.", "{count} notices to technicians are due and not sent."
)
UNSURE = Plural(
    "{count} notice to a technician may not have arrived.", "{count} notices to technicians may not have arrived."
)
TELL_THEM = Message("`gazelle-sync calendar notices` says which, and why: tell these technicians yourself.")


def evaluate_technicians(context: CheckContext, check: str) -> Finding:
    """Each visit of tomorrow has somebody who makes it."""
    [(visits, unassigned)] = context.rows("quality/calendar_tomorrow")
    numbers = {"checked": visits, "without technician": len(unassigned)}
    if not unassigned:
        return Finding(check, True, context.say(ALL_ASSIGNED, count=visits), numbers=numbers)
    summary = context.say(UNASSIGNED, count=len(unassigned))
    return warning(check, summary, advice=context.say(ASSIGN), examples=first_few(unassigned), numbers=numbers)


def evaluate_overlaps(context: CheckContext, check: str) -> Finding:
    """Nobody is in two places at once, as far as Gazelle knows."""
    rows = context.rows("calendar/conflicts", _bounds())
    numbers = {"checked": len(rows)}
    if not rows:
        return Finding(check, True, context.say(NOT_AT_ONCE), numbers=numbers)
    examples = first_few(f"{technician}: {first}, {second}" for technician, first, second, *_ in rows)
    summary = context.say(AT_ONCE, count=len(rows))
    return warning(check, summary, advice=context.say(MOVE_ONE), examples=examples, numbers=numbers)


def evaluate_notices(context: CheckContext, check: str) -> Finding:
    """What was due was sent, and arrived."""
    [(notices, unsent, failed)] = context.rows("quality/calendar_notices")
    numbers = {"checked": notices, "not sent": len(unsent), "may not have arrived": len(failed)}
    if not unsent and not failed:
        return Finding(check, True, context.say(ALL_SENT, count=notices), numbers=numbers)
    said = [context.say(text, count=len(found)) for text, found in ((UNSENT, unsent), (UNSURE, failed)) if found]
    examples = first_few([*unsent, *failed])
    return warning(check, " ".join(said), advice=context.say(TELL_THEM), examples=examples, numbers=numbers)


def _bounds() -> Mapping[str, datetime]:
    """To the minute, so that what is looked up first and what is asked for are the same statement."""
    now = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None)
    return {"since": now, "until": now + AHEAD}


CHECKS = (
    Check(
        "calendar_technicians",
        Message("Each visit of tomorrow has a technician."),
        evaluate_technicians,
        lookups=lambda _: [lookup("quality/calendar_tomorrow")],
    ),
    Check(
        "calendar_overlaps",
        Message("No technician has two visits at once."),
        evaluate_overlaps,
        lookups=lambda _: [lookup("calendar/conflicts", _bounds())],
    ),
    Check(
        "calendar_notices",
        Message("Technicians were told what was due."),
        evaluate_notices,
        lookups=lambda _: [lookup("quality/calendar_notices")],
    ),
)

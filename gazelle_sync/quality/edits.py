"""Whether what is edited here reaches Gazelle: what did not go, what waits, what is held, what may not have arrived."""

from __future__ import annotations

from functools import partial

from gazelle_sync.entities import LATE, LOST
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.push.pushable import TRUE_WORDS, Pushable
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.quality.context import Check, CheckContext, Lookup, lookup
from gazelle_sync.quality.finding import Finding, Severity, first_few
from gazelle_sync.warehouse.pool import Rows

LATE_MINUTES, LOST_MINUTES = LATE.total_seconds() / 60, LOST.total_seconds() / 60
MANY = 10
"""More rows in error than this are an incident: the shop asked for it (2025-12-29)."""

ALL_WENT = Message("No row of {table} is in error.")
DID_NOT_GO = Plural("{count} row of {table} did not go to Gazelle.", "{count} rows of {table} did not go to Gazelle.")
SAY_WHY = Message("`gazelle-sync push --status` says which and why. They are tried again at ever longer intervals.")
NOTHING_WAITS = Message("No row of {table} waits for longer than {minutes} min.")
WAITS = Message("The oldest edit of {table} waits for {minutes} min.")
PUSH_IT = Message("Is `gazelle-sync up` running? `gazelle-sync push` sends it now.")
NO_DOUBT = Message("Of everything that was sent it is known whether it arrived, or it may still arrive.")
DOUBTS = Plural(
    "{count} action was sent, and nobody has found out whether it arrived.",
    "{count} actions were sent, and nobody has found out whether they arrived.",
)
ASK_AGAIN = Message("The next push looks for it at Gazelle: `gazelle-sync push`.")
NOT_HELD = Message("No draft of an invoice is held.")
HELD = Plural(
    "{count} draft is held: Gazelle computes other sums than the check.",
    "{count} drafts are held: Gazelle computes other sums than the check.",
)
LOOK_AT = Message("`gazelle-sync invoices show` says both sums. Correct the draft, and send it again.")


def evaluate_errors(pushable: Pushable, context: CheckContext, check: str) -> Finding:
    """No row is in error; more than ten fail."""
    [(dirty, failed, _)] = _rows(pushable, context)
    numbers = {"checked": dirty, "rows in error": len(failed)}
    if not failed:
        return Finding(check, True, context.say(ALL_WENT, table=pushable.table), numbers=numbers)
    return Finding(
        check,
        passed=False,
        severity="error" if len(failed) > MANY else "warning",
        summary=context.say(DID_NOT_GO, count=len(failed), table=pushable.table),
        advice=context.say(SAY_WHY),
        examples=first_few(failed),
        numbers=numbers,
    )


def evaluate_waiting(pushable: Pushable, context: CheckContext, check: str) -> Finding:
    """No edit waits for long."""
    [(dirty, _, oldest)] = _rows(pushable, context)
    numbers = {"checked": dirty, "oldest waiting (min)": round(oldest, 1)}
    if oldest <= LATE_MINUTES:
        summary = context.say(NOTHING_WAITS, table=pushable.table, minutes=round(LATE_MINUTES))
        return Finding(check, True, summary, numbers=numbers)
    summary = context.say(WAITS, table=pushable.table, minutes=round(oldest))
    advice = context.say(PUSH_IT)
    return Finding(check, False, summary, severity=_severity(oldest), advice=advice, numbers=numbers)


def evaluate_doubts(context: CheckContext, check: str) -> Finding:
    """Nothing stays in doubt once it could have been found out."""
    late = [(record, action, age) for record, action, age in context.rows("quality/push_doubts") if age > LATE_MINUTES]
    oldest = max((float(age) for *_, age in late), default=0.0)
    numbers = {"checked": 1, "in doubt": len(late), "oldest (min)": round(oldest, 1)}
    if not late:
        return Finding(check, True, context.say(NO_DOUBT), numbers=numbers)
    return Finding(
        check,
        passed=False,
        severity=_severity(oldest),
        summary=context.say(DOUBTS, count=len(late)),
        advice=context.say(ASK_AGAIN),
        examples=first_few(f"{record}: {action}" for record, action, _ in late),
        numbers=numbers,
    )


def evaluate_held(context: CheckContext, check: str) -> Finding:
    """No draft is held."""
    rows = context.rows("quality/invoices_held")
    numbers = {"checked": 1, "held": len(rows)}
    if not rows:
        return Finding(check, True, context.say(NOT_HELD), numbers=numbers)
    summary, advice = context.say(HELD, count=len(rows)), context.say(LOOK_AT)
    examples = first_few(f"{draft}: {ours} / {theirs}" for draft, ours, theirs in rows)
    return Finding(check, False, summary, "warning", advice, examples=examples, numbers=numbers)


def _severity(minutes: float) -> Severity:
    return "error" if minutes > LOST_MINUTES else "warning"


def _rows(pushable: Pushable, context: CheckContext) -> Rows:
    name, parameters, names = _lookup(pushable)
    return context.rows(name, parameters, **names)


def _lookup(pushable: Pushable) -> Lookup:
    given = {
        "table": pushable.table, "key": pushable.key, "record": pushable.record_key, "hidden": pushable.hidden,
        "true": TRUE_WORDS, "creates": pushable.creates,
    }  # fmt: skip
    return lookup("quality/edits", given, table=pushable.table)


def checks_of(pushable: Pushable) -> tuple[Check, ...]:
    """The checks of one table of edits."""
    name = pushable.called or pushable.entity.name
    return (
        Check(
            f"push_{name}_errors",
            Message("Every edit went to Gazelle, or waits for its first try."),
            partial(evaluate_errors, pushable),
            blocking=True,
            lookups=lambda _: [_lookup(pushable)],
        ),
        Check(
            f"push_{name}_waiting",
            Message("No edit waits for long."),
            partial(evaluate_waiting, pushable),
            lookups=lambda _: [_lookup(pushable)],
        ),
    )


EDITS = {pushable.table: checks_of(pushable) for pushable in PUSHABLES}
CHECKS = (
    Check(
        "push_doubts",
        Message("Of everything that was sent it is known whether it arrived."),
        evaluate_doubts,
        lookups=lambda _: [lookup("quality/push_doubts")],
    ),
)
INVOICE_DRAFTS = (
    Check(
        "push_invoices_held",
        Message("No draft of an invoice is held because Gazelle computes other sums."),
        evaluate_held,
        lookups=lambda _: [lookup("quality/invoices_held", None)],
    ),
)

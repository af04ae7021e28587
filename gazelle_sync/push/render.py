"""A push as a person reads it: what would be sent, what was, what waits, what lost. French or English."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.montreal import spoken_instant, spoken_lately
from gazelle_sync.push.conflicts import Conflict
from gazelle_sync.push.model import Action, JsonValue, Outcome, Plan, Row
from gazelle_sync.push.pushables import action_name
from gazelle_sync.push.session import PushReport
from gazelle_sync.push.status import Standing, Waiting
from gazelle_sync.warehouse.names import with_name

LONGEST = 200
NOTHING = Message("Nothing to send.")
SIDES = {"ours": Message("ours"), "theirs": Message("Gazelle's")}
STANDING = {
    "missing": Message("{record}: no row speaks of it, so there is nothing to send. Check the id."),
    "hidden": Message("{record}: its row is hidden and stays here until it is shown again."),
    "sent": Message("{record}: Gazelle has all that its row says, since {when}."),
}

Names = Callable[[Iterable[str]], dict[str, str]]
"""External ids → what people call the records."""


def render_preview(
    language: str, found: Iterable[tuple[Row, Plan | None, str]], names: Names = lambda _: {}
) -> tuple[str, bool]:
    """The diff of a dry run, and whether every row could go."""
    say, found = translator(language), list(found)
    called = names(row.key for row, _, _ in found)
    lines: list[str] = []
    count = actions = 0
    all_well = True
    for row, plan, reason in found:
        problems = plan.problems if plan else {"*": reason}
        all_well = all_well and not problems
        if plan is not None and plan.is_quiet:
            continue
        count += 1
        actions += len(plan.actions) if plan else 0
        lines += [
            with_name(row.name, called),
            *_changes(say, plan.actions if plan else (), plan.follows if plan else {}),
        ]
        lines += _problems(problems)
    if not lines:
        return say(NOTHING), all_well
    rows = say(Plural("{count} row", "{count} rows"), count=count)
    what = say(Plural("{count} action", "{count} actions"), count=actions)
    return "\n".join([*lines, say("{rows}, {actions}. Nothing was sent.", rows=rows, actions=what)]), all_well


def render_report(language: str, report: PushReport, names: Names = lambda _: {}) -> str:
    """What a push did."""
    say, called = translator(language), names(outcome.key for outcome in report.outcomes)
    lines = [line for outcome in report.outcomes for line in _outcome(say, outcome, called)]
    if report.stopped is not None:
        stopped = Plural(
            "The push stopped: {reason} {count} row waits for the next one.",
            "The push stopped: {reason} {count} rows wait for the next one.",
        )
        lines.append("✗ " + say(stopped, reason=report.stopped, count=report.left))
    if not lines:
        return say(NOTHING)
    done = Plural(
        "{count} sent, {failed} failed, {seconds} s, {requests}.",
        "{count} sent, {failed} failed, {seconds} s, {requests}.",
    )
    requests = say(Plural("{count} request", "{count} requests"), count=report.requests)
    seconds = say.decimal(report.seconds)
    return "\n".join([*lines, say(done, count=report.sent, failed=report.failed, seconds=seconds, requests=requests)])


def render_waiting(
    language: str, found: Sequence[Waiting], failure: str | None = None, names: Names = lambda _: {}
) -> str:
    """What has not gone, and why; and why the last push failed, if it did."""
    say, called = translator(language), names(row.key for row in found)
    lines = ["✗ " + say("The last push failed: {reason}", reason=failure)] if failure is not None else []
    if not found:
        return "\n".join([*lines, say("Gazelle has everything.")])
    for row in found:
        lines.append(f"{with_name(row.key, called)}  {_state(say, row)}")
        lines += [f"  ✗ {row.error}"] if row.error else []
    waits = Plural(
        "{count} row waits; {errors} because of an error.",
        "{count} rows wait; {errors} because of an error.",
    )
    errors = sum(row.error is not None for row in found)
    return "\n".join([*lines, say(waits, count=len(found), errors=errors)])


def render_standing(language: str, found: Iterable[Standing], names: Names = lambda _: {}) -> list[str]:
    """Why there is nothing to send of records that somebody asked for."""
    say, asked = translator(language), [one for one in found if one.state != "due"]
    called = names(one.key for one in asked)
    lines = []
    for one in asked:
        when = spoken_instant(say, one.since) if one.since else "…"
        lines.append(say(STANDING[one.state], record=with_name(one.key, called), when=when))
    return lines


def render_conflicts(language: str, found: Sequence[Conflict], names: Names = lambda _: {}) -> str:
    """What lost."""
    say, called = translator(language), names(one.external_id for one in found)
    lines = []
    for one in found:
        values = {name: _short(say, getattr(one, name)) for name in ("base", "ours", "theirs")}
        told = Message(
            "#{id} {record} {field}: ours {ours}, Gazelle's {theirs}, before {base}; the later edit won ({winner})"
        )
        record, winner = with_name(one.external_id, called), say(SIDES[one.winner])
        lines.append(say(told, id=one.id, record=record, field=one.field, winner=winner, **values))
    return "\n".join(lines) or say("No conflict is open.")


def render_resolved(language: str, conflict: Conflict, take: str, *, edited: bool, names: Names = lambda _: {}) -> str:
    """What came of it that a person took a side."""
    say = translator(language)
    then = say("The next push sends it.") if edited else say("It had won already: nothing changes.")
    told = Message("{record} {field}: {side} counts. {then}")
    record = with_name(conflict.external_id, names([conflict.external_id]))
    return say(told, record=record, field=conflict.field, side=say(SIDES[take]), then=then)


def _outcome(say: Translator, outcome: Outcome, called: dict[str, str]) -> list[str]:
    lines = [*_changes(say, outcome.sent, outcome.followed), *(f"  ⚠ {reason}" for reason in outcome.left.values())]
    lines += _problems(outcome.failed)
    return [with_name(outcome.key, called), *lines] if lines else []


def _changes(say: Translator, actions: Sequence[Action], follows: Mapping[str, JsonValue]) -> Iterator[str]:
    """What goes to Gazelle, and what comes from there."""
    for action in actions:
        yield from _diff(say, action)
    for column, value in follows.items():
        yield "  < " + say("{column}: takes over what Gazelle says: {value}", column=column, value=_short(say, value))


def _problems(problems: Mapping[str, str]) -> list[str]:
    """Why something does not go; a reason that holds for several columns is said once."""
    return [f"  ✗ {problem}" for problem in dict.fromkeys(problems.values())]


def _diff(say: Translator, action: Action) -> list[str]:
    """What an action changes, of long texts the lines that differ; and what is to be known about it."""
    remark = [f"    ⚠ {action.remark}"] if action.remark else []
    name = action_name(say.language, action.name)
    before, after = (text.splitlines() for text in action.shown)
    if len(before) < 2 and len(after) < 2:
        old = f"- {_short(say, action.shown[0])} " if action.shown[0] else ""
        return [f"  {name}: {old}+ {_short(say, action.shown[1])}", *remark]
    changed = [line for line in difflib.ndiff(before, after) if line[:1] in "+-"]
    return [f"  {name}:", *(f"    {_short(say, line)}" for line in changed), *remark]


def _state(say: Translator, row: Waiting) -> str:
    if row.is_hidden:
        return say("hidden: stays here")
    if row.is_in_doubt:
        return say("in doubt: will be looked for at Gazelle before anything is sent again")
    if row.next_attempt_at is None or row.next_attempt_at <= datetime.now(row.next_attempt_at.tzinfo):
        return say("due")
    when = spoken_lately(say, row.next_attempt_at)
    return say("next try {when}, after {attempts}", when=when, attempts=row.attempts)


def _short(say: Translator, value: JsonValue) -> str:
    text = " ".join(str(value).split()) if value else say("(empty)")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

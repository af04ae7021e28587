"""A push as a person reads it: what would be sent, what was, what waits, what lost. French or English."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.conflicts import Conflict
from gazelle_sync.push.model import Action, JsonValue, Outcome, Plan, Row
from gazelle_sync.push.names import named
from gazelle_sync.push.pushables import action_name
from gazelle_sync.push.session import PushReport
from gazelle_sync.push.status import Standing, Waiting

LONGEST = 200
TEXTS: dict[str, Message | Plural] = {
    "nothing": Message("Nothing to send."),
    "would": Message("{rows}, {actions}. Nothing was sent."),
    "done": Plural(
        "{count} sent, {failed} failed, {seconds} s, {requests}.",
        "{count} sent, {failed} failed, {seconds} s, {requests}.",
    ),
    "stopped": Plural(
        "The push stopped: {reason} {count} row waits for the next one.",
        "The push stopped: {reason} {count} rows wait for the next one.",
    ),
    "follows": Message("{column}: takes over what Gazelle says: {value}"),
    "empty": Message("(empty)"),
    "all_there": Message("Gazelle has everything."),
    "waits": Plural(
        "{count} row waits; {errors} because of an error.",
        "{count} rows wait; {errors} because of an error.",
    ),
    "last_failed": Message("The last push failed: {reason}"),
    "stays": Message("hidden: stays here"),
    "missing": Message("{record}: no row speaks of it, so there is nothing to send. Check the id."),
    "hidden": Message("{record}: its row is hidden and stays here until it is shown again."),
    "sent": Message("{record}: Gazelle has all that its row says, since {when}."),
    "doubt": Message("in doubt: will be looked for at Gazelle before anything is sent again"),
    "due": Message("due"),
    "next": Message("next try {when}, after {attempts}"),
    "no_conflict": Message("No conflict is open."),
    "conflict": Message(
        "#{id} {record} {field}: ours {ours}, Gazelle's {theirs}, before {base}; the later edit won ({winner})"
    ),
    "resolved": Message("{record} {field}: {side} counts. {then}"),
    "edited": Message("The next push sends it."),
    "stands": Message("It had won already: nothing changes."),
    "ours": Message("ours"),
    "theirs": Message("Gazelle's"),
}


Names = Callable[[Iterable[str]], dict[str, str]]
"""External ids → what people call the records."""


def render_preview(
    language: str, found: Iterable[tuple[Row, Plan | None, str]], names: Names = lambda _: {}
) -> tuple[str, bool]:
    """The diff of a dry run, and whether every row could go."""
    found = list(found)
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
        lines.append(named(row.name, called))
        for action in plan.actions if plan else ():
            actions += 1
            lines += _diff(language, action)
        for column, value in (plan.follows if plan else {}).items():
            lines.append("  < " + _say(language, "follows", column=column, value=_short(language, value)))
        lines += [f"  ✗ {problem}" for problem in dict.fromkeys(problems.values())]
    if not lines:
        return _say(language, "nothing"), all_well
    rows = translator(language)(Plural("{count} row", "{count} rows"), count=count)
    what = translator(language)(Plural("{count} action", "{count} actions"), count=actions)
    return "\n".join([*lines, _say(language, "would", rows=rows, actions=what)]), all_well


def render_report(language: str, report: PushReport, names: Names = lambda _: {}) -> str:
    """What a push did."""
    lines: list[str] = []
    called = names(outcome.key for outcome in report.outcomes)
    for outcome in report.outcomes:
        lines += _outcome(language, outcome, called)
    if report.stopped is not None:
        lines.append("✗ " + _say(language, "stopped", reason=report.stopped, count=report.left))
    if not lines:
        return _say(language, "nothing")
    done = _say(
        language,
        "done",
        count=report.sent,
        failed=report.failed,
        seconds=translator(language).decimal(report.seconds),
        requests=translator(language)(Plural("{count} request", "{count} requests"), count=report.requests),
    )
    return "\n".join([*lines, done])


def render_waiting(
    language: str, found: Sequence[Waiting], failure: str | None = None, names: Names = lambda _: {}
) -> str:
    """What has not gone, and why; and why the last push failed, if it did."""
    called = names(row.key for row in found)
    lines = [f"✗ {_say(language, 'last_failed', reason=failure)}"] if failure is not None else []
    if not found:
        return "\n".join([*lines, _say(language, "all_there")])
    for row in found:
        lines.append(f"{named(row.key, called)}  {_state(language, row)}")
        if row.error:
            lines.append(f"  ✗ {row.error}")
    errors = sum(row.error is not None for row in found)
    return "\n".join([*lines, _say(language, "waits", count=len(found), errors=errors)])


def render_standing(language: str, found: Iterable[Standing]) -> list[str]:
    """Why there is nothing to send of records that somebody asked for."""
    return [
        _say(
            language,
            one.state,
            record=one.key,
            when=f"{one.since.astimezone(MONTREAL):%Y-%m-%d %H:%M}" if one.since else "…",
        )
        for one in found
        if one.state != "due"
    ]


def render_conflicts(language: str, found: Sequence[Conflict], names: Names = lambda _: {}) -> str:
    """What lost."""
    called = names(one.external_id for one in found)
    if not found:
        return _say(language, "no_conflict")
    return "\n".join(
        _say(
            language,
            "conflict",
            id=one.id,
            record=named(one.external_id, called),
            field=one.field,
            winner=_say(language, one.winner),
            **{name: _short(language, getattr(one, name)) for name in ("base", "ours", "theirs")},
        )
        for one in found
    )


def render_resolved(language: str, conflict: Conflict, take: str, *, edited: bool) -> str:
    """What came of it that a person took a side."""
    then = _say(language, "edited" if edited else "stands")
    names = {"record": conflict.external_id, "field": conflict.field, "side": _say(language, take)}
    return _say(language, "resolved", **names, then=then)


def _outcome(language: str, outcome: Outcome, called: dict[str, str]) -> list[str]:
    if not (outcome.sent or outcome.failed or outcome.followed or outcome.left):
        return []
    lines = [named(outcome.key, called)]
    for action in outcome.sent:
        lines += _diff(language, action)
    for column, value in outcome.followed.items():
        lines.append("  < " + _say(language, "follows", column=column, value=_short(language, value)))
    lines += [f"  ⚠ {reason}" for reason in outcome.left.values()]
    return [*lines, *(f"  ✗ {reason}" for reason in dict.fromkeys(outcome.failed.values()))]


def _diff(language: str, action: Action) -> list[str]:
    """What an action changes, of long texts the lines that differ; and what is to be known about it."""
    remark = [f"    ⚠ {action.remark}"] if action.remark else []
    name = action_name(language, action.name)
    before, after = (text.splitlines() for text in action.shown)
    if len(before) < 2 and len(after) < 2:
        old = f"- {_short(language, action.shown[0])} " if action.shown[0] else ""
        return [f"  {name}: {old}+ {_short(language, action.shown[1])}", *remark]
    changed = [line for line in difflib.ndiff(before, after) if line[:1] in "+-"]
    return [f"  {name}:", *(f"    {_short(language, line)}" for line in changed), *remark]


def _state(language: str, row: Waiting) -> str:
    if row.is_hidden:
        return _say(language, "stays")
    if row.is_in_doubt:
        return _say(language, "doubt")
    if row.next_attempt_at is None or row.next_attempt_at <= datetime.now(row.next_attempt_at.tzinfo):
        return _say(language, "due")
    when = row.next_attempt_at.astimezone(MONTREAL)
    return _say(language, "next", when=f"{when:%H:%M}", attempts=row.attempts)


def _short(language: str, value: JsonValue) -> str:
    text = " ".join(str(value).split()) if value else _say(language, "empty")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _say(language: str, key: str, **values: object) -> str:
    return translator(language)(TEXTS[key], **values)

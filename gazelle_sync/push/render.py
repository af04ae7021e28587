"""A push as a person reads it: what would be sent, what was, what waits, what lost. French or English."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime

from gazelle_sync.i18n.plurals import counted
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.conflicts import Conflict
from gazelle_sync.push.messages import action_name
from gazelle_sync.push.model import Action, JsonValue, Plan, Row
from gazelle_sync.push.session import PushReport
from gazelle_sync.push.status import Standing, Waiting
from gazelle_sync.push.work import Outcome

LONGEST = 200
TEXTS = {
    "en": {
        "nothing": "Nothing to send.",
        "would": "{rows:# row|# rows}, {actions:# action|# actions}. Nothing was sent.",
        "done": "{sent} sent, {failed} failed, {seconds:.1f} s, {requests:# request|# requests}.",
        "stopped": "The push stopped: {reason} {left:# row waits|# rows wait} for the next one.",
        "follows": "{column}: takes over what Gazelle says: {value}",
        "empty": "(empty)",
        "all_there": "Gazelle has everything.",
        "waits": "{count:# row waits|# rows wait}; {errors} because of an error.",
        "last_failed": "The last push failed: {reason}",
        "stays": "hidden: stays here",
        "missing": "{record}: no row speaks of it, so there is nothing to send. Check the id.",
        "hidden": "{record}: its row is hidden and stays here until it is shown again.",
        "sent": "{record}: Gazelle has all that its row says, since {when}.",
        "doubt": "in doubt: will be looked for at Gazelle before anything is sent again",
        "due": "due",
        "next": "next try {when}, after {attempts}",
        "no_conflict": "No conflict is open.",
        "conflict": "#{id} {record} {field}: ours {ours}, Gazelle's {theirs}, before {base}; the later edit won "
        "({winner})",
        "resolved": "{record} {field}: {side} counts. {then}",
        "edited": "The next push sends it.",
        "stands": "It had won already: nothing changes.",
        "ours": "ours",
        "theirs": "Gazelle's",
    },
    "fr": {
        "nothing": "Rien à envoyer.",
        "would": "{rows:# ligne|# lignes}, {actions:# action|# actions}. Rien n'a été envoyé.",
        "done": "{sent:# envoyée|# envoyées}, {failed} en échec, {seconds:.1f} s, {requests:# requête|# requêtes}.",
        "stopped": "L'envoi s'est arrêté : {reason} {left:# ligne attend|# lignes attendent} le prochain.",
        "follows": "{column} : reprend ce que dit Gazelle : {value}",
        "empty": "(vide)",
        "all_there": "Gazelle a tout.",
        "waits": "{count:# ligne attend|# lignes attendent}, dont {errors} à cause d'une erreur.",
        "last_failed": "Le dernier envoi a échoué : {reason}",
        "stays": "masquée : reste ici",
        "missing": "{record} : aucune ligne n'en parle, donc rien à envoyer. Vérifier l'identifiant.",
        "hidden": "{record} : sa ligne est masquée et reste ici jusqu'à ce qu'on la montre de nouveau.",
        "sent": "{record} : Gazelle a tout ce que dit sa ligne, depuis le {when}.",
        "doubt": "dans le doute : on le cherchera chez Gazelle avant de renvoyer quoi que ce soit",
        "due": "à envoyer",
        "next": "prochain essai {when}, après {attempts}",
        "no_conflict": "Aucun conflit n'est ouvert.",
        "conflict": "nº {id} {record} {field} : ici {ours}, chez Gazelle {theirs}, avant {base} ; la dernière "
        "modification l'a emporté ({winner})",
        "resolved": "{record} {field} : {side} compte. {then}",
        "edited": "Le prochain envoi la fait partir.",
        "stands": "Elle l'avait déjà emporté : rien ne change.",
        "ours": "la nôtre",
        "theirs": "celle de Gazelle",
    },
}


def render_preview(language: str, found: Iterable[tuple[Row, Plan | None, str]]) -> tuple[str, bool]:
    """The diff of a dry run, and whether every row could go."""
    lines: list[str] = []
    count = actions = 0
    all_well = True
    for row, plan, reason in found:
        problems = plan.problems if plan else {"*": reason}
        all_well = all_well and not problems
        if plan is not None and plan.is_quiet:
            continue
        count += 1
        lines.append(row.key)
        for action in plan.actions if plan else ():
            actions += 1
            lines += _diff(language, action)
        for column, value in (plan.follows if plan else {}).items():
            lines.append("  < " + _say(language, "follows", column=column, value=_short(language, value)))
        lines += [f"  ✗ {problem}" for problem in problems.values()]
    if not lines:
        return _say(language, "nothing"), all_well
    return "\n".join([*lines, _say(language, "would", rows=count, actions=actions)]), all_well


def render_report(language: str, report: PushReport) -> str:
    """What a push did."""
    lines: list[str] = []
    for outcome in report.outcomes:
        lines += _outcome(language, outcome)
    if report.stopped is not None:
        lines.append("✗ " + _say(language, "stopped", reason=report.stopped, left=report.left))
    if not lines:
        return _say(language, "nothing")
    done = _say(
        language, "done", sent=report.sent, failed=report.failed, seconds=report.seconds, requests=report.requests
    )
    return "\n".join([*lines, done])


def render_waiting(language: str, found: Sequence[Waiting], failure: str | None = None) -> str:
    """What has not gone, and why; and why the last push failed, if it did."""
    lines = [f"✗ {_say(language, 'last_failed', reason=failure)}"] if failure is not None else []
    if not found:
        return "\n".join([*lines, _say(language, "all_there")])
    for row in found:
        lines.append(f"{row.key}  {_state(language, row)}")
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


def render_conflicts(language: str, found: Sequence[Conflict]) -> str:
    """What lost."""
    if not found:
        return _say(language, "no_conflict")
    return "\n".join(
        _say(
            language,
            "conflict",
            id=one.id,
            record=one.external_id,
            field=one.field,
            winner=_say(language, one.winner),
            **{name: _short(language, getattr(one, name)) for name in ("base", "ours", "theirs")},
        )
        for one in found
    )


def render_resolved(language: str, conflict: Conflict, take: str, *, edited: bool) -> str:
    """What a person's last word brought."""
    then = _say(language, "edited" if edited else "stands")
    names = {"record": conflict.external_id, "field": conflict.field, "side": _say(language, take)}
    return _say(language, "resolved", **names, then=then)


def _outcome(language: str, outcome: Outcome) -> list[str]:
    if not (outcome.sent or outcome.failed or outcome.followed or outcome.left):
        return []
    lines = [outcome.key]
    for action in outcome.sent:
        lines += _diff(language, action)
    for column, value in outcome.followed.items():
        lines.append("  < " + _say(language, "follows", column=column, value=_short(language, value)))
    lines += [f"  ⚠ {reason}" for reason in outcome.left.values()]
    return [*lines, *(f"  ✗ {reason}" for reason in outcome.failed.values())]


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
    return counted(language, TEXTS[language][key], **values)

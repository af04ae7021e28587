"""A verification as text for a person, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from gazelle_sync.entities import ENTITIES, entity_name
from gazelle_sync.i18n.translator import Plural, Translator, translator
from gazelle_sync.montreal import spoken_day
from gazelle_sync.quality.verify.difference import Difference, written
from gazelle_sync.quality.verify.session import Verdict
from gazelle_sync.warehouse.names import with_name

SHOWN = 20
"""Records of a kind that are written out; the others are counted. `--json` has them all."""
DAYS_SHOWN = 10
LONGEST = 60


def ids_in(verdict: Verdict) -> list[str]:
    """The ids that a verdict shows, for their names."""
    return [one.external_id for found in verdict.findings for one in found.differences]


def as_json(verdict: Verdict, names: dict[str, str]) -> dict[str, Any]:
    """For machines."""
    return {
        "equal": verdict.holds,
        "deep": verdict.deep,
        "at": verdict.at.isoformat(timespec="seconds"),
        "requests": verdict.requests,
        "seconds": round(verdict.seconds, 1),
        "entities": {
            found.entity: {
                "records": found.listed, "bodies": found.bodies, "days": found.days, "equal": found.holds,
                "more": found.beyond, "unproven": found.unproven,
            }
            for found in verdict.findings
        },
        "days": [{"day": one.day.isoformat(), "here": one.here, "at_gazelle": one.there} for one in verdict.days],
        "differs": [one.as_json(names) for found in verdict.findings for one in found.wrong],
        "newer": [one.as_json(names) for found in verdict.findings for one in found.news],
    }  # fmt: skip


def render(verdict: Verdict, names: dict[str, str], language: str) -> str:
    """The text to print."""
    say = translator(language)
    lines = [_counted(verdict, say)]
    for found in verdict.findings:
        name = entity_name(say, found.entity)
        if found.wrong or found.beyond or found.unproven:
            lines += ["", f"✗ {name}", *_records(found.wrong, names, say)]
        if found.beyond:
            text = Plural("… and {count} more record that may differ.", "… and {count} more records that may differ.")
            lines.append("  " + say(text, count=found.beyond))
        lines += [f"  ⚠ {reason}" for reason in found.unproven]
        if found.news:
            text = Plural(
                "{name}: {count} record is newer at Gazelle than our last pull. The next run reads it.",
                "{name}: {count} records are newer at Gazelle than our last pull. The next run reads them.",
            )
            lines += ["", "● " + say(text, name=name, count=len(_by_record(found.news)))]
            lines += _records(found.news, names, say)
    lines += _days(verdict, say)
    lines += ["", *_ending(verdict, say)]
    return "\n".join(lines)


def _counted(verdict: Verdict, say: Translator) -> str:
    parts = [
        say(
            "{name} {records} ({bodies} field by field)",
            name=entity_name(say, found.entity), records=say.number(found.listed), bodies=say.number(found.bodies),
        )
        for found in verdict.findings
    ]  # fmt: skip
    days = sum(found.days for found in verdict.findings)
    if days:
        parts.append(say(Plural("{count} day of the timeline", "{count} days of the timeline"), count=days))
    return say(
        "Compared with Gazelle in {seconds} s, {requests} requests: {what}.",
        seconds=say.decimal(verdict.seconds), requests=say.number(verdict.requests), what=", ".join(parts),
    )  # fmt: skip


def _by_record(differences: Iterable[Difference]) -> list[list[Difference]]:
    def key(one: Difference) -> tuple[str, str]:
        return one.table, one.external_id

    return [list(fields) for _, fields in groupby(sorted(differences, key=key), key=key)]


def _records(differences: Sequence[Difference], names: dict[str, str], say: Translator) -> list[str]:
    lines = []
    records = _by_record(differences)
    for fields in records[:SHOWN]:
        first = fields[0]
        lines.append(f"  {first.table} {with_name(first.external_id, {first.external_id: first.name or ''} | names)}")
        for one in fields:
            if one.field is None:
                lines.append(f"      {say(one.why.value)}")
            else:
                here, there = _short(one.here), _short(one.there)
                lines.append(
                    "      " + say("{field}: here {here}, at Gazelle {there}", field=one.field, here=here, there=there)
                )
    if len(records) > SHOWN:
        lines.append("  " + say("… and {count} more", count=len(records) - SHOWN))
    return lines


def _short(value: Any) -> str:
    said = written(value)
    if said is None:
        return "—"
    text = " ".join(str(said).split())
    return f"«{text[:LONGEST]}…»" if len(text) > LONGEST else f"«{text}»"


def _days(verdict: Verdict, say: Translator) -> list[str]:
    if not verdict.days:
        return []
    lines = ["", say("Days on which the timeline has another number of entries here than at Gazelle:")]
    lines += [
        "  "
        + say("{day}: {here} here, {there} at Gazelle", day=spoken_day(say, one.day), here=one.here, there=one.there)
        for one in verdict.days[:DAYS_SHOWN]
    ]
    if len(verdict.days) > DAYS_SHOWN:
        lines.append("  " + say("… and {count} more", count=len(verdict.days) - DAYS_SHOWN))
    return lines


def _ending(verdict: Verdict, say: Translator) -> list[str]:
    if verdict.holds:
        said = say("Production equals the account.")
        news = any(found.news for found in verdict.findings)
        return ["✓ " + (say("Production equals the account, but for what is newer there.") if news else said)]
    wrong = [(found, one) for found in verdict.findings for one in found.wrong]
    rows = len({(one.table, one.external_id) for _, one in wrong}) + sum(found.beyond for found in verdict.findings)
    lines = (
        ["✗ " + say(Plural("{count} row is wrong here.", "{count} rows are wrong here."), count=rows)] if rows else []
    )
    if any(found.unproven for found in verdict.findings):
        lines.append("✗ " + say("Something could not be compared: run it again when Gazelle stands still and answers."))
    again = sorted({found.entity for found, one in wrong if one.why.needs_reading}, key=_order)
    rebuilt = sorted({found.entity for found, one in wrong if not one.why.needs_reading} - {*again}, key=_order)
    if rebuilt:
        lines.append("→ " + say("`gazelle-sync replay --only {names}` corrects them.", names=",".join(rebuilt)))
    if again:
        lines.append("→ " + say("`gazelle-sync sync --full --only {names}` reads them again.", names=",".join(again)))
    if wrong:
        lines.append("→ " + say("Then find out who writes these tables: only `tags` may be written."))
    return lines


def _order(name: str) -> int:
    return [entity.name for entity in ENTITIES].index(name)

"""The alerts as text for a terminal, in French or English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.shop.maintenance.alerts import KIND_NAMES, LISTS, STATUS_NAMES
from gazelle_sync.shop.maintenance.reading import Finding
from gazelle_sync.shop.maintenance.scan import ScanReport

TITLES = {
    "open": Plural("{count} open", "{count} open"),
    "suggested": Plural("{count} to be confirmed", "{count} to be confirmed"),
    "resolved": Plural("{count} resolved", "{count} resolved"),
    "archived": Plural("{count} archived", "{count} archived"),
}
EFFECTS = {
    ("opens", "open"): Message("opens an alert"),
    ("opens", "suggested"): Message("may open an alert: to be confirmed"),
    ("resolves", "open"): Message("resolves it"),
    ("resolves", "suggested"): Message("may resolve it: to be confirmed"),
    ("normal", "open"): Message("an ordinary reading"),
}


def describe_scan(language: str, report: ScanReport) -> str:
    """What a scan did, in a sentence."""
    say = translator(language)
    text = Plural(
        "{count} note or reading read: {opened} opened, {suggested} to be confirmed, {resolved} resolved, "
        "{withdrawn} withdrawn.",
        "{count} notes and readings read: {opened} opened, {suggested} to be confirmed, {resolved} resolved, "
        "{withdrawn} withdrawn.",
    )
    numbers = {name: say.number(getattr(report, name)) for name in ("opened", "suggested", "resolved", "withdrawn")}
    return say(text, count=report.notes, **numbers)


def render_lists(language: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The lists, one line an alert."""
    say = translator(language)
    return "\n".join(line for name in LISTS for line in _list(say, name, found[name])).rstrip()


def _list(say: Translator, name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield say(TITLES[name], count=len(rows))
    for row in rows:
        yield f"  {_line(say, row)}"
    yield ""


def _line(say: Translator, row: Mapping[str, Any]) -> str:
    where = ", ".join(str(row[key]) for key in ("client", "piano", "room") if row[key])
    ended = say(", resolved on {day}", day=row["resolved_on"]) if row["resolved_on"] else ""
    kind = say(KIND_NAMES[row["kind"]])
    words = say("“{words}”", words=row["words"] or "")
    return f"{row['id']}  {row['observed_on']}  {kind}  {words}  {where}{ended}"


def render_alert(language: str, row: Mapping[str, Any]) -> str:
    """One alert with its note, what else was said, and its history."""
    say = translator(language)
    lines = [_line(say, row), say("Status: {status}", status=say(STATUS_NAMES[row["status"]]))]
    if row["note"]:
        lines += ["", say("The note:"), *_indented(row["note"])]
    if row["resolved_by"]:
        lines += ["", say("The note that says that it is over:"), *_indented(row["resolved_by"])]
    if row["said"]:
        lines += ["", say("What the notes of this piano say of it:")]
        for one in row["said"]:
            effect = say(EFFECTS[one["effect"], one["status"]])
            lines.append(f"  {one['observed_at'][:10]}  {say('“{words}”', words=one['words'])}  {effect}")
    if row["history"]:
        lines += ["", say("What became of it:")]
        for one in row["history"]:
            lines.append(f"  {one['at'][:16].replace('T', ' ')}  {say(STATUS_NAMES[one['status']])}  {one['made_by']}")
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def render_decided(language: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """What became of alerts that a person decided on."""
    say = translator(language)
    return "\n".join(f"{say(STATUS_NAMES[row['status']])}: {_line(say, row)}" for row in rows)


def render_findings(language: str, found: Sequence[Finding]) -> str:
    """What a text says."""
    say = translator(language)
    if not found:
        return say("The text says nothing of covers, power, tanks or climate.")
    return "\n".join(
        f"{say(KIND_NAMES[one.kind])}: {say(EFFECTS[one.effect, one.status])}, "
        f"{say('“{words}”', words=one.words)} ({one.confidence:.2f})"
        for one in found
    )


def finding_as_json(one: Finding) -> dict[str, Any]:
    """For `--json`."""
    return {
        "kind": one.kind, "effect": one.effect, "words": one.words, "confidence": one.confidence, "status": one.status,
    }  # fmt: skip

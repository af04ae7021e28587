"""What became of an import, as text for a terminal and as an HTML page, in French or English."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.shop.csv_import.outcomes import OUTCOMES, FileOutcome, Outcome

TEMPLATE: Final = Path(__file__).with_name("report.html.j2")
NAMES: Final = {
    "imported": Message("imported"), "merged": Message("was there"), "rejected": Message("rejected"),
    "skipped": Message("left out"),
}  # fmt: skip
ENTITIES: Final = {
    "clients": Message("Clients"), "contacts": Message("Contacts"), "pianos": Message("Pianos"),
    "school_pianos": Message("School's pianos"), "products": Message("Products"),
    "displays": Message("Product names"), "inventory": Message("Stock"), "transactions": Message("Stock movements"),
    "alerts": Message("Maintenance alerts"), "alert_clients": Message("Clients of alerts"),
    "invoices": Message("Invoices"), "invoice_items": Message("Invoice lines"),
    "appointments": Message("Appointments"), "timeline": Message("Timeline"),
}  # fmt: skip
REJECTED: Final = Plural(
    "{count} row was rejected. Correct it in the file and import the folder again: what is in stays as it is.",
    "{count} rows were rejected. Correct them in the files and import the folder again: what is in stays as it is.",
)
MOST_PRINTED: Final = 20


def render_text(outcome: Outcome, language: str) -> str:
    """The text to print."""
    say = translator(language)
    lines = _table(outcome, say)
    for one in outcome.files:
        if one.note:
            lines.append(f"{one.file}: {one.note}.")
        rejections = [line for line in one.lines if line.outcome == "rejected"]
        lines += [f"✗ {one.file}:{line.line}: {line.reason}" for line in rejections[:MOST_PRINTED]]
        if (more := len(rejections) - MOST_PRINTED) > 0:
            lines.append(say("… and {number} others (--report lists them)", number=say.number(more)))
    if outcome.proposals:
        lines.append(say("Perhaps the same, by their names (nothing was merged):"))
        lines += [f"  {p.name} ({p.what}) ≈ {p.other} ({p.external_id})" for p in outcome.proposals[:MOST_PRINTED]]
    if rejected := outcome.totals["rejected"]:
        lines.append(say(REJECTED, count=rejected))
    if outcome.is_dry_run:
        lines.append(say("A dry run: nothing was kept."))
    return "\n".join(lines)


def render_html(outcome: Outcome, language: str) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    say = translator(language)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        say=say,
        outcome=outcome,
        outcomes=[(name, say(text)) for name, text in NAMES.items()],
        names={name: say(text) for name, text in NAMES.items()},
        entity=lambda one: _entity(one, say),
    )


def _entity(one: FileOutcome, say: Translator) -> str:
    return say(ENTITIES[one.entity]) if one.entity else "—"


def _table(outcome: Outcome, say: Translator) -> list[str]:
    head = [say("file"), say("source"), say("what it holds"), say("rows"), *(say(NAMES[name]) for name in OUTCOMES)]
    rows: list[list[Any]] = [head]
    for one in outcome.files:
        counts = [say.number(one.counts[name]) for name in OUTCOMES]
        rows.append([one.file, one.source or "—", _entity(one, say), say.number(one.rows), *counts])
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(head))]
    return [
        "  ".join(str(cell).ljust(width) if place < 3 else str(cell).rjust(width) for place, (cell, width) in line)
        for line in (list(enumerate(zip(row, widths, strict=True))) for row in rows)
    ]

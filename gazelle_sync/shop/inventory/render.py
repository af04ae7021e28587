"""The stock as a person reads it, in French or English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.montreal import spoken_instant
from gazelle_sync.shop.inventory.consumption import MAIN, Rule
from gazelle_sync.shop.inventory.counts import CountRow, Refused
from gazelle_sync.shop.inventory.follow import Followed
from gazelle_sync.shop.inventory.naming import Names
from gazelle_sync.shop.inventory.rules import DryRun
from gazelle_sync.shop.inventory.stock import HistoryEntry, Moved, Selection, Stock

KINDS = {
    "count": Message("counted"),
    "purchase": Message("bought"),
    "transfer": Message("transferred"),
    "consumption": Message("used"),
    "return": Message("given back"),
    "loss": Message("lost"),
    "correction": Message("corrected"),
}
"""Kind of movement → what people call it."""


def quantity(value: Decimal, language: str) -> str:
    """A quantity with as many decimals as it needs: `3`, `2.25`, `2,25`."""
    from babel.numbers import format_decimal

    return str(format_decimal(value, format="#,##0.##", locale=language))


def render_stock(language: str, found: Sequence[Stock]) -> str:
    """A line a stock, those to be ordered marked."""
    say = translator(language)
    if not found:
        return say("Nothing was ever counted, bought or used. Begin with `gazelle-sync inventory count`.")
    lines = []
    for one in found:
        mark = "✗" if one.quantity < 0 else "⚠" if one.is_low else "✓"
        place = "" if one.location == MAIN else f", {one.location}"
        what = f"{quantity(one.quantity, language)} {one.unit or ''}".strip()
        line = f"{mark} {_name(one, language)} — {one.technician_name or one.technician}{place}: {what}"
        if one.reorder_threshold:
            threshold = say("order at {threshold}", threshold=quantity(one.reorder_threshold, language))
            line += f" ({threshold})"
        lines.append(line)
    low = sum(one.is_low or one.quantity < 0 for one in found)
    if low:
        lines.append(
            say(Plural("{count} is to be ordered or counted.", "{count} are to be ordered or counted."), count=low)
        )
    return "\n".join(lines)


def render_moved(language: str, asked: Selection, moved: Sequence[Moved]) -> str:
    """A line a movement: what the stock was and is."""
    people = {person.id: person.name for person in asked.people}
    name = asked.material.name(language)
    lines = []
    for one in moved:
        place = "" if one.location == MAIN else f", {one.location}"
        change = f"{quantity(one.before, language)} → {quantity(one.after, language)}"
        lines.append(f"{name} — {people.get(one.technician, one.technician)}{place}: {change}")
    return "\n".join(lines)


def render_history(language: str, found: Sequence[HistoryEntry]) -> str:
    """A line a movement, the newest first; times are Montreal's."""
    say = translator(language)
    if not found:
        return say("No movement.")
    lines = []
    for one in found:
        sign = "+" if one.delta > 0 else ""
        about = [one.reason, _invoice(one, say), one.made_by]
        lines.append(
            f"{spoken_instant(say, one.occurred_at)}  {_name(one, language)} — "
            f"{one.technician_name or one.technician}: {sign}{quantity(one.delta, language)} {say(KINDS[one.kind])}, "
            f"{quantity(one.before, language)} → {quantity(one.after, language)} ({', '.join(t for t in about if t)})"
        )
    return "\n".join(lines)


def render_counts(language: str, counted: Sequence[CountRow], refused: Sequence[Refused], *, is_done: bool) -> str:
    """What a file of counts changes, or has changed; rows that are as expected are only counted."""
    say = translator(language)
    lines = []
    for one in counted:
        if one.quantity == one.before:
            continue
        place = "" if one.location == MAIN else f", {one.location}"
        change = f"{quantity(one.before, language)} → {quantity(one.quantity, language)}"
        lines.append(f"{one.material.name(language)} — {one.person.name}{place}: {change}")
    lines += ["✗ " + say("Line {line}: {reason}", line=bad.line, reason=bad.reason) for bad in refused]
    differ = sum(one.quantity != one.before for one in counted)
    total = Plural(
        "{count} stock counted, {differ} of them other than expected.",
        "{count} stocks counted, {differ} of them other than expected.",
    )
    lines.append(say(total, count=len(counted), differ=say.number(differ)))
    if refused:
        lines.append(say("Nothing was imported. Correct these lines and import the file again."))
    elif not is_done:
        lines.append(say("Nothing was imported: this was a preview."))
    return "\n".join(lines)


def render_rules(language: str, rules: Sequence[Rule], names: Names) -> str:
    """A line a rule."""
    say = translator(language)
    if not rules:
        return say("There are no rules: invoices consume nothing.")
    services = {one.external_id: one.name(language) for one in names.materials if one.external_id}
    lines = []
    for rule in sorted(
        rules, key=lambda rule: (services.get(rule.service, rule.service), rule.product_id, rule.valid_from)
    ):
        material = names.by_id[rule.product_id].name(language)
        text = say(
            "{service}: {quantity} of {material}, from {day}",
            service=services.get(rule.service, rule.service), quantity=quantity(rule.quantity, language),
            material=material, day=rule.valid_from,
        )  # fmt: skip
        if rule.valid_until is not None:
            text += " " + say("to {day}", day=rule.valid_until)
        if rule.is_optional:
            text += ", " + say("where the line names it")
        lines.append(text)
    return "\n".join(lines)


def render_dry_run(language: str, found: DryRun, names: Names) -> str:
    """What a rule would take, by month and person."""
    say = translator(language)
    lines = [
        f"{month}  {names.people[technician].name if technician in names.people else technician}: "
        f"{quantity(amount, language)}"
        for (month, technician), amount in found.by_month.items()
    ]
    total = sum(found.by_month.values(), Decimal(0))
    text = Plural("{total} in all, of {count} invoice.", "{total} in all, of {count} invoices.")
    lines.append(say(text, count=found.invoices, total=quantity(total, language)))
    if found.without_technician:
        nobody = Plural(
            "{count} invoice uses materials and names nobody in charge: no stock follows it.",
            "{count} invoices use materials and name nobody in charge: no stock follows them.",
        )
        lines.append("⚠ " + say(nobody, count=found.without_technician))
    lines.append(say("Nothing was written: this was a preview."))
    return "\n".join(lines)


def describe_followed(language: str, followed: Followed) -> str:
    """What became of the stock; empty where nothing did and nothing is wrong."""
    say = translator(language)
    lines = []
    if followed.movements:
        moved = Plural(
            "The stock follows the invoices: {count} movement.", "The stock follows the invoices: {count} movements."
        )
        lines.append(say(moved, count=len(followed.movements)))
    if followed.needs is not None and (unassigned := followed.needs.without_technician):
        nobody = Plural(
            "{count} invoice uses materials and names nobody in charge: no stock follows it.",
            "{count} invoices use materials and name nobody in charge: no stock follows them.",
        )
        lines.append("⚠ " + say(nobody, count=len(unassigned)))
    if followed.needs is not None and (absurd := {use.invoice for use in followed.needs.beyond_measure}):
        measure = Plural(
            "{count} invoice has a quantity that cannot be meant: no stock follows that line.",
            "{count} invoices have quantities that cannot be meant: no stock follows those lines.",
        )
        lines.append("⚠ " + say(measure, count=len(absurd)))
    return "\n".join(lines)


def _name(one: Stock | HistoryEntry, language: str) -> str:
    """What people call the product, and its SKU."""
    label = one.label if isinstance(one, HistoryEntry) else (one.sku or one.external_id or f"#{one.product_id}")
    names: Mapping[str, str | None] = {"fr": one.name_fr or one.name_en, "en": one.name_en or one.name_fr}
    called = names[language]
    return f"{called} ({label})" if called and called != label else label


def _invoice(one: HistoryEntry, say: Translator) -> str | None:
    if one.invoice is None:
        return None
    return say("invoice {number}", number=one.invoice if one.invoice_number is None else one.invoice_number)

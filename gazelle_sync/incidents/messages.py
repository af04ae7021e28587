"""The text of an alert, in French or English: what is wrong, since when, what to do, and a link to the run.

It holds only our own sentences, names of entities, jobs and checks, counts and ids. A check's description is redacted.
An error's message may quote clients, so its cause is shown instead (`gazelle_sync.errors`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from gazelle_sync.entities import ENTITIES, entity_name
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.incidents.causes import CAUSES
from gazelle_sync.incidents.rules import Incident
from gazelle_sync.montreal import spoken_instant
from gazelle_sync.notifications.ledger import OpenIncident
from gazelle_sync.notifications.redaction import redact
from gazelle_sync.quality.finding import Severity
from gazelle_sync.settings import Settings
from gazelle_sync.shop.inventory.render import quantity

MESSAGES: dict[str, tuple[Message | Plural, Message]] = {
    "failed_run": (
        Message("The sync failed: {names}"),
        Message("{cause}"),
    ),
    "failed_job": (
        Message("A run of {names} failed"),
        Message("{cause}"),
    ),
    "failed_check": (
        Message("Check failed: {names}"),
        Message("{said}"),
    ),
    "stale_data": (
        Message("Data is stale: {names}"),
        Message(
            "Not up to date with Gazelle for {minutes} minutes. Is `gazelle-sync up` running? `gazelle-sync "
            "status` shows more."
        ),
    ),
    "many_errors": (
        Message("{count} records came into error within an hour"),
        Message("{by_entity}. The other records go on. `gazelle-sync errors` shows which and why."),
    ),
    "failed_push": (
        Plural(
            "{count} change could not be sent to Gazelle within an hour",
            "{count} changes could not be sent to Gazelle within an hour",
        ),
        Message(
            "Tried {tries} times in all. What did not go stays marked as to be sent. `gazelle-sync status` and the "
            "table sync_gazelle_logs tell which and why."
        ),
    ),
    "slow_run": (
        Message("A run takes far longer than usual: {names}"),
        Message(
            "{seconds} s, usually {usual} s. Gazelle, the network or the database is slow, or there is much to do."
        ),
    ),
    "low_stock": (
        Message("To be ordered: {product} ({technician})"),
        Message("There are {quantity}, at or below {threshold}. `gazelle-sync inventory list --low` shows everything."),
    ),
    "stock_below_zero": (
        Message("Stock below zero: {product} ({technician})"),
        Message(
            "Invoices say that more was used than there was ({quantity}). Count it: `gazelle-sync inventory count`."
        ),
    ),
    "unfollowed_invoices": (
        Plural(
            "{count} invoice uses materials, and no stock follows it",
            "{count} invoices use materials, and no stock follows them",
        ),
        Message("{invoices}"),
    ),
    "database": (
        Message("The database cannot be reached"),
        Message("{cause}"),
    ),
}
"""Rule → title and text."""

PROBLEMS = {
    "unassigned": Message("Invoice {number}: nobody is in charge of it. Assign it at Gazelle."),
    "beyond_measure": Message("Invoice {number}: a line's quantity cannot be meant. Correct it at Gazelle."),
}
"""Why no stock follows an invoice → what is to be done about it."""

MARKS = {"error": "✗", "warning": "⚠"}
RECOVERED = "✓"
NAMES_SHOWN = 4
INVOICES_SHOWN = 20
OWN_NAMES = ("failed_job", "failed_check", "slow_run")
"""Rules whose subjects are not entities: they are shown under the names of the UI."""


@dataclass(frozen=True)
class AlertText:
    """A message: one line, and the rest."""

    title: str
    text: str


def describe(rule: str, incidents: Sequence[Incident], settings: Settings, now: datetime) -> AlertText:
    """The message about incidents of one rule with one cause.

    Args:
        rule: Its name.
        incidents: At least one.
        settings: For the language, the UI's address and the secrets to take out.
        now: Aware.
    """
    say, first = translator(settings.language), incidents[0]
    values = {
        **_values(rule, incidents, say),
        "minutes": max((int(t.details.get("minutes", 0)) for t in incidents), default=0),
        "cause": _cause(first, say),
        "said": "\n".join(_said(incident, settings) for incident in incidents),
        "by_entity": _by_entity(first, say),
        "invoices": "\n".join(_invoices(incidents, say)),
        **{
            name: quantity(Decimal(str(first.details[name])), settings.language)
            for name in ("quantity", "threshold")
            if name in first.details
        },
    }
    lines = [say(MESSAGES[rule][1], **values), say("Since {when} in Montreal.", when=spoken_instant(say, now))]
    if first.run_id:
        lines.append(say("The run: {link}", link=run_link(settings, first.run_id)))
    return AlertText(f"{MARKS[worst(incidents)]} {_whose(settings)}: {_title(rule, incidents, say)}", "\n".join(lines))


def _title(rule: str, incidents: Sequence[Incident], say: Translator) -> str:
    return say(MESSAGES[rule][0], **_values(rule, incidents, say))


def _values(rule: str, incidents: Sequence[Incident], say: Translator) -> dict[str, Any]:
    """What the places of a title are filled with."""
    details = incidents[0].details
    values = {**details, "names": _names(rule, incidents, say), "product": details.get(f"product_{say.language}", "")}
    return values | ({"count": len(incidents)} if rule == "unfollowed_invoices" else {})


def stored(incidents: Sequence[Incident]) -> list[dict[str, Any]]:
    """What titles are made of, for the ledger; what a check said is left out, since it may quote rows."""
    return [
        {"subject": one.subject, "severity": one.severity, "details": {**one.details, "said": ""}} for one in incidents
    ]


NEXT = {
    "failed_run": "gazelle-sync sync",
    "stale_data": "gazelle-sync sync",
    "failed_check": "gazelle-sync check --only {subjects}",
    "many_errors": "gazelle-sync errors",
    "failed_push": "gazelle-sync push --status",
    "low_stock": "gazelle-sync inventory list --low",
    "stock_below_zero": "gazelle-sync inventory count",
    "database": "gazelle-sync doctor",
}
"""Rule → the command that shows more, or mends it; for others the run's page does."""


def title_of(incident: OpenIncident, say: Translator) -> str:
    """The title of an open incident in the reader's language; as it was told where the ledger lacks what it names."""
    title = MESSAGES.get(incident.rule, (None,))[0]
    if title is not None and incident.details:
        with suppress(KeyError, TypeError, ValueError):  # another version may have stored other details
            found = [Incident(one["subject"], one["severity"], details=one["details"]) for one in incident.details]
            return _title(incident.rule, found, say)
    if not isinstance(title, str) or set(re.findall(r"{(\w+)}", title)) - {"names"}:
        return incident.title.partition(": ")[2] or incident.title
    names = _subjects(incident)
    if incident.rule not in OWN_NAMES:
        names = [entity_name(say, name) for name in names]
    return say(title, names=", ".join(names))


def headline(incident: OpenIncident, settings: Settings) -> str:
    """The first line of an open incident's message, in the reader's language."""
    return f"{MARKS[incident.severity]} {_whose(settings)}: {title_of(incident, translator(settings.language))}"


def next_step(incident: OpenIncident) -> str | None:
    """The command that shows more of an open incident, or mends it."""
    command = NEXT.get(incident.rule)
    return command and command.format(subjects=",".join(_subjects(incident)))


def _subjects(incident: OpenIncident) -> list[str]:
    """What it is about, in order; a check by its own name (`asset:check` in the ledger), as `check --only` takes it."""
    is_check = incident.rule == "failed_check"
    return sorted({subject.rpartition(":")[2] if is_check else subject for subject in incident.subjects})


def describe_recovery(occurrence: OpenIncident, settings: Settings, now: datetime) -> AlertText:
    """The message that an incident is over."""
    say = translator(settings.language)
    since, until = spoken_instant(say, occurrence.opened_at), spoken_instant(say, now)
    body = say("It began on {since} and ended on {until} (Montreal).", since=since, until=until)
    return AlertText(f"{RECOVERED} {_whose(settings)}: " + say("Over: {title}", title=title_of(occurrence, say)), body)


def _whose(settings: Settings) -> str:
    """What every title begins with; where there are several shops, with the shop's name."""
    return f"Gazelle ({settings.shop})" if settings.shop else "Gazelle"


def worst(incidents: Sequence[Incident]) -> Severity:
    """The severity of a message about several incidents."""
    return "error" if any(incident.severity == "error" for incident in incidents) else "warning"


def run_link(settings: Settings, run_id: str) -> str:
    """A run's page in the UI."""
    return f"{settings.ui_url}/runs/{run_id}"


def _names(rule: str, incidents: Sequence[Incident], say: Translator) -> str:
    if rule == "failed_check" and len(incidents) > NAMES_SHOWN:
        return say(Plural("{count} check", "{count} checks"), count=len(incidents))
    if rule in OWN_NAMES:
        return ", ".join(str(incident.details.get("check", incident.subject)) for incident in incidents)
    return ", ".join(entity_name(say, incident.subject) for incident in incidents)


def _cause(incident: Incident, say: Translator) -> str:
    said = CAUSES.get(str(incident.details.get("cause")), CAUSES["unknown"])  # a newer version's code is not known here
    return say(said, number=incident.details.get("number", ""))


def _said(incident: Incident, settings: Settings) -> str:
    said = redact(str(incident.details.get("said", "")), settings.secrets)
    return f"{incident.details.get('check', incident.subject)}: {said}" if said else str(incident.subject)


def _invoices(incidents: Sequence[Incident], say: Translator) -> list[str]:
    said = [
        say(PROBLEMS[str(incident.details["problem"])], number=incident.details["invoice"])
        for incident in incidents
        if "problem" in incident.details
    ]
    return [*said[:INVOICES_SHOWN], *(["…"] if len(said) > INVOICES_SHOWN else [])]


def _by_entity(incident: Incident, say: Translator) -> str:
    counts = [(entity.name, incident.details[entity.name]) for entity in ENTITIES if entity.name in incident.details]
    return ", ".join(f"{entity_name(say, name)} {count}" for name, count in counts)

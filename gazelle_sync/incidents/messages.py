"""The text of an alert, in French or English: what is wrong, since when, what to do, and a link to the run.

It holds only our own sentences, names of entities, jobs and checks, counts and ids. A check's description is redacted.
An error's message may quote clients, so its cause is shown instead (`gazelle_sync.errors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gazelle_sync.entities import ENTITIES, entity_name
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.incidents.rules import Incident
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.notifications.ledger import OpenIncident
from gazelle_sync.notifications.redaction import redact
from gazelle_sync.quality.finding import Severity
from gazelle_sync.settings import Settings
from gazelle_sync.shop.inventory.render import quantity

CAUSES = {
    "mass_deletion": Message(
        "{number} records or more are gone at Gazelle at once. Nothing was deleted here. Look at Gazelle; if they "
        "really were deleted, `gazelle-sync status` shows the command that lets it through."
    ),
    "mass_emptying": Message(
        "Gazelle sent empty tags for {number} records at once. They were set aside, nothing was emptied here. Look at "
        "Gazelle; `gazelle-sync status` shows the command that lets it through."
    ),
    "mass_vanishing": Message(
        "Gazelle leaves out {number} contacts, items or other parts of records at once. Those records were set aside, "
        "nothing was removed here. Look at Gazelle; `gazelle-sync status` shows the command that lets it through."
    ),
    "wrong_account": Message(
        "The database holds another account than the one that is set. Nothing was done. Check GAZELLE_API_URL and "
        "GAZELLE_DATABASE_URL."
    ),
    "credentials": Message(
        "Gazelle refuses the credentials, or there are none. Check GAZELLE_API_TOKEN, or authorize the OAuth "
        "application again."
    ),
    "dagster_database": Message(
        "Dagster's own database cannot be reached, or refuses. Check GAZELLE_DAGSTER_POSTGRES_URL and the room on its "
        "disk."
    ),
    "disk": Message("A disk is full. Free some space; the next run does the rest."),
    "rights": Message("PostgreSQL refuses the role that is set. Grant it gazelle_writer, or use the owner's."),
    "database": Message(
        "PostgreSQL cannot be reached or refuses. Check that the server runs and accepts connections from this machine."
    ),
    "another_run": Message("Another run was still going. If this lasts, `gazelle-sync status` shows which."),
    "stopped": Message(
        "The run was stopped or its process was killed. What it committed is kept; the next run does the rest."
    ),
    "unreachable": Message("Gazelle cannot be reached, or does not answer in time. Each run tries again."),
    "http": Message(
        "Gazelle answers with HTTP {number}. Each run tries again; `gazelle-sync doctor` shows whether the fault "
        "is here."
    ),
    "staging": Message(
        "The staging tables lost rows, so a replay would lose them too. Nothing was replayed. `gazelle-sync sync "
        "--full` reads them again."
    ),
    "answered_errors": Message(
        "Gazelle answers with errors. Each run tries again; the messages are on the run's page."
    ),
    "unreadable": Message("Gazelle's answer cannot be read (a proxy's page, or cut short). Each run tries again."),
    "command": Message("A command was asked for something that makes no sense. What it printed says why."),
    "settings": Message("A variable is missing or not valid. `gazelle-sync doctor` shows which."),
    "fault": Message(
        "gazelle_sync failed on something that it does not expect. What was done is kept; the log file says "
        "where it happened."
    ),
    "unknown": Message("The cause is not known. The error is on the run's page and in the log file."),
}

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
    say = translator(settings.language)
    title, text = MESSAGES[rule]
    first = incidents[0]
    values = {
        **first.details,
        "names": _names(rule, incidents, say),
        "minutes": max((int(t.details.get("minutes", 0)) for t in incidents), default=0),
        "cause": _cause(first, say),
        "said": "\n".join(_said(incident, settings) for incident in incidents),
        "by_entity": _by_entity(first, say),
        "product": first.details.get(f"product_{settings.language}", ""),
        "invoices": "\n".join(_invoices(incidents, say)),
        **{
            name: quantity(Decimal(str(first.details[name])), settings.language)
            for name in ("quantity", "threshold")
            if name in first.details
        },
    }
    if rule == "unfollowed_invoices":
        values["count"] = len(incidents)
    lines = [say(text, **values), say("Since {when} in Montreal.", when=_when(now))]
    if first.run_id:
        lines.append(say("The run: {link}", link=run_link(settings, first.run_id)))
    return AlertText(f"{MARKS[worst(incidents)]} Gazelle: {say(title, **values)}", "\n".join(lines))


def describe_recovery(occurrence: OpenIncident, settings: Settings, now: datetime) -> AlertText:
    """The message that an incident is over."""
    say = translator(settings.language)
    told = occurrence.title.partition("Gazelle: ")[2] or occurrence.title
    body = say(
        "It began on {since} and ended on {until} (Montreal).", since=_when(occurrence.opened_at), until=_when(now)
    )
    return AlertText(f"{RECOVERED} Gazelle: " + say("Over: {title}", title=told), body)


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


def _when(instant: datetime) -> str:
    return f"{instant.astimezone(MONTREAL):%Y-%m-%d %H:%M}"

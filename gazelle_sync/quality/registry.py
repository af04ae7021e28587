"""All checks by group, and their evaluation: a check that cannot read what it needs has not passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from gazelle_sync.errors import GazelleSyncError, first_line
from gazelle_sync.i18n.translator import Message
from gazelle_sync.quality import (
    calendar,
    conformance,
    edits,
    flow,
    integrity,
    inventory,
    maintenance,
    timezone,
)
from gazelle_sync.quality.context import Check, CheckContext
from gazelle_sync.quality.finding import Finding

UNREADABLE = Message("It could not be checked: {reason}")
LOOK = Message(
    "`gazelle-sync doctor` shows whether the database and Gazelle answer; `gazelle-sync migrate` creates what is "
    "missing."
)


@dataclass(frozen=True)
class Group:
    """Checks of one kind, which run together.

    Attributes:
        name: `timezone`, `integrity`, `flow`, `conformance`, `push`, `inventory`, `maintenance`, `calendar`.
        asset: The asset at which the UI shows them.
        checks: In the order in which they are shown.
    """

    name: str
    asset: str
    checks: tuple[Check, ...]


TIMEZONE = Group("timezone", "gazelle_appointments", timezone.CHECKS)
INTEGRITY = Group("integrity", "external_id_mapping", integrity.CHECKS)

FLOW = Group("flow", "sync_logs", flow.CHECKS)
CONFORMANCE = Group("conformance", "gazelle_api", conformance.CHECKS)
PUSH = (
    *(Group("push", table, checks) for table, checks in edits.EDITS.items()),
    Group("push", "invoice_drafts", edits.INVOICE_DRAFTS),
    Group("push", "sync_gazelle_logs", edits.CHECKS),
)
INVENTORY = Group("inventory", "inventory_stock", inventory.CHECKS)
MAINTENANCE = Group("maintenance", "maintenance_alerts", maintenance.CHECKS)
CALENDAR = Group("calendar", "notices", calendar.CHECKS)
SHOP = (INVENTORY, MAINTENANCE, CALENDAR)
"""Of the shop's own work, which follows the pull."""

GROUPS = (TIMEZONE, INTEGRITY, FLOW, CONFORMANCE, *PUSH, *SHOP)

CHECKS: Mapping[str, Check] = {check.name: check for group in GROUPS for check in group.checks}


def evaluate_all(checks: Sequence[Check], context: CheckContext) -> Iterator[tuple[Check, Finding]]:
    """Evaluate checks one after the other; what they look up first goes in one round trip."""
    with suppress(GazelleSyncError, psycopg.Error):  # each check reports itself what it cannot read
        context.look_up(*(wanted for check in checks for wanted in check.lookups(context)))
    for check in checks:
        yield check, evaluate(check, context)


def evaluate(check: Check, context: CheckContext) -> Finding:
    """Evaluate one check; one that cannot be evaluated has failed, with the reason."""
    try:
        return check.evaluate(context, check.name)
    except (GazelleSyncError, psycopg.Error) as error:
        summary, advice = context.say(UNREADABLE, reason=first_line(error)), context.say(LOOK)
        return Finding(check.name, passed=False, summary=summary, advice=advice, numbers={"checked": 0})

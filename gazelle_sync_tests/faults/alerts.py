"""The alerts that a run leads to: evaluated as the sensors do, and read from `alert_log`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from gazelle_sync.defs.sync.resources import DEEP, NIGHTLY, TICK
from gazelle_sync.errors import DatabaseError
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.incidents.watch import watch
from gazelle_sync.notifications import ledger
from gazelle_sync.pull.context import Mode
from gazelle_sync.warehouse.connect import connect, database_errors
from gazelle_sync_tests.support.shop import Shop

OUTLASTING = ("failed_check", "slow_run", "many_errors")
"""Rules that one more pull says nothing of: the next run with checks does, the next of that mode, or the hour's end."""


@dataclass(frozen=True)
class ReportedTotal:
    """What people know once a run has ended.

    Attributes:
        new: How many alerts it gave rise to.
        open: Rule and subject of everything that they know to be wrong.
    """

    new: int = 0
    open: frozenset[tuple[str, str]] = frozenset()

    def knows_of(self, job: str, entities: Collection[str]) -> bool:
        """Whether they know that a run failed, and with which entities, if it came to any."""
        rules = {rule for rule, _ in self.open}
        if outage.RULE in rules:
            return True
        if entities:
            return all(("failed_run", entity) in self.open for entity in entities)
        return ("failed_job", job) in self.open or bool(rules & {"failed_run", "failed_check"})

    def after_recovery(self, job: str) -> list[str]:
        """What they should not believe any more once a run of everything went well."""
        return sorted(
            f"{rule} {subject}" for rule, subject in self.open
            if rule not in OUTLASTING and (rule != "failed_job" or subject == job)
        )  # fmt: skip


def job_of(mode: Mode) -> str:
    """The Dagster job that pulls in a mode."""
    return {Mode.TICK: TICK, Mode.NIGHTLY: NIGHTLY, Mode.DEEP: DEEP}[mode]


def told_of(shop: Shop, ended: EndedRun) -> ReportedTotal:
    """Evaluate the alerts, now that a run has ended."""
    opened = watch(shop.settings, ended).opened
    if _is_outage_told(shop):
        return ReportedTotal(1, frozenset({(outage.RULE, outage.RULE)}))
    try:
        with database_errors(), connect(shop.url) as connection:
            found = ledger.open_incidents(connection.execute(*ledger.open_incidents_query()).fetchall())
    except DatabaseError:  # it went away once more: that has to be told
        return told_of(shop, ended)
    return ReportedTotal(opened, frozenset((one.rule, subject) for one in found for subject in one.subjects))


def _is_outage_told(shop: Shop) -> bool:
    """What `alert_log` cannot hold stands in a file while the database is away."""
    path = shop.settings.home / "alerts" / "outage.json"
    return path.exists() and json.loads(path.read_text(encoding="utf-8"))["is_told"] is True

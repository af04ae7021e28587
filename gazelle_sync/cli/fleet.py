"""`gazelle-sync fleet`: many shops of one folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from gazelle_sync.cli.frame import JSON, report_errors
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator

if TYPE_CHECKING:
    from gazelle_sync.fleet.folder import Folder
    from gazelle_sync.settings import Settings

EXAMINE = "gazelle_sync.cli.doctor:examine_shop"
DOCTOR_S = 120.0

shops_argument = click.argument("shops", nargs=-1, metavar="[SHOP]…")


@click.group()
def fleet() -> None:
    """Many shops: each is a file in GAZELLE_FLEET_DIR. docs/fleet.md says how."""


@fleet.command("status")
@JSON
def fleet_status(as_json: bool) -> None:
    """Each shop on one line: last sync, and what is wrong. Exit status 1 if one is red."""
    from gazelle_sync.fleet.folder import read_folder
    from gazelle_sync.fleet.status import read_fleet, render_fleet

    with report_errors(), _fleet() as (settings, instance):
        from gazelle_sync.defs.fleet.states import read_states

        folder = read_folder(settings.fleet_dir)
        states = read_states(instance, folder.shops)
        rows = read_fleet(folder, states, datetime.now(UTC), settings.fleet_every_minutes)
        if as_json:
            click.echo(json.dumps([row.as_json() for row in rows], indent=2))
        else:
            click.echo(render_fleet(rows, settings.language))
        sys.exit(1 if any(row.light == "red" for row in rows) else 0)


@fleet.command("run")
@shops_argument
@click.option("--full", is_flag=True, help="Read every body of everything, and compare production with staging.")
@JSON
def fleet_run(shops: Sequence[str], full: bool, as_json: bool) -> None:
    """Give shops their turn now, all of them if none is named. Exit status 1 if one failed."""
    from gazelle_sync.errors import Cause
    from gazelle_sync.fleet.folder import read_folder
    from gazelle_sync.fleet.turns import DEEP, FIRST
    from gazelle_sync.incidents.causes import describe_cause

    with report_errors(), _fleet() as (settings, instance):
        from gazelle_sync.defs.fleet.command import run_shops

        say = translator(settings.language)
        folder = read_folder(settings.fleet_dir)
        chosen = _chosen(folder, shops)
        failed = False
        rows: list[dict[str, Any]] = []
        for ended in run_shops(settings, instance, chosen, DEEP if full else FIRST):
            failed |= ended.cause is not None
            counts = ended.result or {}
            rows.append({
                "shop": ended.shop, "succeeded": ended.cause is None, "cause": ended.cause, "number": ended.number,
                "seconds": ended.seconds, "changed": counts.get("changed", 0), "sent": counts.get("sent", 0),
                "skipped": bool(counts.get("is_skipped")),
            })  # fmt: skip
            if not as_json:
                said = say(
                    "{seconds} s, {count} changed", seconds=say.decimal(ended.seconds), count=counts.get("changed", 0)
                )
                if counts.get("is_skipped"):
                    said = say("another pull of it is running")
                if ended.cause:
                    said = describe_cause(Cause(ended.cause, ended.number))
                click.echo(f"{'✗' if ended.cause else '✓'} {ended.shop}: {said}")
        if as_json:
            click.echo(json.dumps(rows, indent=2))
        sys.exit(1 if failed else 0)


@fleet.command("doctor")
@shops_argument
@JSON
def fleet_doctor(shops: Sequence[str], as_json: bool) -> None:
    """Check the folder, and of each shop credentials, database, API and clock. Exit status 1 if something is wrong."""
    from gazelle_sync.errors import Cause
    from gazelle_sync.fleet.children import Limits, run_children, task_of
    from gazelle_sync.fleet.folder import read_folder
    from gazelle_sync.incidents.causes import describe_cause
    from gazelle_sync.settings import Settings

    with report_errors():
        settings = Settings.load()
        folder = read_folder(settings.fleet_dir)
        chosen = _chosen(folder, shops)
        limits = Limits(DOCTOR_S, settings.fleet_memory_mb)
        tasks = [
            task_of(settings, shop, folder.shops[shop], limits, {}, work=EXAMINE, when_killed=None) for shop in chosen
        ]
        rows: list[dict[str, Any]] = [
            {"shop": name, "check": "file", "passed": False, "summary": problem}
            for name, problem in folder.problems.items()
            if not shops or name in shops
        ]
        for ended in run_children(tasks, settings.fleet_at_once):
            findings: list[dict[str, Any]] = (ended.result or {}).get("findings", [])
            if ended.cause:
                said = describe_cause(Cause(ended.cause, ended.number))
                findings = [{"check": "shop", "passed": False, "summary": said}]
            rows += [{"shop": ended.shop, **finding} for finding in findings]
        rows.sort(key=lambda row: row["shop"])
        if as_json:
            click.echo(json.dumps(rows, indent=2))
        else:
            for row in rows:
                click.echo(f"{'✓' if row['passed'] else '✗'} {row['shop']}: {row['check']}: {row['summary']}")
        sys.exit(0 if all(row["passed"] for row in rows) else 1)


def _chosen(folder: Folder, shops: Sequence[str]) -> list[str]:
    """The shops that were named, or all.

    Raises:
        CommandRefused: One of them is none, or there are none.
    """
    if unknown := [shop for shop in shops if shop not in folder.shops]:
        reasons = [f"{shop} ({folder.problems[shop]})" if shop in folder.problems else shop for shop in unknown]
        known = ", ".join(folder.shops) or "—"
        raise CommandRefused(
            gettext("{shops}: there is no such shop. There are: {known}.", shops=", ".join(reasons), known=known)
        )
    if not folder.shops:
        raise CommandRefused(
            gettext("There is no shop yet. Put a file NAME.env for each into the folder, readable by you alone.")
        )
    return list(shops) or list(folder.shops)


@contextmanager
def _fleet() -> Iterator[tuple[Settings, Any]]:
    """The fleet's settings and Dagster's instance, embedded where none is set."""
    from gazelle_sync.runtime import logs as log
    from gazelle_sync.runtime.embedded import embedded_services
    from gazelle_sync.runtime.memory import leave_at_once, tune_gc
    from gazelle_sync.runtime.signals import unwind_when_stopped
    from gazelle_sync.settings import Settings

    tune_gc()  # Dagster's import alone would be searched many times
    leave_at_once()
    named = Settings.load()
    if named.dagster_postgres_url is not None:  # a fleet has no database of a shop, and needs no embedded one
        named = named.replace(database_url=named.dagster_postgres_url)
    log.configure(named)
    unwind_when_stopped()
    with embedded_services(named, api=False) as settings:
        from gazelle_sync.defs.fleet.command import fleet_instance

        with fleet_instance() as instance:
            yield settings, instance

"""The commands of `gazelle-sync`: options, messages and exit status; no logic.

Only this package prints and exits. What a command needs is imported when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from gazelle_sync.cli.alerts import alerts
from gazelle_sync.cli.calendar import calendar
from gazelle_sync.cli.desk import desk
from gazelle_sync.cli.fleet import fleet
from gazelle_sync.cli.frame import JSON, Commands, report_errors, services
from gazelle_sync.cli.imports import import_files
from gazelle_sync.cli.init import init
from gazelle_sync.cli.inventory import inventory
from gazelle_sync.cli.invoices import invoices
from gazelle_sync.cli.monitoring import check, errors, metrics, report, verify
from gazelle_sync.cli.notifications import notifications
from gazelle_sync.cli.psql import psql
from gazelle_sync.cli.push import conflicts, push
from gazelle_sync.cli.records import history, show
from gazelle_sync.cli.sandbox import sandbox
from gazelle_sync.i18n.translator import translator
from gazelle_sync.runtime import DESK_PORT
from gazelle_sync.runtime.signals import unwind_when_stopped

INCIDENTS_EVERY_S = 20.0
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gazelle-sync")
def main() -> None:
    """Keeps a Gazelle account and a PostgreSQL database equal.

    Without any setting it runs on an embedded PostgreSQL and a sandbox Gazelle. docs/settings.md lists the environment.
    """


@main.command()
@click.option("--full", is_flag=True, help="Read every body of everything, and compare production with staging.")
@click.option("--only", metavar="ENTITIES", help="Comma-separated: clients,pianos,…")
@click.option("--allow-deletes", is_flag=True, help="Let mass deletion and mass emptying through, once.")
def sync(full: bool, only: str | None, allow_deletes: bool) -> None:
    """Pull what changed: stage, reconcile, report. Exit status 0, or 1 with the reason."""
    from gazelle_sync.cli import runs as runner
    from gazelle_sync.settings import Settings

    with report_errors():
        asked = Settings.load()
        is_trial = asked.api_url is None and asked.database_url is None  # nothing was set: a person tries it
    with report_errors(), services(meanwhile=runner.load_dagster) as settings:
        entities = runner.entities_from(only)
        ended = runner.run_sync(settings, full=full, entities=entities, allow_deletes=allow_deletes)
        click.echo(ended.text)
        if is_trial and ended.succeeded and runner.write_example_edits(settings):
            click.echo(translator(settings.language)(runner.EXAMPLE_EDITS))
        sys.exit(0 if ended.succeeded else 1)


@main.command()
@click.option("--only", metavar="ENTITIES", help="Comma-separated: clients,pianos,…")
@click.option("--from", "from_day", type=DAY, help="First Montreal day of last change.")
@click.option("--to", "to_day", type=DAY, help="Last Montreal day of last change.")
@click.option(
    "--without-staging",
    type=click.Choice(["keep", "delete"]),
    help="What becomes of living rows of which staging holds no version: left as they are, or marked deleted. "
    "Unset: up to 2 % of a table are kept, with more the replay is refused.",
)
def replay(only: str | None, from_day: Any, to_day: Any, without_staging: str | None) -> None:
    """Rebuild production from staging, without one call to Gazelle."""
    from gazelle_sync.cli import runs as runner

    with report_errors(), services(api=False, meanwhile=runner.load_dagster) as settings:
        days = tuple(day.date() if day else None for day in (from_day, to_day))
        ended = runner.run_replay(
            settings,
            entities=runner.entities_from(only),
            first=days[0],
            last=days[1],
            without_staging=without_staging,
        )
        click.echo(ended.text)
        sys.exit(0 if ended.succeeded else 1)


@main.command()
@JSON
def status(as_json: bool) -> None:
    """Each entity on one line: last sync, age, rows, backlog, errors; and the push. Exit status 1 if red."""
    from gazelle_sync.monitoring.status import alerts_as_json, read_situation
    from gazelle_sync.monitoring.status_screen import render_status
    from gazelle_sync.warehouse.source import read_source

    with report_errors(), services(api=False, for_machines=as_json) as settings:
        situation = read_situation(settings)
        rows, edits, incidents = situation.entities, situation.edits, situation.incidents
        lights = [*(row.light for row in rows), incidents.light, edits.light]
        if as_json:
            found = [*(row.as_json() for row in rows), alerts_as_json(settings, incidents), edits.as_json()]
            source = {"source": read_source(str(settings.database_url))}
            click.echo(json.dumps([source | one for one in found], indent=2))
        else:
            click.echo(render_status(settings, situation))
        sys.exit(1 if "red" in lights else 0)


@main.command()
def migrate() -> None:
    """Bring the database's tables and views up to date, and create again what was dropped."""
    from gazelle_sync.pull.load import end_abandoned_alone
    from gazelle_sync.warehouse.migrate import migrate as apply_migrations
    from gazelle_sync.warehouse.schema_repair import describe_object, read_public_grants, repair

    with report_errors(), services(api=False) as settings:
        say = translator(settings.language)
        applied = apply_migrations(str(settings.database_url))
        for name in applied:
            click.echo(say("applied {name}", name=name))
        end_abandoned_alone(str(settings.database_url))
        repaired = repair(str(settings.database_url))
        for name in repaired.made:
            click.echo(say("created again: {name}", name=describe_object(name, say)))
        for name in repaired.missing:
            click.secho("✗ " + say("still missing: {name}", name=describe_object(name, say)), fg="red")
        for advice in repaired.advice(say):
            click.echo(advice)
        if grants := read_public_grants(str(settings.database_url), say):
            click.secho(f"⚠ {grants}", fg="yellow")
        if not applied and not repaired.made and not repaired.missing:
            click.echo(say("The database is up to date."))
        sys.exit(1 if repaired.missing else 0)


@main.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Of the Dagster UI.")
@click.option("--desk-port", default=DESK_PORT, show_default=True, type=click.IntRange(0, 65535), help="Of the desk.")
def up(port: int, desk_port: int) -> None:
    """Start the embedded parts, the Dagster UI with schedules and sensors on, and the desk. Ctrl-C stops all of it."""
    from gazelle_sync.cli.desk import desk_beside
    from gazelle_sync.incidents.watch import keep_watching
    from gazelle_sync.runtime.supervisor import run_ui

    with report_errors(), services() as settings:
        # Without the database, Dagster's daemon and its sensors stop: incidents are evaluated here as well.
        tasks = [lambda stopped: keep_watching(settings, stopped, INCIDENTS_EVERY_S), desk_beside(settings, desk_port)]
        sys.exit(run_ui(settings, port, beside=tasks))


@main.command()
def doctor() -> None:
    """Check settings, credentials, database, API, schema and clock, each with what to do about it."""
    from gazelle_sync.cli.doctor import examine, line

    with report_errors():
        unwind_when_stopped()
        findings = list(examine())
        for finding in findings:
            click.echo(line(finding))
        sys.exit(0 if all(finding.passed for finding in findings) else 1)


for command in (
    show,
    history,
    check,
    verify,
    errors,
    metrics,
    report,
    push,
    conflicts,
    import_files,
    alerts,
    calendar,
    inventory,
    invoices,
    desk,
    fleet,
    sandbox,
    init,
    notifications,
    psql,
):
    main.add_command(command)

if __name__ == "__main__":
    main()

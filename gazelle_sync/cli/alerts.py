"""`gazelle-sync alerts`: maintenance alerts, which notes of the shop make: options, messages, exit status; no logic."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from gazelle_sync.cli.frame import JSON, report_errors, services

if TYPE_CHECKING:
    from collections.abc import Sequence


KINDS = ("housse", "alimentation", "reservoir", "environnement")
IDS = click.argument("alert_ids", metavar="ID", type=int, nargs=-1, required=True)
WHO = click.option("--by", metavar="NAME", help="Who decides; the database's login where it is left out.")


@click.group()
def alerts() -> None:
    """Maintenance alerts: what notes say of covers, power, tanks and room climate."""


@alerts.command()
@click.option("--all", "everything", is_flag=True, help="Read all notes again, not only what is new.")
@JSON
def scan(everything: bool, as_json: bool) -> None:
    """Read the notes that are new, and bring the alerts up to date."""
    from gazelle_sync.cli import runs as runner

    with report_errors(), services(api=False, for_machines=as_json, meanwhile=runner.load_dagster) as settings:
        ended, numbers = runner.run_scan(settings, everything=everything)
        if as_json and ended.succeeded:
            click.echo(json.dumps(numbers, indent=2))
        else:
            click.echo(ended.text, err=as_json)
        sys.exit(0 if ended.succeeded else 1)


@alerts.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
@click.option("--client", metavar="ID", help="Only of this client: its id, or a part of its name.")
@click.option("--since", type=click.DateTime(formats=["%Y-%m-%d"]), help="Only observed on this day or later.")
@JSON
def list_alerts(kind: str | None, client: str | None, since: Any, as_json: bool) -> None:
    """Show what is open, to be confirmed, resolved and archived."""
    from gazelle_sync.shop.maintenance.alerts import Wanted, read_lists
    from gazelle_sync.shop.maintenance.render import render_lists

    with report_errors(), services(api=False, for_machines=as_json) as settings:
        found = read_lists(settings, Wanted(kind, client, since.date() if since else None))
        click.echo(_json(found) if as_json else render_lists(settings.language, found))


@alerts.command()
@click.argument("alert_id", metavar="ID", type=int)
@JSON
def show(alert_id: int, as_json: bool) -> None:
    """Show one alert: its note, what else was said of it, and its history."""
    from gazelle_sync.shop.maintenance.alerts import read_alert
    from gazelle_sync.shop.maintenance.render import render_alert

    with report_errors(), services(api=False, for_machines=as_json) as settings:
        found = read_alert(settings, alert_id)
        click.echo(_json(found) if as_json else render_alert(settings.language, found))


@alerts.command()
@IDS
@WHO
@JSON
def resolve(alert_ids: Sequence[int], by: str | None, as_json: bool) -> None:
    """Say that it is put right. A later note may open another one."""
    _decide(alert_ids, "resolved", by, as_json=as_json)


@alerts.command()
@IDS
@WHO
@JSON
def archive(alert_ids: Sequence[int], by: str | None, as_json: bool) -> None:
    """Put away what was no alert, or is nobody's concern any more."""
    _decide(alert_ids, "archived", by, as_json=as_json)


@alerts.command()
@IDS
@WHO
@JSON
def reopen(alert_ids: Sequence[int], by: str | None, as_json: bool) -> None:
    """Open again what was resolved or archived, or confirm a suggestion."""
    _decide(alert_ids, "open", by, as_json=as_json)


# A note may begin with a dash, and with any letter behind it.
@alerts.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("text")
@JSON
def test(text: str, as_json: bool) -> None:
    """Show what a note's text says. Neither the database nor Gazelle is asked."""
    from gazelle_sync.settings import Settings
    from gazelle_sync.shop.maintenance.reading import findings_in
    from gazelle_sync.shop.maintenance.render import finding_as_json, render_findings
    from gazelle_sync.shop.maintenance.scan import thresholds_of

    with report_errors():
        settings = Settings.load()
        found = [one for one in findings_in(text, thresholds_of(settings)) if one.effect != "normal"]
        as_text = render_findings(settings.language, found)
        click.echo(_json([finding_as_json(one) for one in found]) if as_json else as_text)


def _decide(alert_ids: Sequence[int], status: str, by: str | None, *, as_json: bool) -> None:
    from gazelle_sync.shop.maintenance.alerts import decide
    from gazelle_sync.shop.maintenance.render import render_decided

    with report_errors(), services(api=False, for_machines=as_json) as settings:
        found = decide(settings, alert_ids, status, by)
        click.echo(_json(found) if as_json else render_decided(settings.language, found))


def _json(found: object) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)

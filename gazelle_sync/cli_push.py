"""`gazelle-sync push` and `gazelle-sync conflicts`: options, messages and exit status; no logic."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gazelle_sync.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be sent, as a diff. Sends nothing.")
@click.option("--piano", "pianos", metavar="ID", multiple=True, help="Only this piano; may be given several times.")
@click.option("--status", "show_status", is_flag=True, help="What has not gone, and why. Sends nothing.")
@click.option("--undo", metavar="RUN", help="Put back what a run changed at Gazelle.")
def push(dry_run: bool, pianos: tuple[str, ...], show_status: bool, undo: str | None) -> None:
    """Send what was edited here to Gazelle. Exit status 0, or 1 if something did not go."""
    from gazelle_sync import runner
    from gazelle_sync.cli_frame import speaking, standing

    keys = list(pianos) or None
    if show_status + dry_run + (undo is not None) > 1:
        raise click.UsageError("--dry-run, --status and --undo exclude each other.")
    if show_status:
        with speaking(), standing(api=False) as settings:
            sys.exit(_status(settings))
    if dry_run:
        with speaking(), standing() as settings:
            sys.exit(_dry_run(settings, keys))
    with speaking(), standing(meanwhile=runner.load_dagster) as settings:
        ended = runner.run_push(settings, keys=keys, undo=undo)
        click.echo(ended.text)
        sys.exit(0 if ended.succeeded else 1)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def conflicts(context: click.Context, as_json: bool) -> None:
    """What both sides had changed: the later edit won, the other value is kept."""
    if context.invoked_subcommand is not None:
        return
    from gazelle_sync.cli_frame import speaking, standing
    from gazelle_sync.push.conflicts import open_conflicts
    from gazelle_sync.push.render import render_conflicts

    with speaking(), standing(api=False, for_machines=as_json) as settings:
        found = open_conflicts(settings)
        text = json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False) if as_json else None
        click.echo(text or render_conflicts(settings.language, found))


@conflicts.command()
@click.argument("conflict_id", metavar="ID", type=int)
@click.option("--take", type=click.Choice(["ours", "theirs"]), required=True, help="The side that counts.")
def resolve(conflict_id: int, take: str) -> None:
    """Have the last word: the side taken becomes the row's value, and goes to Gazelle with the next push."""
    from gazelle_sync.cli_frame import speaking, standing
    from gazelle_sync.push.conflicts import resolve as resolve_conflict
    from gazelle_sync.push.render import render_resolved

    with speaking(), standing(api=False) as settings:
        conflict, edited = resolve_conflict(settings, conflict_id, take)
        click.echo(render_resolved(settings.language, conflict, take, edited=edited))


def _status(settings: Settings) -> int:
    from gazelle_sync.push.render import render_waiting
    from gazelle_sync.push.status import read_push, read_waiting

    found = read_waiting(settings)
    last = read_push(settings, late=timedelta(0))
    click.echo(render_waiting(settings.language, found, last.failure))
    return 1 if last.failure is not None or any(row.error for row in found) else 0


def _dry_run(settings: Settings, keys: list[str] | None) -> int:
    from gazelle_sync.push.render import render_preview
    from gazelle_sync.push.session import preview
    from gazelle_sync.warehouse.migrate import migrate

    migrate(str(settings.database_url))
    text, all_well = render_preview(settings.language, preview(settings, keys=keys))
    click.echo(text)
    return 0 if all_well else 1

"""`gazelle-sync push` and `gazelle-sync conflicts`: options, messages and exit status; no logic."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from gazelle_sync.cli.frame import JSON, report_errors, services
from gazelle_sync.i18n import gettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gazelle_sync.settings import Settings

ONLY = "Only this piano or product, by its id, serial number or name; may be given several times."


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be sent, as a diff. Sends nothing.")
@click.option("--piano", "--record", "pianos", metavar="ID", multiple=True, help=ONLY)
@click.option("--status", "show_status", is_flag=True, help="What has not gone, and why. Sends nothing.")
@click.option("--undo", metavar="RUN", help="Put back what a run changed at Gazelle.")
@click.option("--allow-deletes", is_flag=True, help="Also end the records of many rows that were deleted here, once.")
def push(dry_run: bool, pianos: tuple[str, ...], show_status: bool, undo: str | None, allow_deletes: bool) -> None:
    """Send what was edited here to Gazelle. Exit status 0, or 1 if something did not go."""
    from gazelle_sync.cli import runs as runner
    from gazelle_sync.push.pushable import record_id

    if show_status + dry_run + (undo is not None) > 1:
        raise click.UsageError(gettext("--dry-run, --status and --undo exclude each other."))
    if show_status:
        with report_errors(), services(api=False) as settings:
            sys.exit(_status(settings, _ids(settings, pianos)))
    if dry_run:
        with report_errors(), services() as settings:
            sys.exit(_dry_run(settings, _ids(settings, pianos)))
    with report_errors(), services(meanwhile=runner.load_dagster) as settings:
        keys = _ids(settings, pianos)
        if undo is None and keys:
            keys, is_refused = _asked_for(settings, keys)
            if not keys:
                sys.exit(1 if is_refused else 0)
        else:
            is_refused = False
        run_id = record_id(undo) if undo is not None else None
        ended = runner.run_push(settings, keys=keys, undo=run_id, allow_deletes=allow_deletes)
        click.echo(ended.text)
        sys.exit(0 if ended.succeeded and not is_refused else 1)


@click.group(invoke_without_command=True)
@JSON
@click.option("--piano", "--record", "pianos", metavar="ID", multiple=True, help=ONLY)
@click.pass_context
def conflicts(context: click.Context, as_json: bool, pianos: tuple[str, ...]) -> None:
    """What both sides had changed: the later edit won, the other value is kept."""
    if context.invoked_subcommand is not None:
        return
    from gazelle_sync.push.conflicts import open_conflicts
    from gazelle_sync.push.render import render_conflicts
    from gazelle_sync.warehouse.names import read_names

    with report_errors(), services(api=False, for_machines=as_json) as settings:
        keys = _ids(settings, pianos)
        found = open_conflicts(settings, keys)
        is_missing = bool(keys) and _tell_missing(settings, keys, err=as_json)
        text = json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False) if as_json else None
        click.echo(text or render_conflicts(settings.language, found, partial(read_names, settings)))
        sys.exit(1 if is_missing else 0)


@conflicts.command()
@click.argument("conflict_id", metavar="ID", type=int)
@click.option("--take", type=click.Choice(["ours", "theirs"]), required=True, help="The side that counts.")
def resolve(conflict_id: int, take: str) -> None:
    """Have the last word: the side taken becomes the row's value, and goes to Gazelle with the next push."""
    from gazelle_sync.push.conflicts import resolve as resolve_conflict
    from gazelle_sync.push.render import render_resolved
    from gazelle_sync.warehouse.names import read_names

    with report_errors(), services(api=False) as settings:
        conflict, edited = resolve_conflict(settings, conflict_id, take)
        click.echo(
            render_resolved(settings.language, conflict, take, edited=edited, names=partial(read_names, settings))
        )


def _ids(settings: Settings, given: Sequence[str]) -> list[str] | None:
    """The ids of records that a person named; None: none was."""
    from gazelle_sync.push.names import ids_of
    from gazelle_sync.warehouse.migrate import migrate

    migrate(str(settings.database_url))
    return ids_of(settings, given)


def _asked_for(settings: Settings, keys: list[str], *, is_read_only: bool = False) -> tuple[list[str], bool]:
    """Tell of which records there is nothing to send, and why.

    Returns:
        The others, and whether something that was asked for cannot be done: a record without a row, or a hidden one
        that should be sent.
    """
    from gazelle_sync.push.render import render_standing
    from gazelle_sync.push.status import read_standing
    from gazelle_sync.warehouse.names import read_names

    found = read_standing(settings, keys)
    for line in render_standing(settings.language, found, partial(read_names, settings)):
        click.echo(line)
    refused = ("missing",) if is_read_only else ("missing", "hidden")
    return [one.key for one in found if one.state == "due"], any(one.state in refused for one in found)


def _tell_missing(settings: Settings, keys: list[str] | None, *, err: bool) -> bool:
    """Tell which records have no row; whether there are any."""
    from gazelle_sync.push.render import render_standing
    from gazelle_sync.push.status import read_standing
    from gazelle_sync.warehouse.names import read_names

    missing = [one for one in read_standing(settings, keys or []) if one.state == "missing"]
    for line in render_standing(settings.language, missing, partial(read_names, settings)):
        click.echo(line, err=err)
    return bool(missing)


def _status(settings: Settings, keys: list[str] | None) -> int:
    from gazelle_sync.push.render import render_waiting
    from gazelle_sync.push.status import read_push, read_waiting
    from gazelle_sync.warehouse.names import read_names

    found = read_waiting(settings, keys)
    last = read_push(settings, late=timedelta(0))
    is_refused = False
    if keys:
        _, is_refused = _asked_for(settings, keys, is_read_only=True)
    if found or last.failure is not None or not keys:
        click.echo(render_waiting(settings.language, found, last.failure, partial(read_names, settings)))
    return 1 if is_refused or last.failure is not None or any(row.error for row in found) else 0


def _dry_run(settings: Settings, keys: list[str] | None) -> int:
    from gazelle_sync.push.render import render_preview
    from gazelle_sync.push.session import preview
    from gazelle_sync.warehouse.names import read_names

    is_refused = False
    if keys:
        keys, is_refused = _asked_for(settings, keys)
        if not keys:
            return 1 if is_refused else 0
    text, all_well = render_preview(settings.language, preview(settings, keys=keys), partial(read_names, settings))
    click.echo(text)
    return 0 if all_well and not is_refused else 1

"""`gazelle-sync desk`: serves the desk, and says who may use it; options, messages and exit status only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gazelle_sync.cli.frame import JSON, report_errors, services, shop_connection
from gazelle_sync.i18n import gettext
from gazelle_sync.runtime import DESK_PORT

if TYPE_CHECKING:
    from gazelle_sync.settings import Settings


@click.group(invoke_without_command=True)
@click.option(
    "--port", default=DESK_PORT, show_default=True, type=click.IntRange(0, 65535), help="0 takes any that is free."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_context
def desk(context: click.Context, port: int, host: str) -> None:
    """Serve the pages for the shop's people until Ctrl-C: find, read, edit, send, plan."""
    if context.invoked_subcommand is not None:
        return
    from gazelle_sync.desk.desk import assert_safe
    from gazelle_sync.desk.server import running_desk
    from gazelle_sync.runtime.signals import join_until_stopped
    from gazelle_sync.settings import Settings
    from gazelle_sync.warehouse.migrate import migrate

    with report_errors():
        assert_safe(Settings.load(), host)
        with services() as settings:
            migrate(str(settings.database_url))
            with running_desk(settings, port, host) as (running, thread):
                click.echo(gettext("The desk is at {url}. Ctrl-C stops it.", url=running.public_url))
                join_until_stopped(thread)


@desk.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--role", type=click.Choice(["reader", "staff", "owner"]), default="staff", show_default=True,
    help="reader sees, staff also edits, owner also says who may do what.",
)  # fmt: skip
@click.option("--without-password", is_flag=True, help="A proxy signs this person in.")
def add(name: str, role: str, without_password: bool) -> None:
    """Let somebody use the desk, or change their role or password."""
    from gazelle_sync.desk.access import set_person

    with shop_connection() as (_, connection):
        password = None
        if not without_password:
            password = click.prompt(gettext("Password"), hide_input=True, confirmation_prompt=True, err=True)
        is_new = set_person(connection, name, role, password, _who())
        click.echo(
            gettext("{name} may use the desk.", name=name) if is_new else gettext("{name} was changed.", name=name)
        )


@desk.command()
@click.argument("name", metavar="NAME")
def remove(name: str) -> None:
    """Let somebody use the desk no longer; their sessions end."""
    from gazelle_sync.desk.access import remove_person
    from gazelle_sync.errors import CommandRefused

    with shop_connection() as (_, connection):
        if not remove_person(connection, name):
            raise CommandRefused(gettext("Nobody called {name} may use the desk.", name=name))
        click.echo(gettext("{name} may use the desk no longer.", name=name))


@desk.command()
@JSON
def people(as_json: bool) -> None:
    """Show who may use the desk."""
    from gazelle_sync.desk.access import ROLE_NAMES
    from gazelle_sync.desk.access import people as read_people

    with shop_connection(for_machines=as_json) as (_, connection):
        found = read_people(connection)
        if as_json:
            shown = [{**one, "last_login": one["last_login"] and one["last_login"].isoformat()} for one in found]
            click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
            return
        for one in found:
            click.echo(f"{one['name']}  {gettext(ROLE_NAMES[one['role']])}")
        if not found:
            click.echo(gettext("Nobody: the desk is this machine's user's alone, or behind a proxy."))


def desk_beside(settings: Settings, port: int) -> Callable[[threading.Event], None]:
    """The desk as a task beside the Dagster UI. Where its port is taken, the rest goes on."""
    from gazelle_sync.desk.server import running_desk
    from gazelle_sync.errors import GazelleSyncError
    from gazelle_sync.warehouse.migrate import migrate

    def serve(stopped: threading.Event) -> None:
        try:
            migrate(str(settings.database_url))
            with running_desk(settings, port) as (running, _):
                click.echo(gettext("The desk is at {url}", url=running.public_url))
                stopped.wait()
        except GazelleSyncError as error:
            click.secho("⚠ " + gettext("The desk was not started: {reason}", reason=error), fg="yellow")

    return serve


def _who() -> str:
    from gazelle_sync.desk.access import person_here

    return person_here().name

"""`gazelle-sync sandbox`: serve the sandbox, edit its records as users would, and arm its faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gazelle_sync.i18n import gettext
from gazelle_sync.runtime.signals import unwind_when_stopped


@click.group(invoke_without_command=True)
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Of the server; 0 takes any that is free.",
)
@click.option(
    "--dialect", type=click.Choice(["published", "seed", "live"]), default="published", show_default=True,
    help="Which schema of Gazelle's is served.",
)  # fmt: skip
@click.option("--scale", default="seed", help="seed, shop, or a multiple of the seed's sizes.", show_default=True)
@click.option("--timeline", type=int, help="Number of timeline entries, whatever the scale.")
@click.option(
    "--database", type=click.Path(path_type=Path), help="SQLite file of the account (default: the embedded one)."
)
@click.pass_context
def sandbox(
    context: click.Context, port: int, dialect: str, scale: str, timeline: int | None, database: Path | None
) -> None:
    """Serve a Gazelle of our own until Ctrl-C. Scale and timeline count when the account is made, the first time.

    The commands below act on the embedded account, whether it is being served or not.
    """
    if context.invoked_subcommand is not None:
        return
    from gazelle_sync.errors import GazelleSyncError
    from gazelle_sync.runtime.embedded import sandbox_database, sandbox_ready_file, sandbox_reserved
    from gazelle_sync.sandbox import SANDBOX_API_KEY
    from gazelle_sync.sandbox.account import Account
    from gazelle_sync.sandbox.server import serve
    from gazelle_sync.settings import Settings

    unwind_when_stopped()
    settings = Settings.load()
    path = database or sandbox_database(settings)
    try:
        size: str | float = scale if scale in ("seed", "shop") else float(scale)
    except ValueError:
        said = gettext("{value} is neither seed, shop nor a number", value=repr(scale))
        raise click.BadParameter(said, param_hint="--scale") from None

    def say(url: str) -> None:
        click.echo(gettext("listening on {url}", url=url))
        variables = f"GAZELLE_API_URL={url} GAZELLE_API_TOKEN={SANDBOX_API_KEY}"
        click.echo(gettext("use it with: {variables}", variables=variables))

    if database is not None:
        serve(Account(path, dialect=dialect, scale=size, timeline=timeline), port=port, on_ready=say)
        return
    try:
        with sandbox_reserved(settings):
            account = Account(path, dialect=dialect, scale=size, timeline=timeline)
            serve(account, port=port, on_ready=say, ready_file=sandbox_ready_file(settings))
    except GazelleSyncError as error:
        raise click.ClickException(str(error)) from error


@sandbox.command()
@click.argument("kind")
@click.argument("record_id")
@click.argument("values", nargs=-1, required=True, metavar="FIELD=VALUE…")
@click.option("--touch/--no-touch", default=True, help="Whether updatedAt moves, as it does for a user's edit.")
def edit(kind: str, record_id: str, values: tuple[str, ...], touch: bool) -> None:
    """Edit a record: sandbox edit clients cli_… companyName="Piano Nord"."""
    with _admin() as admin:
        _show(admin.edit(kind, record_id, touch=touch, **_fields(values)))


@sandbox.command()
@click.argument("kind")
@click.argument("values", nargs=-1, required=True, metavar="FIELD=VALUE…")
def create(kind: str, values: tuple[str, ...]) -> None:
    """Create a record: sandbox create timeline clientId=cli_… type=USER_COMMENT comment=Bonjour."""
    with _admin() as admin:
        _show(admin.create(kind, **_fields(values)))


@sandbox.command()
@click.argument("kind")
@click.argument("record_id")
def delete(kind: str, record_id: str) -> None:
    """Delete a record, and what goes with it."""
    with _admin() as admin:
        admin.delete(kind, record_id)
        click.echo(gettext("{id} is gone", id=record_id))


@sandbox.command(name="list")
@click.argument("kind")
@click.option("--most", default=10, show_default=True, help="So many records.")
def list_records(kind: str, most: int) -> None:
    """Show some records of a kind (clients, pianos, events, timeline, invoices, users, products)."""
    with _admin() as admin:
        for record in admin.dump(kind)[:most]:
            _show(record)


@sandbox.command()
@click.option("--seed", default=1, show_default=True, help="Another number makes other changes.")
def day(seed: int) -> None:
    """Make the changes of an ordinary day: 5 clients, 2 pianos, 25 visits, 30 notes."""
    with _admin() as admin:
        _show({kind: len(ids) for kind, ids in admin.random_edits(seed=seed).items()})


@sandbox.command(name="break")
@click.argument("kind")
@click.argument("options", nargs=-1, metavar="[OPTION=VALUE…]")
@click.option("--times", default=1, show_default=True, help="How many requests it strikes; 0: until `mend`.")
@click.option("--operation", default="", help="Only requests that hold this text, an operation's name say.")
def break_(kind: str, options: tuple[str, ...], times: int, operation: str) -> None:
    """Break something while the sandbox is served: sandbox break status code=503 --times 3."""
    with _admin() as admin:
        _show(admin.fault(kind, times=times, operation=operation, **_fields(options)))


@sandbox.command()
def mend() -> None:
    """Take back whatever `break` broke."""
    with _admin() as admin:
        admin.clear_faults()
        click.echo(gettext("everything works again"))


@contextmanager
def _admin() -> Iterator[Any]:
    from gazelle_sync.errors import GazelleSyncError
    from gazelle_sync.runtime.embedded import embedded_sandbox
    from gazelle_sync.sandbox.admin import SandboxAdmin
    from gazelle_sync.settings import Settings

    unwind_when_stopped()
    try:
        with embedded_sandbox(Settings.load()) as url, SandboxAdmin(url) as admin:
            yield admin
    except (ValueError, GazelleSyncError) as error:
        raise click.ClickException(str(error)) from error


def _fields(values: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` pairs; a value that is JSON is taken as JSON, any other as text."""
    fields: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.BadParameter(gettext("{value} should be FIELD=VALUE", value=repr(value)))
        try:
            fields[name] = json.loads(text)
        except ValueError:
            fields[name] = text
    return fields


def _show(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))

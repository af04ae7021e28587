"""`gazelle-sync psql`: opens the shop's database; options, messages and exit status only."""

from __future__ import annotations

import sys

import click

from gazelle_sync.cli.frame import report_errors, services
from gazelle_sync.i18n import gettext


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the shop's database, the embedded one too; without psql, say its address.

    Arguments go to psql: gazelle-sync psql -c "SELECT …". The password is neither shown nor in the list of processes.
    """
    from gazelle_sync.runtime.psql import address_without_password, find_psql, open_psql

    with report_errors(), services(api=False, for_machines=True) as settings:
        url = str(settings.database_url)
        program = find_psql()
        if program is not None:
            sys.exit(open_psql(program, url, arguments))
        click.echo(gettext("psql is not installed here. The address of the database, for any other program:"), err=True)
        click.echo(address_without_password(url))
        click.echo(
            gettext(
                "A password, if it has one, is in GAZELLE_DATABASE_URL. The embedded database runs while "
                "`gazelle-sync up` does."
            ),
            err=True,
        )

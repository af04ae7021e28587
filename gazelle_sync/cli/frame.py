"""Shared by all commands: the settings, the embedded parts, and the reporting of errors in one sentence."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from gazelle_sync.cli.languages import find_language, translate_click, translated
from gazelle_sync.errors import CommandRefused, GazelleSyncError
from gazelle_sync.i18n import STOPPED, gettext, language
from gazelle_sync.runtime.signals import (
    interrupts_deferred,
    leave,
    leave_when_stopped,
    status_of,
    unwind_when_stopped,
)

JSON = click.option("--json", "as_json", is_flag=True, help="For machines.")
"""The option of each command whose answer a program may read."""
WRITERS = ("click.utils", "rich.console")

translate_click()


class Commands(click.Group):
    """The commands.

    Ctrl-C or SIGTERM ends any of them, at any moment, in one sentence and with status 130 or 143; output that cannot be
    written does so with status 1.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as a program."""
        try:
            find_language()
            return super(Commands, translated(self)).main(*args, **extra)
        except OSError as error:
            if not _is_of_output(error):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes once more as it exits
            said = gettext("The output cannot be written ({reason}).", reason=error.strerror)
            click.secho(f"✗ {said}", fg="red", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            leave_when_stopped()
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            leave_when_stopped()
            click.secho(STOPPED[language()], err=True)
            leave(status_of(interrupt))
        finally:
            leave_when_stopped()


@contextmanager
def services(
    *, api: bool = True, for_machines: bool = False, meanwhile: Callable[[], None] | None = None
) -> Iterator[Any]:
    """The settings, with what they leave unset started for the length of the command.

    A command that works on a sandbox says so first.

    Args:
        api: Whether the API is needed.
        for_machines: Whether standard output is read by a program: messages for people go to standard error.
        meanwhile: Runs on a thread while the embedded parts start.
    """
    from gazelle_sync.i18n.translator import translator
    from gazelle_sync.runtime import logs as log
    from gazelle_sync.runtime.embedded import embedded_services
    from gazelle_sync.settings import Settings
    from gazelle_sync.warehouse.migrate import schema_remembered
    from gazelle_sync.warehouse.pool import keep_connections
    from gazelle_sync.warehouse.source import SANDBOX_NOTICE, is_sandbox

    _refuse_what_is_no_text()
    settings = Settings.load()
    try:
        log.configure(settings)
    except OSError as error:
        raise GazelleSyncError(
            gettext(
                "The home {home} cannot be written ({reason}). Set GAZELLE_SYNC_HOME to a folder of your own, or free "
                "some space.",
                home=settings.home,
                reason=error.strerror,
            )
        ) from error
    thread = threading.Thread(target=meanwhile or (lambda: None), daemon=True)
    thread.start()
    unwind_when_stopped()
    try:
        with embedded_services(settings, api=api) as running, keep_connections(), schema_remembered():
            with interrupts_deferred():
                thread.join()
            if is_sandbox(running, api=api):
                click.secho(translator(running.language)(SANDBOX_NOTICE), fg="yellow", err=for_machines)
            yield running
    except GazelleSyncError:
        with interrupts_deferred():
            thread.join()  # a process that ends while a thread imports what is written in C++ is aborted
        raise


@contextmanager
def shop_database(
    *, api: bool = False, for_machines: bool = False, meanwhile: Callable[[], None] | None = None
) -> Iterator[Any]:
    """The settings as `services` gives them, with errors reported and the shop's database up to date."""
    from gazelle_sync.warehouse.migrate import migrate

    with report_errors(), services(api=api, for_machines=for_machines, meanwhile=meanwhile) as settings:
        migrate(str(settings.database_url))
        yield settings


@contextmanager
def shop_connection(*, for_machines: bool = False) -> Iterator[tuple[Any, Any]]:
    """The same, and a connection to that database."""
    from gazelle_sync.warehouse.pool import borrow

    with shop_database(for_machines=for_machines) as settings, borrow(str(settings.database_url)) as connection:
        yield settings, connection


def _refuse_what_is_no_text() -> None:
    """Bytes that are no UTF-8, typed at a terminal with another encoding, cannot be stored; a file may be named so.

    Raises:
        CommandRefused: An argument that is no path holds some.
    """
    context = click.get_current_context(silent=True)
    for value in context.params.values() if context else ():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and text != text.encode(errors="replace").decode():
                said = ascii(text.encode(errors="surrogateescape"))[1:]
                raise CommandRefused(gettext("{text} is not written in UTF-8.", text=said))


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn the library's errors into one message and exit status 1."""
    try:
        yield
    except GazelleSyncError as error:
        from gazelle_sync.runtime.logs import masked

        click.secho(f"✗ {masked(str(error))}", fg="red", err=True)
        sys.exit(1)
    except click.exceptions.Exit:
        raise
    except Exception as error:
        if _is_of_output(error):
            raise
        from gazelle_sync.runtime.logs import describe_unexpected, get_logger

        get_logger("gazelle_sync").exception("unexpected error")
        click.secho(f"✗ {describe_unexpected(error)}.", fg="red", err=True)
        sys.exit(1)


def _is_of_output(error: Exception) -> bool:
    """Whether writing to standard output failed: its disk is full, or its reader has ended."""
    places = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, OSError) and places[-1] in WRITERS

"""How definitions reach the shop's services: a step has them running, a schedule or sensor only asks the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import dagster as dg

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.location import tag_run
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow

T = TypeVar("T")


@contextmanager
def step_services(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Iterator[Settings]:
    """The settings of a step that needs no API, with an embedded database started where none is set.

    Args:
        context: Of the step; its run gets the tags of the shop's runs.

    Raises:
        dagster.Failure: An error of ours came up; the failure has its cause.
    """
    tag_run(context.instance, context.run)
    try:
        with embedded_services(Settings.load(), api=False) as settings:
            log.configure_once(settings)
            yield settings
    except GazelleSyncError as error:
        raise failure_of(error) from None


def ask_database(settings: Settings, question: Callable[[Connection], T]) -> T | dg.SkipReason:
    """What a schedule or sensor asks before it starts a run; the reason for none where the database cannot be asked.

    Args:
        settings: The shop's.
        question: Asks over a connection to a database that is up to date.
    """
    if settings.database_url is None:
        return dg.SkipReason("There is no database yet.")
    try:
        if pending(settings.database_url):
            return dg.SkipReason("The database is not up to date yet: the next run migrates it.")
        with borrow(settings.database_url) as connection:
            return question(connection)
    except GazelleSyncError as error:
        return dg.SkipReason(f"The database cannot be asked: {error}")


def run_if_due(
    settings: Settings, is_due: Callable[[Connection], bool], otherwise: str
) -> dg.RunRequest | dg.SkipReason:
    """A run where something is due.

    Args:
        settings: The shop's.
        is_due: Asks whether something is.
        otherwise: The reason for no run where nothing is.
    """
    found = ask_database(settings, is_due)
    if isinstance(found, dg.SkipReason):
        return found
    return dg.RunRequest() if found else dg.SkipReason(otherwise)

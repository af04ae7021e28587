"""`gazelle-sync doctor`: settings, credentials, database, API, schema and clocks, each with what to do about it.

It takes the place of the predecessor's validation script: run it before the first sync, and when something is wrong.
A check that fails does not stop the others. A finding is not well only where a person has to act: what the next sync
puts right by itself (migrations, an access token that expired) is said and passes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import timedelta

from gazelle_sync.cli.doctor.api import api_findings, open_api, schema_findings
from gazelle_sync.cli.doctor.clocks import clocks_finding, database_clock
from gazelle_sync.cli.doctor.credentials import credentials_findings, secrets_of
from gazelle_sync.cli.doctor.database import database_findings
from gazelle_sync.cli.doctor.finding import Finding
from gazelle_sync.cli.doctor.variables import environment, home_findings, settings_findings
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.runtime.logs import masked
from gazelle_sync.settings import Settings

__all__ = ["Finding", "examine"]


def examine() -> Iterator[Finding]:
    """Run every check, in the order in which things depend on each other. What is not set is started for it."""
    environ = environment()
    findings, broken = settings_findings(environ)
    settings = Settings.load({name: value for name, value in environ.items() if name not in broken})
    secrets = secrets_of(settings)
    for finding in [*findings, *_checks(settings, broken)]:
        yield replace(finding, text=masked(finding.text, secrets))


def _checks(settings: Settings, broken: set[str]) -> Iterator[Finding]:
    yield from home_findings(settings)
    with ExitStack() as stack:
        standing = settings
        try:
            standing = stack.enter_context(_stand(settings, api="GAZELLE_API_URL" not in broken))
        except GazelleSyncError as error:
            yield Finding("embedded parts", False, f"{error} What needs them is not examined.")
        except OSError as error:
            yield Finding(
                "embedded parts",
                False,
                f"they cannot be started ({error}). Set GAZELLE_SYNC_HOME to a folder of yours with 1 GB free. What "
                "needs them is not examined.",
            )
        api = None
        if standing.api_url is not None:
            yield from credentials_findings(standing, is_sandbox=settings.api_url is None)
            api = open_api(stack, standing)
        database = yield from database_findings(stack, standing, broken)
        ahead: dict[str, timedelta] = {}
        if api is not None and (gazelle := (yield from api_findings(api))) is not None:
            ahead["Gazelle's"] = gazelle
            yield from schema_findings(api)
        if database is not None:
            yield from database_clock(database, ahead)
        yield clocks_finding(ahead)


def _stand(settings: Settings, *, api: bool) -> AbstractContextManager[Settings]:
    from gazelle_sync.runtime import logs as log
    from gazelle_sync.runtime.embedded import embedded_services

    log.configure(settings, terminal_level=logging.CRITICAL)  # the findings say it
    return embedded_services(settings, api=api)

"""`gazelle-sync doctor`: settings, credentials, database, API, schema and clocks, each with what to do about it.

It takes the place of the predecessor's validation script: run it before the first sync, and when something is wrong.
A check that fails does not stop the others. A finding is not well only where a person has to act: what the next sync
puts right by itself (migrations, an access token that expired) is said and passes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gazelle_sync.cli.doctor.api import api_findings, credentials_findings, open_api, schema_findings, secrets_of
from gazelle_sync.cli.doctor.database import database_findings
from gazelle_sync.cli.doctor.variables import environment, home_findings, settings_findings
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n.translator import Translator, translator
from gazelle_sync.quality.finding import Finding
from gazelle_sync.runtime.logs import masked
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, database_errors

CLOCKS_MAY_DIFFER = timedelta(seconds=60)


def examine(answers: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Run every check, in the order in which things depend on each other. What is not set is started for it.

    Args:
        answers: Variables that are to be tried in the place of those that are set; an empty one counts as not set.
    """
    environ = {name: value for name, value in (environment() | dict(answers or {})).items() if value}
    findings, broken = settings_findings(environ)
    settings = Settings.load({name: value for name, value in environ.items() if name not in broken})
    secrets = secrets_of(settings)
    for finding in [*findings, *_checks(settings, broken)]:
        yield replace(finding, summary=masked(finding.summary, secrets))


def examine_shop(settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """What `gazelle-sync fleet doctor` examines of one shop, in a process of the shop's own.

    Returns:
        `findings`: of each its check, whether it passed, and its sentence.
    """
    secrets = secrets_of(settings)
    found = [
        {"check": one.check, "passed": one.passed, "summary": masked(one.summary, secrets)}
        for one in _checks_of_shop(settings)
    ]
    return {"findings": found}


def line(finding: Finding) -> str:
    """A finding as one line for a terminal."""
    return f"{'✓' if finding.passed else '✗'} {finding.check}: {finding.summary}"


def _checks(settings: Settings, broken: set[str]) -> Iterator[Finding]:
    say = translator(settings.language)
    yield from home_findings(settings)
    with ExitStack() as stack:
        standing = settings
        try:
            standing = stack.enter_context(_started(settings, api="GAZELLE_API_URL" not in broken))
        except GazelleSyncError as error:
            unseen = say("What needs them is not examined.")
            yield Finding("embedded parts", False, f"{error} {unseen}")
        except OSError as error:
            yield Finding(
                "embedded parts",
                False,
                say(
                    "they cannot be started ({error}). Set GAZELLE_SYNC_HOME to a folder of yours with 1 GB free. What "
                    "needs them is not examined.",
                    error=error,
                ),
            )
        api = None
        if standing.api_url is not None:
            yield from credentials_findings(standing, is_sandbox=settings.api_url is None)
            api = open_api(stack, standing)
        database = yield from database_findings(stack, standing, broken)
        ahead: dict[str, timedelta] = {}
        if api is not None and (gazelle := (yield from api_findings(api, say))) is not None:
            ahead[say("Gazelle's")] = gazelle
            yield from schema_findings(api, say)
        if database is not None:
            yield from _database_clock(database, ahead, say)
        yield _clocks(ahead, say)


def _checks_of_shop(settings: Settings) -> Iterator[Finding]:
    say = translator(settings.language)
    yield from home_findings(settings)
    with ExitStack() as stack:
        yield from credentials_findings(settings, is_sandbox=False)
        api = open_api(stack, settings)
        yield from database_findings(stack, settings, set())
        if api is not None:
            yield from api_findings(api, say)
            yield from schema_findings(api, say)


def _started(settings: Settings, *, api: bool) -> AbstractContextManager[Settings]:
    from gazelle_sync.runtime import logs as log
    from gazelle_sync.runtime.embedded import embedded_services

    log.configure(settings, terminal_level=logging.CRITICAL)  # the findings say it
    return embedded_services(settings, api=api)


def _database_clock(connection: Connection, ahead: dict[str, timedelta], say: Translator) -> Iterator[Finding]:
    """Note how far the database's clock is ahead of ours."""
    asked_at = datetime.now(UTC)
    try:
        with database_errors():
            row = connection.execute("SELECT clock_timestamp()").fetchone()
    except GazelleSyncError as error:
        yield Finding("clock", False, str(error))
        return
    if row is not None:
        ahead[say("the database's")] = row[0].astimezone(UTC) - asked_at


def _clocks(ahead: dict[str, timedelta], say: Translator) -> Finding:
    """Compare the clocks; the one that differs from both others has to be set.

    Args:
        ahead: Whose clock → how far it is ahead of this machine's.
        say: The translator.
    """
    if not ahead:
        nobody = say("neither Gazelle nor the database answered, so there is nothing to compare it with")
        return Finding("clock", True, nobody)
    off = {whose: difference for whose, difference in ahead.items() if abs(difference) > CLOCKS_MAY_DIFFER}
    if not off:
        furthest = max(abs(difference.total_seconds()) for difference in ahead.values())
        text = say("{clocks} and this machine's agree within {n} s", clocks=", ".join(ahead), n=round(furthest + 1))
        return Finding("clock", True, text)
    said = ", ".join(_ahead(whose, difference, say) for whose, difference in off.items())
    if off.keys() == ahead.keys():
        advice = say("Set this machine's clock (timedatectl set-ntp true), then look again.")
    elif say("Gazelle's") in off:
        advice = say("Nothing has to be set here, since the sync goes by Gazelle's clock. If it lasts, tell Gazelle.")
    else:
        advice = say("Have the database server's clock set (NTP): ages in `status` are off by it.")
    return Finding("clock", False, f"{said}. {advice}")


def _ahead(whose: str, difference: timedelta, say: Translator) -> str:
    seconds = abs(difference.total_seconds())
    if seconds < 120:
        span = say("{n} s", n=round(seconds))
    elif seconds < 7200:
        span = say("{n} min", n=round(seconds / 60))
    else:
        span = say("{n} h", n=say.decimal(seconds / 3600))
    if difference > timedelta(0):
        return say("{clock} is {span} ahead of this machine's", clock=whose, span=span)
    return say("{clock} is {span} behind this machine's", clock=whose, span=span)

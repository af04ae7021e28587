"""One verification, from the first request to the note of when it last held. It writes that note and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.errors import CommandRefused
from gazelle_sync.gazelle.client import GazelleClient, client_for
from gazelle_sync.gazelle.page_sizes import NESTED_SIZES, PageSizes
from gazelle_sync.gazelle.page_sizes import SETTING as PAGE_SIZES
from gazelle_sync.i18n import gettext
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.report import Progress
from gazelle_sync.quality.verify.account import Account
from gazelle_sync.quality.verify.difference import Findings
from gazelle_sync.quality.verify.records import verify_list, verify_stamps
from gazelle_sync.quality.verify.timeline import DayCount, TimelineVerifier
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_setting, read_settings, watermarks_in, write_setting
from gazelle_sync.warehouse.source import SOURCE_SETTING, refuse_mixing

SETTING = "verified"
"""The key in `system_settings` of when a verification last held, entity by entity."""


class Held(msgspec.Struct):
    """How the last verifications of an entity ended.

    Attributes:
        held_at: When production last equalled the account, aware UTC; None: never.
        deep_held_at: The same of a verification of every body.
        looked_at: When it was looked at last.
        wrong: How many records were wrong then.
    """

    held_at: datetime | None = None
    deep_held_at: datetime | None = None
    looked_at: datetime | None = None
    wrong: int = 0


@dataclass
class Verdict:
    """What one verification came to.

    Attributes:
        deep: Whether every body was compared.
        at: When it began, aware UTC.
        findings: Of each entity.
        days: Montreal days on which the timeline has another number of entries here than at Gazelle.
        requests: How many it sent.
        seconds: How long it took.
    """

    deep: bool
    at: datetime
    findings: list[Findings] = field(default_factory=list)
    days: list[DayCount] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether production equals the account, but for what the next run brings."""
        return all(one.holds for one in self.findings)


def verify(settings: Settings, entities: Sequence[str] | None, *, deep: bool, progress: Progress) -> Verdict:
    """Compare production with the account, as both are now.

    Args:
        settings: With `api_url` and `database_url` filled in.
        entities: Names; None: all.
        deep: Whether every body is read again; else a sample.
        progress: Receives how far it is.

    Raises:
        CommandRefused: The database is not up to date, or nothing was ever pulled into it.
        ApiError: Gazelle cannot be asked.
        DatabaseError: The database cannot be reached.
    """
    url, begun = str(settings.database_url), time.monotonic()
    if pending(url):
        raise CommandRefused(
            gettext("This database is not set up, or not up to date. `gazelle-sync sync` does it (or `migrate` alone).")
        )
    with borrow(url) as connection:
        stored = read_settings(connection)
    refuse_mixing(stored.get(SOURCE_SETTING), str(settings.api_url))
    watermarks = watermarks_in(stored)
    verdict = Verdict(deep, datetime.now(UTC))
    with closing(client_for(settings)) as client:
        sizes = PageSizes(client.url, settings.page_size, stored.get(PAGE_SIZES))
        for entity in ENTITIES:
            if entities is not None and entity.name not in entities:
                continue
            reader = _reader(client, entity, sizes)
            account = Account(entity, client, reader, url, watermarks.get(entity.name), progress=progress)
            _verify(account, verdict)
            verdict.findings.append(account.findings)
        verdict.requests = client.requests
    verdict.seconds = time.monotonic() - begun
    _note(url, verdict)
    return verdict


def last_held(settings: dict[str, str]) -> dict[str, Held]:
    """Entity → how its last verifications ended, from the rows of `system_settings`."""
    try:
        return msgspec.json.decode(settings.get(SETTING) or "{}", type=dict[str, Held])
    except msgspec.DecodeError:
        return {}


def _verify(account: Account, verdict: Verdict) -> None:
    if account.entity.strategy is Strategy.WINDOWED:
        verdict.days = TimelineVerifier(account, deep=verdict.deep).verify()
    elif account.entity.strategy is Strategy.WHOLE_LIST:
        verify_list(account)
    else:
        verify_stamps(account, deep=verdict.deep)


def _reader(client: GazelleClient, entity: Entity, sizes: PageSizes) -> Reader:
    return Reader(client, entity, sizes.of(entity.name), sizes.nested_of(entity.name) or NESTED_SIZES[0])


def _note(url: str, verdict: Verdict) -> None:
    """Note when the verification of each entity last held: the only thing that it writes."""
    with borrow(url) as connection, connection.transaction():
        held = last_held({SETTING: read_setting(connection, SETTING) or "{}"})
        for found in verdict.findings:
            before = held.get(found.entity, Held())
            held[found.entity] = Held(
                held_at=verdict.at if found.holds else before.held_at,
                deep_held_at=verdict.at if found.holds and verdict.deep else before.deep_held_at,
                looked_at=verdict.at,
                wrong=len({(one.table, one.external_id) for one in found.wrong}) + found.beyond,
            )
        write_setting(connection, SETTING, msgspec.json.encode(held, order="sorted").decode())

"""What an endpoint's schema offers: asked once a day by introspection, remembered in `system_settings`.

An older API sorts by `UPDATED_AT_DESC` and filters by `startGte`; the published schema has neither. Both must work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from gazelle_sync.errors import ApiError, ApiUnreachable, CredentialsRefused, OperationFailed, RequestRefused
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, database_errors
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import write_setting

SETTING = "api_features"
GOOD_FOR = timedelta(days=1)
EVENTS_FILTER = "PrivateAllEventsFilter"
UPDATED_AT_DESC = "UPDATED_AT_DESC"
BAD_REQUEST = 400
"""Some servers answer so to a query that they do not allow, introspection among them."""

log = get_logger("gazelle_sync.pull")


@dataclass(frozen=True)
class Features:
    """What goes beyond the published schema.

    Attributes:
        updated_at_sorts: The sort enums that know `UPDATED_AT_DESC`.
        has_start_gte: Whether events can be filtered by `startGte`.
        has_date_get: Whether events can be filtered by `dateGet` and `dateLet`.
    """

    updated_at_sorts: frozenset[str] = frozenset()
    has_start_gte: bool = False
    has_date_get: bool = True


class _Remembered(msgspec.Struct):
    url: str
    asked_at: datetime
    updated_at_sorts: list[str]
    has_start_gte: bool
    has_date_get: bool


def features_of(
    client: GazelleClient, connection: Connection, stored: str | None, sort_enums: Mapping[str, str]
) -> Features:
    """What the endpoint offers, from memory if it was asked within a day.

    Args:
        client: The endpoint.
        connection: Where the answer is kept.
        stored: The answer that is kept there (`SETTING`); None: there is none.
        sort_enums: Entity → its sort enum.
    """
    if stored is not None:
        try:
            held = msgspec.json.decode(stored, type=_Remembered)
        except msgspec.DecodeError:
            held = None
        if held and held.url == client.url and datetime.now(UTC) - GOOD_FOR < held.asked_at <= datetime.now(UTC):
            return Features(frozenset(held.updated_at_sorts), held.has_start_gte, held.has_date_get)
    features = _ask(client, sorted(set(sort_enums.values())))
    if features is None:
        return Features()
    remember = _Remembered(
        client.url,
        datetime.now(UTC),
        sorted(features.updated_at_sorts),
        features.has_start_gte,
        features.has_date_get,
    )
    text = msgspec.json.encode(remember)
    with database_errors():
        write_setting(connection, SETTING, text.decode())
        connection.commit()
    return features


def forget_features(url: str) -> None:
    """Ask again next time."""
    with borrow(url) as connection:
        connection.execute("DELETE FROM system_settings WHERE key = %s", [SETTING])


def _is_no(error: ApiError) -> bool:
    """Whether the API answered that it does not let itself be asked, which holds for the day."""
    return isinstance(error, OperationFailed) or (isinstance(error, RequestRefused) and error.status == BAD_REQUEST)


def _ask(client: GazelleClient, enums: list[str]) -> Features | None:
    parts = [f'e{n}: __type(name: "{name}") {{ enumValues {{ name }} }}' for n, name in enumerate(enums)]
    parts.append(f'filter: __type(name: "{EVENTS_FILTER}") {{ inputFields {{ name }} }}')
    query = f"query SchemaFeatures {{ {' '.join(parts)} }}"
    try:
        data = client.execute("SchemaFeatures", query, can_ask_for_less=True).data
    except (CredentialsRefused, ApiUnreachable):
        raise
    except ApiError as error:
        log.info("the schema cannot be asked, taking the published one", reason=str(error))
        return Features() if _is_no(error) else None
    sorts = [
        name
        for n, name in enumerate(enums)
        if any(v.get("name") == UPDATED_AT_DESC for v in (data.get(f"e{n}") or {}).get("enumValues") or [])
    ]
    filters = {f.get("name") for f in (data.get("filter") or {}).get("inputFields") or []}
    return Features(frozenset(sorts), "startGte" in filters, not filters or "dateGet" in filters)

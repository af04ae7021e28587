"""The API: whether it lets us in, and whether its schema knows what we ask for."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from gazelle_sync.cli.doctor.finding import Finding
from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import ApiError, CredentialsRefused, GazelleSyncError, SettingsError, first_line
from gazelle_sync.gazelle.auth import credentials_from
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.settings import Settings

COUNT = "query DoctorCount { allClients { totalCount } }"


def open_api(stack: ExitStack, settings: Settings) -> GazelleClient | None:
    """A client for the doctor's few requests; None without credentials."""
    from gazelle_sync.gazelle.throttle import Throttle

    try:
        credentials = credentials_from(settings)
    except GazelleSyncError:
        return None  # said already
    # Three requests in all: no budget, which would need a database that may be what is wrong.
    throttle = Throttle(0, "")
    client = GazelleClient(str(settings.api_url), credentials, throttle, timeout_s=min(settings.timeout_s, 10))
    stack.callback(client.close)
    return client


def api_findings(client: GazelleClient) -> Generator[Finding, None, timedelta | None]:
    """The finding; returns how far Gazelle's clock is ahead of ours, if it answered."""
    begun, asked_at = time.perf_counter(), datetime.now(UTC)
    try:
        answer = client.execute("DoctorCount", COUNT)
        clients = answer.data["allClients"]["totalCount"]
    except (CredentialsRefused, SettingsError) as error:
        yield Finding("API", False, str(error))
        return None
    except ApiError as error:
        yield Finding("API", False, f"{error} Is {client.url} Gazelle's address (https://gazelleapp.io)?")
        return None
    except (KeyError, TypeError):
        yield Finding("API", False, f"{client.url} answers, but not as Gazelle does. Check GAZELLE_API_URL.")
        return None
    milliseconds = (time.perf_counter() - begun) * 1000
    yield Finding("API", True, f"{client.url} lets us in: {clients} clients, {milliseconds:.0f} ms")
    return answer.not_before - asked_at


def schema_findings(client: GazelleClient) -> Iterator[Finding]:
    """Whether the endpoint knows every field that we ask for."""
    from graphql import build_client_schema, get_introspection_query, parse, validate

    try:
        introspection = client.execute("IntrospectionQuery", get_introspection_query(descriptions=False)).data
        schema = build_client_schema(introspection)  # type: ignore[arg-type] # as the endpoint says it
    except (ApiError, TypeError) as error:
        yield Finding(
            "schema",
            True,
            f"the endpoint does not tell its schema ({first_line(error)}), so our operations are tried by the first "
            "sync; watch what `gazelle-sync status` says after it",
        )
        return
    texts = _operations()
    refused = {name: errors for name, text in texts.items() if (errors := validate(schema, parse(text)))}
    for name, errors in refused.items():
        yield Finding(
            "schema",
            False,
            f"Gazelle would refuse {name}: {first_line(errors[0])} Its API has changed: a newer gazelle-sync is "
            "needed; what is stored stays as it is.",
        )
    if not refused:
        yield Finding("schema", True, f"every operation of ours is accepted ({len(texts)}); {_features(schema)}")


def _operations() -> dict[str, str]:
    """What a pull sends, by name."""
    from gazelle_sync.gazelle import documents

    texts = {f"{entity.name}.graphql": documents.document(entity.name) for entity in ENTITIES}
    texts |= {f"{e.name} by id": documents.by_ids(e, ["an id"])[0] for e in ENTITIES if e.by_id}
    texts |= {
        "the timeline's count": documents.TIMELINE_COUNT,
        "the timeline's newest page": documents.timeline_tick(),
        "the timeline's counts": documents.timeline_counts(2),
    }
    return texts


def _features(schema: Any) -> str:
    from gazelle_sync.pull.features import UPDATED_AT_DESC

    sorted_by_change = [
        entity.name
        for entity in ENTITIES
        if entity.sort_enum and UPDATED_AT_DESC in getattr(schema.get_type(entity.sort_enum), "values", {})
    ]
    if sorted_by_change:
        return f"newest changes first for {', '.join(sorted_by_change)}: a tick stops early"
    return "no order by change: a tick reads all stamps"

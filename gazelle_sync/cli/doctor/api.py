"""The API: which credentials there are, whether it lets us in, and whether its schema knows what we ask for."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import ApiError, CredentialsRefused, GazelleSyncError, SettingsError, first_line
from gazelle_sync.gazelle.auth import API_KEY_LENGTH, credentials_from, token_file_in_use
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings

REFRESH_TOKEN_LIVES = timedelta(days=30)
COUNT = "query DoctorCount { allClients { totalCount } }"


def credentials_findings(settings: Settings, *, is_sandbox: bool) -> Iterator[Finding]:
    """Which credentials there are, and whether they are good."""
    if is_sandbox:
        yield Finding("credentials", True, "the sandbox has its own (set GAZELLE_API_URL to use an account)")
        return
    if settings.api_token:
        kind = "an API key" if len(settings.api_token) < API_KEY_LENGTH else "an access token, which is not refreshed"
        yield Finding("credentials", True, f"GAZELLE_API_TOKEN holds {kind}")
        return
    try:
        credentials_from(settings)
    except GazelleSyncError as error:
        yield Finding("credentials", False, str(error))
        return
    yield from _token_file(settings)


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


def secrets_of(settings: Settings) -> list[str]:
    """Of the environment and of the token file."""
    found = [*settings.secrets]
    try:
        token = json.loads(token_file_in_use(settings.token_file).read_text(encoding="utf-8"))
        found += [str(token[name]) for name in ("access_token", "refresh_token") if token.get(name)]
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    return found


def _token_file(settings: Settings) -> Iterator[Finding]:
    path = token_file_in_use(settings.token_file)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("credentials", False, f"{path} can be read by other users (mode {mode:o}). Run: chmod 600 {path}")
    can_refresh = bool(settings.client_id and settings.client_secret)
    if not can_refresh:
        yield Finding(
            "credentials",
            False,
            f"{path} cannot be refreshed: set GAZELLE_CLIENT_ID and GAZELLE_CLIENT_SECRET, or the access token ends "
            "without another.",
        )
    yield _token_age(path, can_refresh=can_refresh)


def _token_age(path: Path, *, can_refresh: bool) -> Finding:
    token = json.loads(path.read_text(encoding="utf-8"))
    try:
        created = datetime.fromtimestamp(float(token["created_at"]), UTC)
        expires = created + timedelta(seconds=float(token["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return Finding("credentials", True, f"{path} does not say until when its token is good")
    now = datetime.now(UTC)
    can_refresh = can_refresh and bool(token.get("refresh_token"))
    if now < expires:
        return Finding("credentials", True, f"the access token in {path} is good until {_say(expires)}")
    if can_refresh and now < created + REFRESH_TOKEN_LIVES:
        return Finding("credentials", True, f"the access token in {path} ended {_say(expires)}; a sync refreshes it")
    return Finding(
        "credentials",
        False,
        f"the token in {path} of {_say(created)} has ended. Authorize the application again and save the answer there.",
    )


def _say(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


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

"""The API: which credentials there are, whether it lets us in, and whether its schema knows what we ask for."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import ApiError, CredentialsRefused, GazelleSyncError, SettingsError, first_line
from gazelle_sync.gazelle.auth import API_KEY_LENGTH, credentials_from, token_table
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.token_file import token_file_in_use
from gazelle_sync.i18n.translator import Translator, translator
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings

REFRESH_TOKEN_LIVES = timedelta(days=30)
COUNT = "query DoctorCount { allClients { totalCount } }"


def credentials_findings(settings: Settings, *, is_sandbox: bool) -> Iterator[Finding]:
    """Which credentials there are, and whether they are good."""
    say = translator(settings.language)
    if is_sandbox:
        yield Finding("credentials", True, say("the sandbox has its own (set GAZELLE_API_URL to use an account)"))
        return
    if settings.api_token:
        text = say("GAZELLE_API_TOKEN holds an access token, which is not refreshed")
        if len(settings.api_token) < API_KEY_LENGTH:
            text = say("GAZELLE_API_TOKEN holds an API key")
        yield Finding("credentials", True, text)
        return
    try:
        if settings.token_store == "database":  # noqa: S105 - where it is kept
            token = token_table(settings).read()
            place = say("the database")
        else:
            credentials_from(settings)
            yield from _token_file_mode(settings, say)
            path = token_file_in_use(settings.token_file)
            token, place = json.loads(path.read_text(encoding="utf-8")), str(path)
    except GazelleSyncError as error:
        yield Finding("credentials", False, str(error))
        return
    yield from _token(settings, token, place, say)


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


def api_findings(client: GazelleClient, say: Translator) -> Generator[Finding, None, timedelta | None]:
    """The finding; returns how far Gazelle's clock is ahead of ours, if it answered."""
    begun, asked_at = time.perf_counter(), datetime.now(UTC)
    try:
        answer = client.execute("DoctorCount", COUNT)
        clients = answer.data["allClients"]["totalCount"]
    except (CredentialsRefused, SettingsError) as error:
        yield Finding("API", False, str(error))
        return None
    except ApiError as error:
        question = say("Is {url} Gazelle's address (https://gazelleapp.io)?", url=client.url)
        yield Finding("API", False, f"{error} {question}")
        return None
    except (KeyError, TypeError):
        text = say("{url} answers, but not as Gazelle does. Check GAZELLE_API_URL.", url=client.url)
        yield Finding("API", False, text)
        return None
    milliseconds = round((time.perf_counter() - begun) * 1000)
    text = say(
        "{url} accepts the credentials: {clients} clients, {n} ms", url=client.url, clients=clients, n=milliseconds
    )
    yield Finding("API", True, text)
    return answer.not_before - asked_at


def schema_findings(client: GazelleClient, say: Translator) -> Iterator[Finding]:
    """Whether the endpoint knows every field that we ask for."""
    from graphql import build_client_schema, get_introspection_query, parse, validate

    try:
        introspection = client.execute("IntrospectionQuery", get_introspection_query(descriptions=False)).data
        schema = build_client_schema(introspection)  # type: ignore[arg-type] # as the endpoint says it
    except (ApiError, TypeError) as error:
        yield Finding(
            "schema",
            True,
            say(
                "the endpoint does not give its schema ({reason}), so the first sync has to try our operations; "
                "look at `gazelle-sync status` after it",
                reason=first_line(error),
            ),
        )
        return
    texts = _operations()
    refused = {name: errors for name, text in texts.items() if (errors := validate(schema, parse(text)))}
    for name, errors in refused.items():
        yield Finding(
            "schema",
            False,
            say(
                "Gazelle would refuse {name}: {reason} Its API has changed: a newer gazelle-sync is needed; what is "
                "stored stays as it is.",
                name=name,
                reason=first_line(errors[0]),
            ),
        )
    if not refused:
        accepted = say("every operation of ours is accepted ({n})", n=len(texts))
        yield Finding("schema", True, f"{accepted}; {_features(schema, say)}")


def secrets_of(settings: Settings) -> list[str]:
    """Of the environment and of the token file."""
    found = [*settings.secrets]
    try:
        token = json.loads(token_file_in_use(settings.token_file).read_text(encoding="utf-8"))
        found += [str(token[name]) for name in ("access_token", "refresh_token") if token.get(name)]
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    return found


def _token_file_mode(settings: Settings, say: Translator) -> Iterator[Finding]:
    path = token_file_in_use(settings.token_file)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        octal = format(mode, "o")
        text = say("{path} can be read by other users (mode {mode}). Run: chmod 600 {path}", path=path, mode=octal)
        yield Finding("credentials", False, text)


def _token(settings: Settings, token: Mapping[str, Any], place: str, say: Translator) -> Iterator[Finding]:
    """Whether a token can be refreshed, and until when it is good.

    Args:
        settings: With the OAuth client.
        token: The OAuth answer.
        place: Where it is.
        say: The translator.
    """
    can_refresh = bool(settings.client_id and settings.client_secret)
    if not can_refresh:
        yield Finding(
            "credentials",
            False,
            say(
                "{path} cannot be refreshed: set GAZELLE_CLIENT_ID and GAZELLE_CLIENT_SECRET, or the access token ends "
                "without another.",
                path=place,
            ),
        )
    yield _token_age(token, place, settings.token_file, say, can_refresh=can_refresh)


def _token_age(token: Mapping[str, Any], path: str, saved_as: Path, say: Translator, *, can_refresh: bool) -> Finding:
    try:
        created = datetime.fromtimestamp(float(token["created_at"]), UTC)
        expires = created + timedelta(seconds=float(token["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return Finding("credentials", True, say("{path} does not say until when its token is good", path=path))
    now = datetime.now(UTC)
    can_refresh = can_refresh and bool(token.get("refresh_token"))
    if now < expires:
        text = say("the access token in {path} is good until {when}", path=path, when=_shown(expires))
        return Finding("credentials", True, text)
    if can_refresh and now < created + REFRESH_TOKEN_LIVES:
        text = say("the access token in {path} ended {when}; a sync refreshes it", path=path, when=_shown(expires))
        return Finding("credentials", True, text)
    text = say(
        "the token in {path} of {when} has ended. Authorize the application again and save the answer as {file}.",
        path=path,
        file=saved_as,
        when=_shown(created),
    )
    return Finding("credentials", False, text)


def _shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _operations() -> dict[str, str]:
    """What a pull sends, by name."""
    from gazelle_sync.gazelle import documents

    texts = {f"{entity.name}.graphql": documents.document(entity.name) for entity in ENTITIES}
    texts |= {f"{e.name} by id": documents.by_ids(e, ["an id"])[0] for e in ENTITIES if e.by_id}
    texts |= {
        "the timeline's count": documents.TIMELINE_COUNT,
        "the timeline's newest page": documents.timeline_tick(2),
        "the timeline's counts": documents.timeline_counts(2),
    }
    return texts


def _features(schema: Any, say: Translator) -> str:
    from gazelle_sync.pull.features import UPDATED_AT_DESC

    sorted_by_change = [
        entity.name
        for entity in ENTITIES
        if entity.sort_enum and UPDATED_AT_DESC in getattr(schema.get_type(entity.sort_enum), "values", {})
    ]
    if sorted_by_change:
        return say("newest changes first for {names}: a tick stops early", names=", ".join(sorted_by_change))
    return say("no order by change: a tick reads all stamps")

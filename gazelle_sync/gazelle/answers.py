"""Reads the API's answers: JSON, with text that PostgreSQL cannot store, GraphQL errors, and headers about time."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from gazelle_sync.errors import AnswerUnreadable, ApiError, CredentialsRefused, OperationFailed
from gazelle_sync.i18n import gettext

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89abAB])")
"""Escapes of NUL and of surrogates. Only answers with one of them go through the slower parser."""


def rest_error_of(answer: httpx.Response) -> str | None:
    """The reason that a REST endpoint gives for an error; None where the page is not the API's (a proxy's 404)."""
    try:
        given = answer.json()
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    if isinstance(errors := given.get("errors"), list):
        return format_errors(errors)
    return str(given.get("error") or given.get("message") or given)[:500]


def format_errors(problems: Sequence[Any]) -> str:
    """GraphQL's `mutationErrors` or REST's `errors` as one line of text."""
    lines = []
    for problem in problems:
        said: dict[str, Any] = problem if isinstance(problem, dict) else {"messages": [problem]}
        messages = said.get("messages") or [said.get("message") or said]
        words = ", ".join(str(message) for message in (messages if isinstance(messages, list) else [messages]))
        lines.append(f"{said['fieldName']}: {words}" if said.get("fieldName") else words)
    return "; ".join(lines)


def retry_after_s(answer: httpx.Response) -> float | None:
    """The header `Retry-After`, a number or a date, in seconds."""
    value = answer.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        instant = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, (instant - server_time(answer)).total_seconds())


def server_time(answer: httpx.Response) -> datetime:
    """The API's clock by the `Date` header (aware UTC); our clock where there is no such header."""
    try:
        instant = email.utils.parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def read_storable(operation: str, answer: httpx.Response) -> tuple[dict[str, Any], bool]:
    """The `data` of a GraphQL answer as PostgreSQL can store it, and whether a character was replaced for that.

    Raises:
        AnswerUnreadable: The answer is not JSON, or not a GraphQL response.
        OperationFailed: It contains `errors`.
    """
    content = answer.content
    replaced = False
    try:
        if _UNSTORABLE.search(content):
            payload, replaced = storable(json.loads(content.decode("utf-8", "surrogatepass")))
        else:
            payload = msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError):
        try:
            # Lone surrogates are invalid UTF-8 that Gazelle does send: half an emoji, cut by a length limit.
            payload, replaced = storable(json.loads(content.decode("utf-8", "surrogatepass")))
        except ValueError as error:
            raise _not_json(operation, answer) from error
    return data_of(operation, answer, payload), replaced


def parse_json(operation: str, answer: httpx.Response) -> Any:
    """The JSON of an answer, with every string unchanged."""
    try:
        return json.loads(answer.content.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _not_json(operation, answer) from error


def read_rest(operation: str, answer: httpx.Response, _: timedelta) -> dict[str, Any]:
    """The JSON object of a REST answer; one that contains errors counts as a failure, whatever its HTTP status."""
    if answer.status_code == httpx.codes.NO_CONTENT:
        return {}
    given = parse_json(operation, answer)
    if not isinstance(given, dict):
        raise AnswerUnreadable(operation, gettext("the answer is JSON but no object"))
    if given.get("errors") or given.get("error"):
        said = gettext("HTTP {status}, and yet: {reason}", status=answer.status_code, reason=rest_error_of(answer))
        raise AnswerUnreadable(operation, said)
    return given


def encode_exactly(value: Any) -> bytes:
    """JSON in ASCII, which keeps lone surrogates as escapes."""
    return json.dumps(value).encode("ascii")


def _not_json(operation: str, answer: httpx.Response) -> AnswerUnreadable:
    said = gettext("the answer is not JSON (it begins {text}): a proxy's page, or cut short", text=excerpt(answer))
    return AnswerUnreadable(operation, said)


def data_of(operation: str, answer: httpx.Response, payload: Any) -> dict[str, Any]:
    """The `data` of a decoded answer.

    Raises:
        AnswerUnreadable: It is not a GraphQL response.
        CredentialsRefused: It contains an `UNAUTHENTICATED` error and no data.
        OperationFailed: It contains other `errors`.
    """
    if not isinstance(payload, dict):
        raise AnswerUnreadable(operation, gettext("the answer is JSON but not GraphQL's"))
    if errors := payload.get("errors"):
        raise _failure(operation, errors, payload.get("data", ...))
    data = payload.get("data")
    if not isinstance(data, dict):
        said = gettext("the answer holds no data (it begins {text})", text=excerpt(answer))
        raise AnswerUnreadable(operation, said)
    return data


_NOT_THERE = re.compile(
    r"not (be )?found|(couldn't|could not|cannot) find|(does not|doesn't|no longer) exist", re.IGNORECASE
)
"""Messages that may mean "there is no such record"; GraphQL has no standard code for it."""


def credentials_refused(operation: str, said: str, *, is_about_token: bool) -> CredentialsRefused:
    """The error for refused credentials, with what to do."""
    return CredentialsRefused(
        operation,
        gettext(
            "Gazelle refuses the credentials ({said}). Check GAZELLE_API_TOKEN, or authorize the OAuth application "
            "again.",
            said=said,
        ),
        is_about_token=is_about_token,
    )


def _failure(operation: str, errors: object, data: object) -> ApiError:
    """The exception for GraphQL `errors`. Some servers (Apollo) report missing credentials there, with HTTP 200."""
    listed = errors if isinstance(errors, list) else [errors]
    refused = [error for error in listed if isinstance(error, dict) and _code(error) == "UNAUTHENTICATED"]
    if refused and not (isinstance(data, dict) and any(value is not None for value in data.values())):
        return credentials_refused(operation, str(refused[0].get("message"))[:120], is_about_token=True)
    return _operation_failed(operation, listed, data)


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    return str(extensions.get("code", "")).upper() if isinstance(extensions, dict) else ""


def _operation_failed(operation: str, listed: Sequence[object], data: object) -> OperationFailed:
    paths: list[list[Any]] = []
    not_found: set[str] = set()
    messages: list[str] = []
    for error in listed:
        said: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
        message = str(said.get("message", said))
        messages.append(message)
        given = said.get("path")
        path: list[Any] = given if isinstance(given, list) else []
        paths.append(path)
        if len(path) == 1 and ("NOT_FOUND" in _code(said) or _NOT_THERE.search(message)):
            not_found.add(str(path[0]))
    nodes = [path[2] for path in paths if len(path) > 2 and path[1] == "nodes" and isinstance(path[2], int)]
    fields = {_field(path) for path in paths}
    return OperationFailed(
        operation,
        messages,
        not_found=not_found,
        data=data if isinstance(data, dict) else None,
        has_data=data is not ...,
        bad_nodes=set(nodes) if len(nodes) == len(paths) else None,
        roots={str(path[0]) for path in paths if path},
        fields=None if "" in fields else fields,
    )


def _field(path: Sequence[Any]) -> str:
    """The record's field that an error path names, without list positions, so that it is equal for all records."""
    inside = path[2:] if path[1:2] == ["nodes"] else path[1:]
    return ".".join(name for name in inside if isinstance(name, str))


def storable(value: Any) -> tuple[Any, bool]:
    """Replace what PostgreSQL's jsonb cannot store: NUL and lone surrogates become U+FFFD."""
    if isinstance(value, str):
        clean = value.replace("\0", REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return clean, clean != value
    if isinstance(value, list):
        pairs = [storable(item) for item in value]
        return [item for item, _ in pairs], any(changed for _, changed in pairs)
    if isinstance(value, dict):
        items = {key: storable(item) for key, item in value.items()}
        return {key: item for key, (item, _) in items.items()}, any(changed for _, changed in items.values())
    return value, False


def excerpt(answer: httpx.Response) -> str:
    """The beginning of an answer, for a message."""
    text = " ".join(answer.content[:300].decode("utf-8", "replace").split())
    return repr(text[:120])

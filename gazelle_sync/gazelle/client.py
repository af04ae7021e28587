"""The HTTP client: one connection pool, the shared budget, retries, and errors that say what Gazelle said.

A read is sent again after any temporary failure. A write is sent again only where Gazelle certainly did not apply it
(429, no connection, an expired token). After any other failure the caller has to read the record first, since a create
that is sent twice makes two records.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import msgspec
import stamina

from gazelle_sync.errors import (
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
    RequestRefused,
    RequestStopped,
    WriteRefused,
)
from gazelle_sync.gazelle.answers import (
    credentials_refused,
    data_of,
    encode_exactly,
    excerpt,
    parse_json,
    read_rest,
    read_storable,
    rest_error_of,
    retry_after_s,
    server_time,
)
from gazelle_sync.gazelle.auth import Credentials, credentials_from
from gazelle_sync.gazelle.page_sizes import DocumentSize, PushedSize
from gazelle_sync.gazelle.retries import (
    LONGEST_RETRY_AFTER_S,
    Wait,
    wait_before_next_write,
    wait_before_retry,
    wait_unless_refused_twice,
)
from gazelle_sync.gazelle.throttle import Throttle
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.runtime.logs import get_logger, masked
from gazelle_sync.settings import Settings
from gazelle_sync.settings.values import GRAPHQL_PATH

ATTEMPTS = 4
"""Attempts for a read: one, and at most three retries."""
WRITE_ATTEMPTS = 3
REFRESHES = 2
"""So often a refused token is replaced for one request: the first may be another process's, and have ended as well."""
LONGEST_SAID_S = 1e9
ACCOUNT = "Account"
ACCOUNT_READ = f"query {ACCOUNT} {{ allClients {{ totalCount }} }}"
"""A query that every account answers. Where it works, an earlier 403 concerned one record and not the credentials."""
FORBIDDEN = Message("Gazelle, or a firewall in front of it, forbids this one request: a word in it, or this record.")

T = TypeVar("T")

log = get_logger("gazelle_sync.gazelle")
stamina.instrumentation.set_on_retry_hooks([])  # `wait_before_retry` logs it, with the operation


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        data: The `data` of the answer; there were no `errors` beside it.
        not_before: API clock (aware UTC): the answer was computed at this instant or later. It is the `Date` header
            less the time that the request took, since the header has whole seconds and is written last.
        has_replacements: Whether a character that PostgreSQL cannot store was replaced by U+FFFD.
    """

    data: dict[str, Any]
    not_before: datetime
    has_replacements: bool


@dataclass(frozen=True, slots=True)
class _Request:
    """One request.

    Attributes:
        operation: Its name, for messages and logs.
        method: Of HTTP.
        path: Below the base URL.
        body: JSON.
        is_write: Whether it changes something at Gazelle.
    """

    operation: str
    method: str
    path: str
    body: bytes
    is_write: bool = False


def client_for(settings: Settings) -> GazelleClient:
    """A client for the settings, within the request budget that all processes share.

    Raises:
        SettingsError: There are no credentials.
    """
    throttle = Throttle(settings.rate_per_s, str(settings.database_url))
    return GazelleClient(str(settings.api_url), credentials_from(settings), throttle, timeout_s=settings.timeout_s)


class GazelleClient:
    """Sends GraphQL operations and REST requests; safe to share between threads.

    Attributes:
        requests: Number of answered requests.
        bytes: Size of all answers together.
        pushed_size: The page size of the push.
        document_size: How much the push puts into one document.
        started_at: When the first answer was computed, by the API's clock (aware UTC); None before the first answer.
        clock_ahead: How far the API's clock was ahead of ours at that moment; negative: behind.

    Args:
        url: Base URL without trailing slash.
        credentials: Where the headers come from.
        throttle: The budget.
        timeout_s: Seconds to wait for an answer.
    """

    def __init__(self, url: str, credentials: Credentials, throttle: Throttle, *, timeout_s: float = 30.0) -> None:
        self.url = url
        self._credentials = credentials
        self._throttle = throttle
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=16, keepalive_expiry=60),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            # Loading the certificates takes 90 ms, which an address without TLS (the sandbox) does not need.
            verify=url.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )
        self._stopped = threading.Event()
        self._count_lock = threading.Lock()
        self.pushed_size = PushedSize()
        self.document_size = DocumentSize()
        self.requests = 0
        self.bytes = 0
        self.started_at: datetime | None = None
        self.clock_ahead = timedelta(0)

    def stop(self) -> None:
        """Refuse every further request with `RequestStopped`, so that a run that was stopped ends at once."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._throttle.close()

    def execute(
        self, operation: str, query: str, variables: dict[str, Any] | None = None, *, can_ask_for_less: bool = False
    ) -> Answer:
        """Send one operation and read its answer, with retries.

        Args:
            operation: Its name, for messages and logs.
            query: GraphQL text.
            variables: JSON values.
            can_ask_for_less: Whether the caller reacts to GraphQL errors with a smaller request. The errors may be
                about the size, so there is one retry only.

        Raises:
            ApiError: A subclass; temporary failures were tried four times.
        """
        body = msgspec.json.encode({"operationName": operation, "query": query, "variables": variables or {}})
        wait = wait_unless_refused_twice() if can_ask_for_less else wait_before_retry
        return self._send_with_retries(_Request(operation, "POST", GRAPHQL_PATH, body), self._read, wait)

    def execute_exactly(
        self, operation: str, query: str, variables: Mapping[str, Any], *, is_write: bool = False
    ) -> Answer:
        """`execute` for the push: strings are sent and returned unchanged, NUL and lone surrogates included.

        Args:
            operation: Its name.
            query: GraphQL text.
            variables: JSON values.
            is_write: Whether it is a mutation, which is not sent again where it may have been applied.

        Raises:
            ApiError: A subclass; `may_have_been_taken` says whether the caller has to check if the write was applied.
        """
        body = encode_exactly({"operationName": operation, "query": query, "variables": variables})
        request = _Request(operation, "POST", GRAPHQL_PATH, body, is_write)
        return self._send_with_retries(
            request, self._read_exactly, wait_before_next_write if is_write else wait_before_retry
        )

    def write_rest(self, operation: str, method: str, path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Send one REST request that changes something, and read its answer.

        Raises:
            WriteRefused: HTTP 4xx with a reason.
            ApiError: A subclass, as for a write of `execute_exactly`.
        """
        request = _Request(operation, method, path, encode_exactly(payload), is_write=True)
        return self._send_with_retries(request, read_rest, wait_before_next_write)

    def read_account(self, *, attempts: int = ATTEMPTS) -> None:
        """Send a query that every account answers. If it works, an earlier refusal concerned one record only.

        Args:
            attempts: How many times it is sent at most.

        Raises:
            CredentialsRefused: The credentials are not accepted at all.
            ApiError: Gazelle cannot be reached or does not answer.
        """
        body = msgspec.json.encode({"operationName": ACCOUNT, "query": ACCOUNT_READ, "variables": {}})
        self._send_with_retries(_Request(ACCOUNT, "POST", GRAPHQL_PATH, body), self._read, wait_before_retry, attempts)

    def _send_with_retries(
        self,
        request: _Request,
        read: Callable[[str, httpx.Response, timedelta], T],
        wait: Wait,
        attempts: int = ATTEMPTS,
    ) -> T:
        """Send a request until its answer can be read or the attempts are used up."""
        for attempt in stamina.retry_context(
            on=wait,
            attempts=min(WRITE_ATTEMPTS, attempts) if request.is_write else attempts,
            timeout=None,
            wait_initial=0.2,
            wait_max=5.0,
            wait_jitter=0.2,
        ):
            with attempt:
                return self._send(request, read)
        raise AssertionError("stamina returns or raises")

    def _send(self, request: _Request, read: Callable[[str, httpx.Response, timedelta], T]) -> T:
        for _ in range(REFRESHES):
            headers = self._credentials.headers()
            try:
                return self._send_with(headers, request, read)
            except CredentialsRefused as error:
                if not (error.is_about_token and self._credentials.refresh(headers)):
                    raise
            except RequestRefused as error:
                if error.is_forbidden:
                    self._assert_account_readable(request.operation)
                raise
            log.info("token refreshed", operation=request.operation)
        return self._send_with(self._credentials.headers(), request, read)

    def _assert_account_readable(self, operation: str) -> None:
        """After a 403, find out whether it concerns the credentials, or only one record or text (a firewall)."""
        try:
            self.read_account()
        except CredentialsRefused:
            raise
        except ApiError as error:  # says nothing about the credentials; the next request shows what is wrong
            log.info("the account cannot be read after a 403", operation=operation, reason=str(error))

    def _send_with(
        self, headers: dict[str, str], request: _Request, read: Callable[[str, httpx.Response, timedelta], T]
    ) -> T:
        answer, elapsed = self._exchange(request, headers)
        try:
            _raise_for_status(request, answer, self._throttle)
            return read(request.operation, answer, elapsed)
        except ApiError as error:
            raise _without_secrets(error, headers)  # noqa: B904 - the same error, cleaned

    def _read(self, operation: str, answer: httpx.Response, elapsed: timedelta) -> Answer:
        data, replaced = read_storable(operation, answer)
        return self._dated(answer, elapsed, data, replaced)

    def _read_exactly(self, operation: str, answer: httpx.Response, elapsed: timedelta) -> Answer:
        return self._dated(answer, elapsed, data_of(operation, answer, parse_json(operation, answer)), replaced=False)

    def _dated(self, answer: httpx.Response, elapsed: timedelta, data: dict[str, Any], replaced: bool) -> Answer:
        now = server_time(answer)
        with self._count_lock:
            if self.started_at is None:
                self.started_at = now - elapsed
                self.clock_ahead = now - datetime.now(UTC)
        return Answer(data, now - elapsed, replaced)

    def _exchange(self, request: _Request, headers: dict[str, str]) -> tuple[httpx.Response, timedelta]:
        if request.path != GRAPHQL_PATH and "x-gazelle-api-key" in headers:
            # The REST endpoints are documented with bearer tokens only; keys are sent both ways.
            headers = headers | {"Authorization": f"Bearer {headers['x-gazelle-api-key']}"}
        token = self._throttle.wait()

        def at_writing(event: str, _info: object) -> None:
            """The trace hook of httpcore: the connection is open when the headers are about to be sent."""
            nonlocal token
            if event.endswith(".send_request_headers.started"):
                token = self._throttle.writing(token)

        operation = request.operation
        sent = time.monotonic()
        try:
            if self._stopped.is_set():
                raise RequestStopped(operation)
            answer = self._http.request(
                request.method,
                self.url + request.path,
                content=request.body,
                headers=headers,
                extensions={"trace": at_writing} if token else None,
            )
        except httpx.TimeoutException as error:
            raise ApiUnreachable(
                operation,
                gettext("Gazelle did not answer in time ({kind})", kind=type(error).__name__),
                is_timeout=isinstance(error, httpx.ReadTimeout),
                was_sent=not isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)),
            ) from error
        except httpx.HTTPError as error:
            raise ApiUnreachable(
                operation,
                gettext("Gazelle cannot be reached ({error}). Check GAZELLE_API_URL and the network.", error=error),
                was_sent=not isinstance(error, httpx.ConnectError),
            ) from error
        finally:
            self._throttle.arrived(token)
        with self._count_lock:
            self.requests += 1
            self.bytes += len(answer.content)
        # An answer and its stream refer to each other: hundreds of bodies would wait for the collector (`tune_gc`).
        answer.stream = httpx.ByteStream(b"")
        return answer, timedelta(seconds=time.monotonic() - sent)


def _without_secrets(error: ApiError, headers: Mapping[str, str]) -> ApiError:
    """Mask the token, which an API may repeat in its error: messages go to the terminal, the log and two databases."""
    error.args = (masked(str(error), [value.removeprefix("Bearer ") for value in headers.values()]),)
    return error


def _raise_for_status(request: _Request, answer: httpx.Response, throttle: Throttle) -> None:
    status, operation = answer.status_code, request.operation
    is_rest = request.path != GRAPHQL_PATH
    if status == httpx.codes.OK or (is_rest and answer.is_success):
        return
    said = excerpt(answer)
    is_forbidden = status == httpx.codes.FORBIDDEN
    if status == httpx.codes.UNAUTHORIZED or (is_forbidden and operation == ACCOUNT):
        raise credentials_refused(operation, f"HTTP {status}: {said}", is_about_token=not is_forbidden)
    if is_forbidden:
        raise RequestRefused(operation, f"HTTP {status}: {said}. {gettext(FORBIDDEN)}", status=status)
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        wait = retry_after_s(answer)
        if status == httpx.codes.TOO_MANY_REQUESTS and wait is not None and wait <= LONGEST_RETRY_AFTER_S:
            throttle.hold(wait)
        until = _wanted_until(wait) if wait is not None and wait > LONGEST_RETRY_AFTER_S else ""
        raise ApiUnavailable(operation, f"HTTP {status}: {said}{until}", status=status, retry_after_s=wait)
    if is_rest and (reason := rest_error_of(answer)):
        raise WriteRefused(operation, reason, status=status, is_missing=status == httpx.codes.NOT_FOUND)
    # The target of a redirect, without its parts that may be secret (user, query).
    target = answer.next_request.url.copy_with(userinfo=b"", query=None, fragment=None) if answer.next_request else None
    where = (
        gettext("HTTP {status} leads to {target}", status=status, target=target) if target else f"HTTP {status}: {said}"
    )
    check = gettext("Check GAZELLE_API_URL.")
    raise RequestRefused(operation, f"{where}. {check}", status=status)


def _wanted_until(wait_s: float) -> str:
    """Until when Gazelle asks for no requests, in Montreal's time, for a message."""
    until = datetime.now(MONTREAL) + timedelta(seconds=min(wait_s, LONGEST_SAID_S))
    return ". " + gettext(
        "Gazelle wants no request before {until} (Montreal); the runs after that go on.",
        until=f"{until:%Y-%m-%d %H:%M}",
    )

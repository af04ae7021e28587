"""The HTTP client against a server that answers what each test tells it to: retries, waits, and what errors say."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from gazelle_sync.errors import (
    AnswerUnreadable,
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
    OperationFailed,
    RequestRefused,
)
from gazelle_sync.gazelle.auth import FixedToken
from gazelle_sync.gazelle.client import ATTEMPTS, Answer, GazelleClient
from gazelle_sync.gazelle.throttle import Throttle
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.runtime.logs import masked

KEY = "a-key-of-nobody"
ACCESS_TOKEN = "an-access-token-" * 4
GOOD = b'{"data": {"ok": true}}'
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

Scripted = tuple[int, dict[str, str], bytes]


class Script:
    """A server that gives its answers in order, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Scripted] = []
        self.asked = 0
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, body = script.answers[min(script.asked, len(script.answers) - 1)]
                script.asked += 1
                self.send_response_only(status)
                for name, value in ({"Date": format_datetime(NOW, usegmt=True)} | headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    thread = threading.Thread(target=script.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    script.server.shutdown()
    thread.join()
    script.server.server_close()


def ask(script: Script, *answers: Scripted, token: str = KEY, **options: Any) -> Answer:
    script.answers = list(answers)
    client = GazelleClient(script.url, FixedToken(token), Throttle(0, ""), timeout_s=5)
    try:
        return client.execute("Few", "query Few { ok }", **options)
    finally:
        client.close()


def failure(script: Script, *answers: Scripted, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask(script, *answers, **options)
    return caught.value


def graphql_errors(message: str) -> Scripted:
    return 200, {}, json.dumps({"errors": [{"message": message}]}).encode()


# ---- how often


@pytest.mark.parametrize(
    "bad",
    [(500, {}, b"oh"), (503, {"Retry-After": "0"}, b""), (429, {"Retry-After": "0"}, b""), (200, {}, b"<html>"),
     (200, {}, b'{"data":'), (200, {}, b"{}"), (200, {}, b"[]"), graphql_errors("try again")],
    ids=str,
)  # fmt: skip
def test_what_may_pass_is_tried_again(script: Script, bad: Scripted) -> None:
    assert ask(script, bad, bad, bad, (200, {}, GOOD)).data == {"ok": True}
    assert script.asked == ATTEMPTS


@pytest.mark.parametrize(
    ("bad", "kind", "asked"),
    [((500, {}, b""), ApiUnavailable, ATTEMPTS), ((200, {}, b"x"), AnswerUnreadable, ATTEMPTS),
     (graphql_errors("no"), OperationFailed, ATTEMPTS), ((404, {}, b""), RequestRefused, 1),
     ((400, {}, b""), RequestRefused, 1), ((401, {}, b""), CredentialsRefused, 1)],
    ids=str,
)  # fmt: skip
def test_what_does_not_pass_is_given_up_in_time(
    script: Script, bad: Scripted, kind: type[ApiError], asked: int
) -> None:
    error = failure(script, bad)
    assert type(error) is kind
    assert error.operation == "Few"
    assert script.asked == asked


def test_a_403_is_about_the_credentials_only_where_a_plain_read_of_the_account_gets_one_too(script: Script) -> None:
    error = failure(script, (403, {}, b"no"))
    assert isinstance(error, CredentialsRefused)
    assert "GAZELLE_API_TOKEN" in str(error)
    assert script.asked == 2
    accounts: list[Scripted] = [(200, {}, GOOD), (500, {}, b"")]
    for account in accounts:
        script.asked = 0
        error = failure(script, (403, {}, b"<h1>blocked</h1>"), account)
        assert type(error) is RequestRefused
        assert (error.operation, error.status) == ("Few", 403)
        assert "blocked" in str(error)


def unauthenticated(data: object) -> Scripted:
    error = {"message": "Not logged in", "extensions": {"code": "UNAUTHENTICATED"}}
    return 200, {}, json.dumps({"errors": [error], "data": data}).encode()


@pytest.mark.parametrize("data", [None, {"ok": None}])
def test_graphqls_own_word_for_a_refused_token_is_believed_at_once(script: Script, data: object) -> None:
    error = failure(script, unauthenticated(data))
    assert isinstance(error, CredentialsRefused)
    assert "GAZELLE_API_TOKEN" in str(error)
    assert script.asked == 1


def test_a_field_that_is_refused_beside_others_is_no_matter_of_the_token(script: Script) -> None:
    assert isinstance(failure(script, unauthenticated({"ok": True, "more": None})), OperationFailed)


@pytest.mark.parametrize("refusal", [(401, {}, b"no"), unauthenticated(None)])
def test_a_token_that_is_refused_either_way_is_refreshed_and_no_more_than_twice_for_a_request(
    script: Script, refusal: Scripted
) -> None:
    class Renewable(FixedToken):
        renewed = 0

        def refresh(self, refused: Mapping[str, str]) -> bool:
            self.renewed += 1
            return True

    token = Renewable(KEY)
    client = GazelleClient(script.url, token, Throttle(0, ""), timeout_s=5)
    script.answers = [refusal, (200, {}, GOOD)]
    assert client.execute("Few", "query Few { ok }").data == {"ok": True}
    assert token.renewed == 1
    script.answers, script.asked, token.renewed = [refusal], 0, 0
    with pytest.raises(CredentialsRefused):
        client.execute("Few", "query Few { ok }")
    client.close()
    assert (script.asked, token.renewed) == (3, 2)


def test_an_error_that_may_be_about_the_size_is_believed_when_it_comes_twice(script: Script) -> None:
    assert isinstance(failure(script, graphql_errors("too many"), can_ask_for_less=True), OperationFailed)
    assert script.asked == 2
    script.asked = 0
    assert ask(script, graphql_errors("hiccup"), (200, {}, GOOD), can_ask_for_less=True).data == {"ok": True}
    script.asked = 0
    failure(script, (503, {}, b""), can_ask_for_less=True)
    assert script.asked == ATTEMPTS, "an ill server is no matter of size"


@pytest.mark.parametrize(
    ("said", "means_gone"),
    [
        ({"message": "Client not found", "path": ["n0"]}, True),
        ({"message": "Couldn't find Client with 'id'=cli_1", "path": ["n0"]}, True),
        ({"message": "This client does not exist", "path": ["n0"]}, True),
        ({"message": "no", "path": ["n0"], "extensions": {"code": "NOT_FOUND"}}, True),
        ({"message": "Contact not found", "path": ["n0", "allContacts", "nodes", 3]}, False),
        ({"message": "Client not found"}, False),
        ({"message": "Cannot return null for non-nullable field", "path": ["n0"]}, False),
        ({"message": "Not authorized", "path": ["n0"]}, False),
    ],
    ids=str,
)
def test_only_words_about_the_record_itself_say_that_it_is_not_there(
    script: Script, said: dict[str, Any], means_gone: bool
) -> None:
    error = failure(script, (200, {}, json.dumps({"errors": [said], "data": {"n0": None}}).encode()))
    assert isinstance(error, OperationFailed)
    assert error.not_found == ({"n0"} if means_gone else set())


@pytest.mark.parametrize(
    ("paths", "fields"),
    [
        ([["allClients", "nodes", 3, "tags"], ["allClients", "nodes", 4, "tags"]], {"tags"}),
        ([["n0", "allContacts", "nodes", 2, "title"]], {"allContacts.nodes.title"}),
        ([["n0", "tags"], ["n1"]], set()),
    ],
    ids=["of a page", "by id", "not all name one"],
)
def test_the_fields_that_errors_name_are_the_same_for_every_record(
    script: Script, paths: list[list[str | int]], fields: set[str]
) -> None:
    said = [{"message": "null", "path": path} for path in paths]
    error = failure(script, (200, {}, json.dumps({"errors": said, "data": {"n0": None}}).encode()))
    assert isinstance(error, OperationFailed)
    assert error.fields == fields
    assert error.roots == {path[0] for path in paths}


# ---- how long


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0), ("0", 0.0), ("-3", 0.0), ("1.5", 1.5), ("nan", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("soon", None), ("", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date_by_the_servers_own_clock(
    script: Script, value: str, seconds: float | None
) -> None:
    error = failure(script, (503, {"Retry-After": value}, b""))
    assert isinstance(error, ApiUnavailable)
    assert error.retry_after_s == seconds
    assert script.asked == ATTEMPTS


@pytest.mark.parametrize("value", ["7200", format_datetime(NOW + timedelta(hours=2), usegmt=True)])
def test_a_long_retry_after_is_not_waited_for_and_the_message_says_until_when(script: Script, value: str) -> None:
    error = failure(script, (429, {"Retry-After": value}, b""))
    expected = datetime.now(MONTREAL) + timedelta(hours=2)
    minutes = [f"{expected - timedelta(minutes=n):%Y-%m-%d %H:%M}" for n in (0, 1)]
    assert any(f"no request before {minute} (Montreal)" in str(error) for minute in minutes)
    assert script.asked == 1


@pytest.mark.parametrize("value", ["inf", "1e300", "99999999999"])
def test_an_absurd_retry_after_is_no_trouble(script: Script, value: str) -> None:
    assert "no request before 20" in str(failure(script, (503, {"Retry-After": value}, b"")))


def test_the_answer_was_computed_no_later_than_its_date_says(script: Script) -> None:
    answer = ask(script, (200, {}, GOOD))
    assert NOW - timedelta(seconds=5) < answer.not_before <= NOW


def test_how_far_the_api_clock_is_ahead_is_known(script: Script) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    script.answers = [(200, {"Date": format_datetime(ahead, usegmt=True)}, GOOD)]
    client = GazelleClient(script.url, FixedToken(KEY), Throttle(0, ""))
    client.execute("Few", "query Few { ok }")
    client.close()
    assert timedelta(minutes=59) < client.clock_ahead <= timedelta(hours=1)


# ---- what errors say


@pytest.mark.parametrize("token", [KEY, ACCESS_TOKEN])
@pytest.mark.parametrize("status", [401, 403, 404, 500, 200])
def test_a_token_that_is_echoed_is_masked(script: Script, token: str, status: int) -> None:
    echo = f"Bearer {token}" if status != 200 else json.dumps({"errors": [{"message": f"who is {token}?"}]})
    error = failure(script, (status, {}, echo.encode()), token=token)
    assert token not in str(error)
    assert "•••" in str(error)


def test_a_key_of_a_few_letters_does_not_spoil_the_message(script: Script) -> None:
    assert "HTTP 404" in str(failure(script, (404, {}, b"Not found"), token="T"))
    assert masked("to be or not to be", ["t", "to", "be or not"]) == "to ••• to be"
    assert masked("secret secrets", ["secret", "secrets"]) == "••• •••"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://elsewhere.example/login?session=s3cr3t#top", "https://elsewhere.example/login."),
        ("https://user:s3cr3t@elsewhere.example/", "https://elsewhere.example/."),
        ("/fr/graphql/private/?token=s3cr3t", "/fr/graphql/private/."),
    ],
)
def test_a_redirect_says_where_it_leads_and_no_secret(script: Script, location: str, shown: str) -> None:
    error = failure(script, (302, {"Location": location}, b""))
    assert isinstance(error, RequestRefused)
    assert f"{shown} Check GAZELLE_API_URL" in str(error)
    assert "s3cr3t" not in str(error)
    assert script.asked == 1


def test_a_redirect_to_nowhere_is_refused_as_well(script: Script) -> None:
    assert "HTTP 302" in str(failure(script, (302, {}, b"")))
    assert "location header" in str(failure(script, (302, {"Location": "http://[::1"}, b"")))


def test_nobody_there_is_said(script: Script) -> None:
    client = GazelleClient("http://127.0.0.1:9", FixedToken(KEY), Throttle(0, ""))
    with pytest.raises(ApiUnreachable, match="GAZELLE_API_URL"):
        client.execute("Few", "query Few { ok }")
    client.close()


# ---- text that PostgreSQL cannot hold


@pytest.mark.parametrize(
    ("text", "read", "replaced"),
    [
        (rb"caf\u00e9 \ud83c\udfb9", "café 🎹", False),
        ("café 🎹".encode(), "café 🎹", False),
        (rb"nul \u0000 half \ud83c end", "nul \ufffd half \ufffd end", True),
        (rb"low \udfb9", "low \ufffd", True),
        (b"raw half \xed\xa0\xbc end", "raw half \ufffd end", True),
        (rb"a backslash \\u0000", r"a backslash \u0000", False),
    ],
)
def test_nul_and_lone_surrogates_are_replaced_and_it_is_said(
    script: Script, text: bytes, read: str, replaced: bool
) -> None:
    answer = ask(script, (200, {}, b'{"data": {"text": "' + text + b'"}}'))
    assert (answer.data, answer.has_replacements) == ({"text": read}, replaced)


def test_bytes_that_are_damage_are_not_read(script: Script) -> None:
    assert isinstance(failure(script, (200, {}, b'{"data": {"text": "\xff\xfe"}}')), AnswerUnreadable)


def test_an_answer_is_freed_when_it_was_read_and_does_not_wait_for_the_garbage_collector(script: Script) -> None:
    def answers() -> int:
        return sum(isinstance(found, httpx.Response) for found in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = answers()
        ask(script, (200, {}, GOOD))
        assert answers() == before
    finally:
        gc.enable()

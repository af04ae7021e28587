"""Refusals and faults of the sandbox: credentials, rate limit, injected faults, its end with its last user."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gazelle_sync.sandbox import (
    SANDBOX_ACCESS_TOKEN,
    SANDBOX_CLIENT_ID,
    SANDBOX_CLIENT_SECRET,
    SANDBOX_REFRESH_TOKEN,
)
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox, start_sandbox

CLIENTS = "query Clients { allClients(first: 10) { totalCount nodes { id updatedAt tags status } } }"


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "gazelle.sqlite", scale=0.02) as sandbox:
        sandbox.admin.snapshot()
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.admin.start_over()
    shared_sandbox.admin.settings(token_ttl_s=1000)
    return shared_sandbox


def post(sandbox: RunningSandbox, query: str = CLIENTS, **headers: str) -> httpx.Response:
    sent = headers or {"x-gazelle-api-key": sandbox.api_key}
    body = json.dumps({"query": query}).encode()
    return sandbox.http.post("/graphql/private/", content=body, headers=sent)


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json()["data"]["allClients"]["nodes"]
    return found


def refresh(sandbox: RunningSandbox, token: str, **form: str) -> httpx.Response:
    own = {"client_id": SANDBOX_CLIENT_ID, "client_secret": SANDBOX_CLIENT_SECRET, "refresh_token": token}
    return sandbox.http.post("/developer/oauth/token", data={"grant_type": "refresh_token"} | own | form)


def test_wrong_or_missing_credentials_get_401(sandbox: RunningSandbox) -> None:
    assert post(sandbox).status_code == 200
    assert post(sandbox, Authorization=f"Bearer {SANDBOX_ACCESS_TOKEN}").status_code == 200
    assert post(sandbox, Authorization="Bearer nonsense").status_code == 401
    assert post(sandbox, **{"x-gazelle-api-key": "nonsense"}).status_code == 401
    assert post(sandbox, accept="*/*").json()["error"] == "unauthorized"


def test_the_path_without_its_slash_is_an_html_page(sandbox: RunningSandbox) -> None:
    answer = sandbox.http.post("/graphql/private", json={"query": CLIENTS})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_both_tokens_rotate_and_the_old_ones_die(sandbox: RunningSandbox) -> None:
    first = refresh(sandbox, SANDBOX_REFRESH_TOKEN)
    assert first.status_code == 200
    tokens = first.json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 1000
    assert post(sandbox, Authorization=f"Bearer {tokens['access_token']}").status_code == 200
    assert post(sandbox, Authorization=f"Bearer {SANDBOX_ACCESS_TOKEN}").status_code == 401
    again = refresh(sandbox, SANDBOX_REFRESH_TOKEN)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_grant")
    assert refresh(sandbox, tokens["refresh_token"]).status_code == 200


def test_starting_over_leaves_no_edit_fault_setting_token_or_count_behind(sandbox: RunningSandbox) -> None:
    first = post(sandbox).content
    sandbox.admin.edit("clients", sandbox.admin.ids("clients")[0], status="INACTIVE")
    sandbox.admin.settings(max_page_size=3)
    sandbox.admin.fault("status", status=503, times=0)
    refresh(sandbox, SANDBOX_REFRESH_TOKEN)
    sandbox.admin.start_over()
    assert sandbox.admin.stats()["arrivals"] == 0
    assert sandbox.admin.settings() == Settings().as_record()
    assert sandbox.admin.faults() == []
    assert post(sandbox, Authorization=f"Bearer {SANDBOX_ACCESS_TOKEN}").content == first


def test_an_edit_after_going_back_shows_and_one_before_does_not(sandbox: RunningSandbox) -> None:
    first = rows(post(sandbox))
    client = first[0]["id"]
    sandbox.admin.edit("clients", client, tags=["before"])
    assert rows(post(sandbox))[0]["tags"] == ["before"]
    sandbox.admin.restore()
    assert rows(post(sandbox)) == first
    sandbox.admin.edit("clients", client, tags=["after"])
    assert rows(post(sandbox))[0]["tags"] == ["after"]
    sandbox.admin.restore()
    assert rows(post(sandbox)) == first


def test_other_grants_are_unsupported(sandbox: RunningSandbox) -> None:
    answer = refresh(sandbox, SANDBOX_REFRESH_TOKEN, grant_type="client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_an_expired_access_token_gets_401_until_it_is_refreshed(sandbox: RunningSandbox) -> None:
    sandbox.admin.expire_token()
    assert post(sandbox, Authorization=f"Bearer {SANDBOX_ACCESS_TOKEN}").status_code == 401
    assert refresh(sandbox, SANDBOX_REFRESH_TOKEN).status_code == 200


def test_more_requests_than_the_rate_get_429_with_retry_after(sandbox: RunningSandbox) -> None:
    sandbox.admin.settings(rate_per_s=3)
    answers = [post(sandbox) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["Retry-After"]) >= 1
    assert sandbox.admin.stats()["max_in_a_second"] == 4


def test_the_date_and_the_stamps_are_of_the_servers_own_clock(sandbox: RunningSandbox) -> None:
    sandbox.admin.settings(clock_skew_s=3600)
    ahead = parsedate_to_datetime(post(sandbox).headers["Date"]) - datetime.now(UTC)
    assert 3500 < ahead.total_seconds() < 3700
    edited = sandbox.admin.edit("clients", sandbox.admin.dump("clients")[0]["id"], personalNotes="x")
    assert 3500 < (datetime.fromisoformat(edited["updatedAt"]) - datetime.now(UTC)).total_seconds() < 3700


def test_bodies_and_stamps_are_counted_apart(sandbox: RunningSandbox) -> None:
    post(sandbox, "query Stamps { allClients(first: 10) { nodes { id updatedAt } } }")
    for _ in range(2):
        post(sandbox)
    stats = sandbox.admin.stats()
    assert stats["by_operation"] == {"Stamps": 1, "Clients": 2}
    assert stats["stamps"] == {"clients": 10}
    assert stats["bodies"] == {"clients": 20}


def test_a_fault_strikes_the_requests_it_names_as_often_as_it_was_told(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("status", code=503, operation="Clients", after=1, times=2)
    other = "query Others { allPianos { totalCount } }"
    statuses = [post(sandbox, query).status_code for query in (CLIENTS, other, CLIENTS, CLIENTS, CLIENTS)]
    assert statuses == [200, 200, 503, 503, 200]
    assert sandbox.admin.faults()[0]["struck"] == 2


def test_a_429_carries_the_wait_that_it_was_given(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("status", code=429, retry_after=7)
    assert post(sandbox).headers["Retry-After"] == "7"


@pytest.mark.parametrize("kind", ["html_200", "truncated", "empty_body", "invalid_utf8"])
def test_an_answer_that_is_not_json(sandbox: RunningSandbox, kind: str) -> None:
    sandbox.admin.fault(kind)
    answer = post(sandbox)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r".+"):
        json.loads(answer.content)


@pytest.mark.parametrize("kind", ["reset", "close_after"])
def test_an_answer_that_never_comes(sandbox: RunningSandbox, kind: str) -> None:
    piano = sandbox.admin.dump("pianos")[0]
    sandbox.admin.fault(kind)
    mutation = f'mutation {{ updatePiano(id: "{piano["id"]}", input: {{ notes: "écrit" }}) {{ piano {{ id }} }} }}'
    with pytest.raises(httpx.TransportError):
        post(sandbox, mutation)
    executed = (sandbox.admin.record("pianos", piano["id"]) or {})["notes"] == "écrit"
    assert executed == (kind == "close_after")


def test_an_answer_that_comes_too_late(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("timeout", seconds=2)
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post("/graphql/private/", json={}, timeout=0.1)


def test_an_answer_that_drips(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("slow_drip", seconds=0.4)
    started = time.monotonic()
    assert len(rows(post(sandbox))) == 10
    assert time.monotonic() - started > 0.3


def test_graphql_errors_come_with_http_200(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("graphql_errors", message="Boum")
    answer = post(sandbox)
    assert answer.status_code == 200
    assert answer.json() == {"data": None, "errors": [{"message": "Boum"}]}


def test_partial_data_comes_with_the_path_of_what_is_missing(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("partial", place=2)
    answer = post(sandbox).json()
    assert answer["data"]["allClients"]["nodes"][2] is None
    assert answer["errors"][0]["path"] == ["allClients", "nodes", 2]


def test_pages_repeat_and_skip_rows_and_miscount(sandbox: RunningSandbox) -> None:
    whole = post(sandbox).json()["data"]["allClients"]
    sandbox.admin.fault("repeat_row")
    assert len(rows(post(sandbox))) == 11
    sandbox.admin.fault("skip_row")
    assert len(rows(post(sandbox))) == 9
    sandbox.admin.fault("total_wrong", delta=-3)
    assert post(sandbox).json()["data"]["allClients"]["totalCount"] == whole["totalCount"] - 3
    sandbox.admin.fault("order_violation")
    assert rows(post(sandbox))[0] == whole["nodes"][-1]
    assert post(sandbox).json()["data"]["allClients"] == whole


def test_fields_are_emptied_dropped_and_strange(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("empty_tags")
    assert all(row["tags"] == [] for row in rows(post(sandbox)))
    sandbox.admin.fault("missing_field", field="status")
    assert all("status" not in row for row in rows(post(sandbox)))
    sandbox.admin.fault("unknown_enum", field="status", value="ENCHANTÉ")
    assert all(row["status"] == "ENCHANTÉ" for row in rows(post(sandbox)))
    sandbox.admin.fault("null_updated_at")
    assert all(row["updatedAt"] is None for row in rows(post(sandbox)))
    sandbox.admin.fault("empty_account")
    assert post(sandbox).json()["data"]["allClients"] == {"totalCount": 0, "nodes": []}


def test_lone_surrogates_and_nul_travel_as_escapes(sandbox: RunningSandbox) -> None:
    piano = sandbox.admin.dump("pianos")[0]["id"]
    sandbox.admin.edit("pianos", piano, notes="coupé \ud83c et nul \u0000")
    answer = post(sandbox, f'{{ piano(id: "{piano}") {{ notes }} }}')
    assert b"\\ud83c" in answer.content
    assert json.loads(answer.content)["data"]["piano"]["notes"] == "coupé \ud83c et nul \u0000"
    assert (sandbox.admin.record("pianos", piano) or {})["notes"] == "coupé \ud83c et nul \u0000"


def test_a_note_of_a_megabyte_is_served(sandbox: RunningSandbox) -> None:
    piano = sandbox.admin.dump("pianos")[0]["id"]
    sandbox.admin.edit("pianos", piano, notes="é" * 500_000)
    assert len(post(sandbox, f'{{ piano(id: "{piano}") {{ notes }} }}').content) > 1_000_000


def test_mutation_errors_on_order_write_nothing(sandbox: RunningSandbox) -> None:
    piano = sandbox.admin.dump("pianos")[0]
    sandbox.admin.fault("mutation_errors", message="Pas aujourd'hui")
    mutation = (
        f'mutation {{ updatePiano(id: "{piano["id"]}", input: {{ notes: "x" }}) {{ mutationErrors {{ messages }} }} }}'
    )
    result = post(sandbox, mutation).json()["data"]["updatePiano"]
    assert result["mutationErrors"] == [{"messages": ["Pas aujourd'hui"]}]
    assert sandbox.admin.record("pianos", piano["id"]) == piano


def test_large_pages_and_many_aliases_can_be_refused(sandbox: RunningSandbox) -> None:
    sandbox.admin.fault("page_size_refused", max=5)
    assert "at most 5" in post(sandbox).json()["errors"][0]["message"]
    sandbox.admin.settings(max_root_fields=2)
    assert (
        "root fields" in post(sandbox, "{ a: __typename b: __typename c: __typename }").json()["errors"][0]["message"]
    )
    assert len(rows(post(sandbox))) == 10


def test_a_sandbox_that_is_told_to_stop_cleans_up(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    sandbox = start_sandbox(tmp_path / "gazelle.sqlite", scale=0.02, extra=("--ready-file", str(ready_file)))
    assert ready_file.exists()
    assert sandbox.stop() == 0
    assert not ready_file.exists()


def test_a_sandbox_dies_with_its_last_user(tmp_path: Path) -> None:
    lock_file, ready_file = tmp_path / "users.lock", tmp_path / "ready.json"
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        extra = ("--exit-when-unused", str(lock_file), "--ready-file", str(ready_file))
        sandbox = start_sandbox(tmp_path / "gazelle.sqlite", scale=0.02, extra=extra)
        assert json.loads(ready_file.read_text()) == {"url": sandbox.url, "pid": sandbox.process.pid}
        time.sleep(1.2)
        assert sandbox.admin.healthy()
    assert sandbox.process.wait(timeout=5) == 0
    assert sandbox.stop() == 0
    assert not ready_file.exists()
    assert (tmp_path / "gazelle.sqlite").exists()

"""A document of many aliased mutations at the sandbox: they run in order, and each is judged by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "gazelle.sqlite", scale=0.05) as sandbox:
        sandbox.admin.snapshot()
        yield sandbox


@dataclass
class Wave:
    """Six pianos whose notes one document writes."""

    sandbox: RunningSandbox
    pianos: list[str]

    def send(self) -> httpx.Response:
        """Send it; its answer as it came."""
        aliases = " ".join(
            f'p{n}: updatePiano(id: "{piano}", input: {{notes: "wave"}}) '
            "{ piano { notes } mutationErrors { fieldName messages } }"
            for n, piano in enumerate(self.pianos)
        )
        return self.sandbox.http.post(
            "/graphql/private/",
            content=json.dumps({"query": f"mutation Wave {{ {aliases} }}"}).encode(),
            headers={"x-gazelle-api-key": self.sandbox.api_key},
        )

    def answer(self) -> Json:
        """Send it; its answer as JSON."""
        return self.send().json()

    def done(self) -> list[int]:
        """Places of the pianos that it wrote to."""
        records = [self.sandbox.admin.record("pianos", piano) or {} for piano in self.pianos]
        return [place for place, record in enumerate(records) if record["notes"] == "wave"]


@pytest.fixture
def wave(shared_sandbox: RunningSandbox) -> Wave:
    admin = shared_sandbox.admin
    admin.restore()
    admin.clear_faults()
    admin.settings(max_root_fields=0, refusal_status=200, field_ms=0)
    admin.reset_stats()
    return Wave(shared_sandbox, [row["id"] for row in admin.dump("pianos")[:6]])


DONE: Record = {"piano": {"notes": "wave"}, "mutationErrors": []}


def test_one_that_is_not_known_fails_alone_and_one_request_is_counted(wave: Wave) -> None:
    gone, wave.pianos[2] = wave.pianos[2], "pno_unknown"
    answer = wave.answer()
    assert "errors" not in answer
    assert answer["data"]["p2"]["mutationErrors"][0]["fieldName"] == "id"
    assert [key for key, value in answer["data"].items() if value == DONE] == ["p0", "p1", "p3", "p4", "p5"]
    wave.pianos[2] = gone
    assert wave.done() == [0, 1, 3, 4, 5]
    stats = wave.sandbox.admin.stats()
    assert (stats["by_operation"], stats["by_field"]) == ({"Wave": 1}, {"updatePiano": 6})


def test_one_is_refused_by_a_fault_that_names_it(wave: Wave) -> None:
    wave.sandbox.admin.fault("alias_refused", about=wave.pianos[4], message="Not today")
    answer = wave.answer()
    assert answer["data"]["p4"] == {"piano": None, "mutationErrors": [{"fieldName": "base", "messages": ["Not today"]}]}
    assert wave.done() == [0, 1, 2, 3, 5]


@pytest.mark.parametrize("done", [True, False])
def test_one_is_null_with_an_error_at_its_path_whether_it_was_done_or_not(wave: Wave, done: bool) -> None:
    wave.sandbox.admin.fault("alias_null", place=1, done=done, message="Timed out")
    answer = wave.answer()
    assert answer["data"]["p1"] is None
    assert [(error["message"], error["path"]) for error in answer["errors"]] == [("Timed out", ["p1"])]
    assert wave.done() == [n for n in range(6) if n != 1 or done]


@pytest.mark.parametrize("status", [200, 400, 413])
def test_a_document_of_too_many_fields_is_refused_whole(wave: Wave, status: int) -> None:
    wave.sandbox.admin.settings(max_root_fields=5, refusal_status=status)
    answer = wave.send()
    assert answer.status_code == status
    assert answer.json() == {"errors": [{"message": "Query has 6 root fields; at most 5 are allowed"}]}
    assert wave.done() == []
    wave.pianos.pop()
    assert wave.send().status_code == 200
    assert wave.done() == [0, 1, 2, 3, 4]


def test_half_of_it_is_done_and_the_connection_cut(wave: Wave) -> None:
    wave.sandbox.admin.fault("half_done", place=4)
    with pytest.raises(httpx.TransportError):
        wave.send()
    assert wave.done() == [0, 1, 2, 3]
    assert wave.sandbox.admin.stats()["by_field"] == {"updatePiano": 4}


def test_the_rest_of_it_may_be_done_later(wave: Wave) -> None:
    wave.sandbox.admin.fault("half_done", seconds=0.05, code=504)
    assert wave.send().status_code == 504
    deadline = time.monotonic() + 10
    while wave.done() != [0, 1, 2, 3, 4, 5]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_answer_can_lack_half_of_what_was_asked(wave: Wave) -> None:
    wave.sandbox.admin.fault("first_half")
    assert list(wave.answer()["data"]) == ["p0", "p1", "p2"]


def test_every_field_of_a_document_can_take_its_time(wave: Wave) -> None:
    wave.sandbox.admin.settings(field_ms=30)
    begun = time.monotonic()
    assert wave.send().is_success
    assert time.monotonic() - begun >= 0.18


def test_what_a_document_did_survives_kill_9(wave: Wave, tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "gazelle.sqlite", scale=0.02) as sandbox:
        own = Wave(sandbox, [row["id"] for row in sandbox.admin.dump("pianos")[:6]])
        own.answer()
        sandbox.kill()
    with running_sandbox(tmp_path / "gazelle.sqlite") as sandbox:
        assert Wave(sandbox, own.pianos).done() == [0, 1, 2, 3, 4, 5]

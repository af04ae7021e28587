"""How a document of changes is sent: what it asks, how it is halved, how each alias is judged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from gazelle_sync.errors import ApiError, ApiUnreachable, OperationFailed, RequestRefused, WriteRefused
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.gazelle.page_sizes import DocumentSize
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.transports.graphql import GraphqlTransport
from gazelle_sync.push.transports.pianos import PIANO
from gazelle_sync.push.transports.protocol import Result, Sending, Sent

ALIAS = re.compile(r"^  ([bm]\d+): ", re.MULTILINE)
Says = Callable[[list[str]], dict[str, Any]]


@dataclass
class Api:
    """Answers documents as it is told, and remembers what was asked: the aliases of each.

    Attributes:
        says: Aliases → data of the answer; it may raise.
    """

    says: Says
    asked: list[list[str]] = field(default_factory=list)
    document_size: DocumentSize = field(default_factory=DocumentSize)

    def execute_exactly(self, operation: str, text: str, variables: Any, *, is_write: bool) -> Answer:
        assert (operation, is_write) == ("Push", True)
        aliases = ALIAS.findall(text)
        self.asked.append(aliases)
        return Answer(self.says(aliases), datetime.now(UTC), False)

    def send(self, *, tags: int = 0, comments: int = 0) -> list[Result]:
        """Send so many changes of tags, then so many comments."""
        transport = GraphqlTransport(cast("GazelleClient", self), PIANO)
        return self.send_by(transport, tags=tags, comments=comments)

    def send_by(self, transport: GraphqlTransport, *, tags: int = 0, comments: int = 0) -> list[Result]:
        """The same, by a transport that has sent already."""
        remote = Remote("pno_1", {"tags": [], "notes": None, "client_id": "cli_1"})
        tag = Action("update_tags", "status", {"tags": ["TOP"]}, {}, ())
        comment = Action("add_comment", "notes", {"text": "Un", "created_at": "2026-07-01T16:00:00Z"}, {}, ())
        return transport.send([Sending(one, remote) for one in [tag] * tags + [comment] * comments])


def done(aliases: list[str]) -> dict[str, Any]:
    """All of it was done."""
    piano = {"id": "pno_1", "tags": ["TOP"], "notes": None, "updatedAt": "2026-07-01T16:00:00Z"}
    return {one: {"piano": piano, "clientLog": {"id": f"log_{one}"}, "mutationErrors": []} for one in aliases}


def refusing(most: int) -> Says:
    """An API that takes documents of so many fields."""

    def says(aliases: list[str]) -> dict[str, Any]:
        if len(aliases) > most:
            raise OperationFailed("Push", ["too complex"], has_data=False)
        return done(aliases)

    return says


def kinds(results: list[Result]) -> list[str]:
    return [type(one).__name__ for one in results]


def test_a_wave_is_one_document_and_each_update_asks_what_it_replaces() -> None:
    api = Api(done)
    assert kinds(api.send(tags=2, comments=1)) == ["Sent"] * 3
    assert api.asked == [["b0", "m0", "b1", "m1", "m2"]]


@pytest.mark.parametrize(("most", "size"), [(10, 6), (1, 1)])
def test_a_document_that_is_too_complex_is_halved_and_the_size_is_kept(most: int, size: int) -> None:
    api = Api(refusing(most))
    assert kinds(api.send(comments=50)) == ["Sent"] * 50
    assert api.document_size.size <= most
    assert sorted(alias for aliases in api.asked if len(aliases) <= most for alias in aliases) == sorted(
        f"m{n}" for n in range(50)
    ), "nothing twice"
    assert api.document_size.size >= min(size, most)
    before = len(api.asked)
    api.send(comments=api.document_size.size)
    assert len(api.asked) == before + 1


def test_one_change_that_is_refused_alone_does_not_make_documents_smaller() -> None:
    def says(aliases: list[str]) -> dict[str, Any]:
        if "m7" in aliases:
            raise RequestRefused("Push", "a word of it", status=403)
        return done(aliases)

    api = Api(says)
    results = api.send(comments=20)
    assert [n for n, one in enumerate(results) if not isinstance(one, Sent)] == [7]
    assert isinstance(results[7], RequestRefused)
    assert api.document_size.size == DocumentSize().size


def test_each_alias_is_judged_by_itself() -> None:
    def says(aliases: list[str]) -> dict[str, Any]:
        data = done(aliases)
        data["m1"] = {"clientLog": None, "mutationErrors": [{"fieldName": "base", "messages": ["closed"]}]}
        data["m2"] = None
        del data["m3"]
        data["m4"] = {"clientLog": None, "mutationErrors": []}
        raise OperationFailed("Push", ["Internal error"], data=data)

    results = Api(says).send(comments=6)
    assert kinds(results) == ["Sent", "WriteRefused", "OperationFailed", "OperationFailed", "AnswerUnreadable", "Sent"]
    assert [may_have_been_taken(one) for one in results if isinstance(one, ApiError)] == [False, True, True, True]


@pytest.mark.parametrize(
    "error",
    [OperationFailed("Push", ["hiccup"]), ApiUnreachable("Push", "cut", is_timeout=True)],
    ids=["data: null", "no answer"],
)
def test_no_answer_leaves_all_of_a_document_in_doubt_and_sends_none_of_it_again(error: ApiError) -> None:
    def says(_: list[str]) -> dict[str, Any]:
        raise error

    api = Api(says)
    results = api.send(tags=1, comments=9)
    assert all(isinstance(one, ApiError) and may_have_been_taken(one) for one in results)
    assert len(api.asked) == 1
    assert api.document_size.size == (5 if isinstance(error, ApiUnreachable) else DocumentSize().size)


def test_after_credentials_are_refused_nothing_more_is_sent() -> None:
    def says(_: list[str]) -> dict[str, Any]:
        raise ApiUnreachable("Push", "refused", was_sent=False)

    api = Api(says)
    api.document_size.size = 5
    assert kinds(api.send(comments=12)) == ["ApiUnreachable"] * 5 + ["NotSent"] * 7
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("refused", "asked"),
    [
        ([True, False, True, False], ["told", "plain", "told", "told", "plain", "told"]),
        ([True, True, False], ["told", "plain", "told", "plain", "plain"]),
    ],
    ids=["a passing error", "an API that refuses it"],
)
@pytest.mark.parametrize("has_data", [True, False])
def test_one_refusal_does_not_make_later_updates_blind(refused: list[bool], asked: list[str], has_data: bool) -> None:
    answers = [False]

    def says(aliases: list[str]) -> dict[str, Any]:
        if "b0" in aliases and answers[0]:
            raise OperationFailed("Push", ["hiccup"], has_data=has_data)
        return done(aliases)

    api = Api(says)
    transport = GraphqlTransport(cast("GazelleClient", api), PIANO)
    for is_refused in refused:
        answers[0] = is_refused
        (result,) = api.send_by(transport, tags=1)
        assert isinstance(result, Sent)
    assert ["told" if "b0" in aliases else "plain" for aliases in api.asked] == asked


def test_what_is_refused_alone_says_what_gazelle_said() -> None:
    (result,) = Api(refusing(0)).send(comments=1)
    assert isinstance(result, WriteRefused)
    assert result.reason == "too complex"

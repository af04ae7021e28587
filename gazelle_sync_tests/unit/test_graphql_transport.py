"""How an update asks what it replaces, and when it no longer does."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gazelle_sync.errors import OperationFailed
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.push.transports.graphql import GraphqlTransport


@pytest.mark.parametrize(
    ("refused", "asked"),
    [
        ([True, False, True, False], ["told", "plain", "told", "told", "plain", "told"]),
        ([True, True, False], ["told", "plain", "told", "plain", "plain"]),
    ],
    ids=["a passing error", "an API that refuses it"],
)
def test_one_refusal_does_not_make_later_updates_blind(
    monkeypatch: pytest.MonkeyPatch, refused: list[bool], asked: list[str]
) -> None:
    transport = GraphqlTransport(cast("GazelleClient", None))
    sent: list[str] = []

    def mutation(operation: str, _: Any) -> dict[str, Any]:
        sent.append("told" if operation == "PushPiano" else "plain")
        if operation == "PushPiano" and answers[0]:
            raise OperationFailed(operation, ["hiccup"])
        return {}

    monkeypatch.setattr(transport, "_mutation", mutation)
    for is_refused in refused:
        answers = [is_refused]
        transport._updated({})
    assert sent == asked

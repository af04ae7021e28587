"""A field that Gazelle cannot give of any record fails its entity soon, and the error names it."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.errors import OperationFailed
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.shop import Shop

FIELD = "defaultClientLocalization"
SAID = "Cannot return null for a non-null field"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every client's body lacks a field that cannot be null; what was asked for, tries included."""
    found: list[str] = []
    execute = GazelleClient.execute

    def failing(client: GazelleClient, operation: str, query: str, *rest: Any, **options: Any) -> Answer:
        answer = execute(client, operation, query, *rest, **options)
        if not operation.startswith("Clients") or FIELD not in query:
            return answer
        found.extend([operation] * (2 if options.get("can_ask_for_less") else 4))
        data = dict(answer.data)
        if operation == "ClientsPage":
            (root, page), *_ = data.items()
            count = len(page["nodes"])
            data[root] = {**page, "nodes": [None] * count}
            raise OperationFailed(
                operation, [SAID] * count, data=data, bad_nodes=set(range(count)), roots={root}, fields={FIELD}
            )
        raise OperationFailed(operation, [SAID] * len(data), data=dict.fromkeys(data), roots=set(data), fields={FIELD})

    monkeypatch.setattr(GazelleClient, "execute", failing)
    return found


@pytest.mark.parametrize("mode", [Mode.DEEP, Mode.TICK])
def test_a_field_that_fails_in_every_client_is_named_after_a_few_requests(
    shop: Shop, asked: list[str], mode: Mode
) -> None:
    for client in shop.admin.dump("clients")[:60]:
        shop.admin.edit("clients", client["id"], personalNotes="autre")
    before = shop.count("gazelle_clients", "deleted_at IS NULL")
    outcome = shop.sync(mode, check=False)
    assert str(outcome.errors["clients"]).count(FIELD) == 1
    assert SAID in str(outcome.errors["clients"])
    assert len(asked) <= 60 + 40
    assert shop.count("gazelle_clients", "deleted_at IS NULL") == before

"""What the sandbox really holds, read without any of the code that a pull reads with: no client, no retries, no pages
that shrink. It shares with the product what it is asked (the operations' text) and the reconcilers, no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.gazelle import documents
from gazelle_sync_tests.support.sandbox import RunningSandbox
from gazelle_sync_tests.support.shop import KIND_OF_ENTITY

Record = dict[str, Any]
Row = dict[str, Any]

MONTREAL = ZoneInfo("America/Toronto")
PAGE = 500


class Truth:
    """The account at one moment, with all faults gone.

    Attributes:
        bodies: Entity → id → body as the API gives it, cancelled visits included.
        rows: Table → id → row that the reconcilers make of the bodies.
        stored: Entity → id → the record as the sandbox keeps it.
    """

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox
        self.stored: dict[str, dict[str, Record]] = {
            entity.name: {record["id"]: record for record in sandbox.admin.dump(KIND_OF_ENTITY[entity.name])}
            for entity in ENTITIES
        }
        self.bodies = {entity.name: self._bodies(entity) for entity in ENTITIES}
        self.rows: dict[str, dict[str, Row]] = {table.name: {} for entity in ENTITIES for table in entity.tables}
        for entity in ENTITIES:
            for body in self.bodies[entity.name].values():
                for table, rows in entity.reconcile(body).items():
                    self.rows[table] |= {row["external_id"]: row for row in rows}

    def _bodies(self, entity: Entity) -> dict[str, Record]:
        if entity.strategy is Strategy.WHOLE_LIST:
            text = documents.operation(entity.name, entity.page_operation)
            return {body["id"]: body for body in self._ask(text)[entity.root]}
        bodies = {body["id"]: body for body in self._pages(entity)}
        stored = self.stored[entity.name]
        for external_id in stored.keys() - bodies.keys():
            text, variables = documents.by_ids(entity, [external_id])
            bodies[external_id] = self._whole(entity, self._ask(text, **variables)["n0"])
        if bodies.keys() != stored.keys():
            raise AssertionError(f"{entity.name}: the API gives {len(bodies)} records, the sandbox has {len(stored)}")
        return bodies

    def _pages(self, entity: Entity) -> Iterator[Record]:
        text = documents.operation(entity.name, entity.page_operation)
        after: str | None = None
        while True:
            connection = self._ask(text, first=PAGE, **({"after": after} if after else {}))[entity.root]
            for body in connection["nodes"]:
                yield self._whole(entity, body)
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]

    def _whole(self, entity: Entity, body: Record) -> Record:
        """The body with all of its nested lists: it says whether there is more than its first page, and not where."""
        for (*outer, field), operation in entity.nested_operations.items():
            for owner in _records_at(body, outer):
                if owner[field]["pageInfo"]["hasNextPage"]:
                    owner[field] = {"nodes": self._all_nodes(entity, operation, owner["id"], field)}
                    owner[field]["pageInfo"] = {"hasNextPage": False}
        return body

    def _all_nodes(self, entity: Entity, operation: str, owner_id: str, field: str) -> list[Record]:
        text = documents.operation(entity.name, operation)
        nodes: list[Record] = []
        info: Record = {"hasNextPage": True, "endCursor": None}
        while info["hasNextPage"]:
            after = {"after": info["endCursor"]} if info["endCursor"] else {}
            (owner,) = self._ask(text, id=owner_id, first=PAGE, **after).values()
            nodes += owner[field]["nodes"]
            info = owner[field]["pageInfo"]
        return nodes

    def _ask(self, text: str, **variables: object) -> Record:
        answer = self._sandbox.ask(text, **variables)
        if "errors" in answer:
            raise AssertionError(f"the healthy sandbox answered with errors: {json.dumps(answer['errors'])[:500]}")
        data: Record = answer["data"]
        return data


def _records_at(body: Record, path: list[str]) -> list[Record]:
    """The records at the end of a path; `nodes[]` walks a list."""
    records = [body]
    for name in path:
        records = [r for one in records for r in one["nodes"]] if name == "nodes[]" else [one[name] for one in records]
    return records

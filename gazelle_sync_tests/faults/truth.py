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
from gazelle_sync.sandbox.running import RunningSandbox
from gazelle_sync_tests.shop import KIND_OF_ENTITY

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
        for field, operation in entity.nested_operations.items():
            if not body[field]["pageInfo"]["hasNextPage"]:
                continue
            nodes: list[Record] = []
            info: Record = {"hasNextPage": True, "endCursor": None}
            while info["hasNextPage"]:
                after = {"after": info["endCursor"]} if info["endCursor"] else {}
                text = documents.operation(entity.name, operation)
                (parent,) = self._ask(text, id=body["id"], first=PAGE, **after).values()
                nodes += parent[field]["nodes"]
                info = parent[field]["pageInfo"]
            body[field] = {"nodes": nodes, "pageInfo": {"hasNextPage": False}}
        return body

    def _ask(self, text: str, **variables: object) -> Record:
        answer = self._sandbox.ask(text, **variables)
        if "errors" in answer:
            raise AssertionError(f"the healthy sandbox answered with errors: {json.dumps(answer['errors'])[:500]}")
        data: Record = answer["data"]
        return data

"""The lists inside records (contacts, locations, measurements, items), which an answer cuts at their first page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gazelle_sync.entities import Entity
from gazelle_sync.errors import AnswerUnreadable, OperationFailed, RequestRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.i18n import gettext
from gazelle_sync.pull.paths import records_at
from gazelle_sync.pull.validation import TRIES
from gazelle_sync.runtime.logs import get_logger

log = get_logger("gazelle_sync.pull")


class NestedLists:
    """Reads those of one entity.

    Attributes:
        size: Rows asked for at once of each, by now.

    Args:
        client: The API.
        entity: Whose.
        size: Rows asked for at once, to begin with.
    """

    def __init__(self, client: GazelleClient, entity: Entity, size: int) -> None:
        self._client = client
        self._entity = entity
        self.size = size

    def complete(self, bodies: list[Any]) -> bool:
        """Read the rest of those that were cut at their first page; gives whether any was.

        In the order of the declaration: a contact that comes with the rest may itself have more locations than a page.
        """
        found = False
        for path, operation in self._entity.nested_operations.items():
            for holder in records_at(bodies, path[:-1]):
                found = self._complete(holder, path[-1], operation) or found
        return found

    def refill(self, body: dict[str, Any]) -> bool:
        """Ask the own pages of a record's nested lists that came empty; gives whether any held something."""
        found = False
        for path, operation in self._entity.nested_operations.items():
            for holder in records_at([body], path[:-1]):
                connection = holder.get(path[-1])
                if not isinstance(connection, dict) or connection.get("nodes") != []:
                    continue
                if not isinstance(holder.get("id"), str):
                    continue
                connection["nodes"] = self._readable(operation, holder["id"], path[-1]) or []
                found = found or bool(connection["nodes"])
        return found

    def _complete(self, holder: dict[str, Any], field: str, operation: str) -> bool:
        """Read the rest of one; gives whether there was one to read, and it was."""
        connection = holder.get(field)
        info = connection.get("pageInfo") if isinstance(connection, dict) else None
        if not isinstance(connection, dict) or not isinstance(info, dict) or not info.get("hasNextPage"):
            return False
        if not isinstance(holder.get("id"), str):
            return False
        nodes = self._readable(operation, holder["id"], field)
        if nodes is None:  # the body stays cut, so its reconciler refuses it: one record in error, the others go on
            return False
        connection["nodes"], info["hasNextPage"] = nodes, False
        return True

    def _readable(self, operation: str, external_id: str, field: str) -> list[Any] | None:
        """All of a nested list; None where Gazelle cannot give it, or forbids it."""
        try:
            return self._all(operation, external_id, field)
        except (OperationFailed, AnswerUnreadable, RequestRefused) as error:
            if isinstance(error, RequestRefused) and not error.is_forbidden:
                raise
            log.warning("a nested list cannot be read", record=external_id, reason=str(error))
            return None

    def _all(self, operation: str, external_id: str, field: str) -> list[Any]:
        """All of a nested list. A row that its pages left out would look like one that was removed."""
        for _ in range(TRIES):
            totals: set[int] = set()
            nodes = list(self._pages(operation, external_id, field, totals))
            named = {node["id"] for node in nodes if isinstance(node, dict) and isinstance(node.get("id"), str)}
            nameless = sum(not isinstance(node, dict) or not isinstance(node.get("id"), str) for node in nodes)
            if not totals or totals == {len(named) + nameless}:
                return nodes
            log.warning("a nested list moved while it was read", record=external_id, operation=operation)
        raise AnswerUnreadable(
            operation, f"{external_id}: " + gettext("{field} and its count never agreed", field=field)
        )

    def _pages(self, operation: str, external_id: str, field: str, totals: set[int]) -> Iterator[Any]:
        text = documents.with_nested_pages(documents.operation(self._entity.name, operation), self.size)
        after: str | None = None
        seen: set[str] = set()
        while True:
            variables = {"id": external_id, "first": self.size, **({"after": after} if after else {})}
            answer = self._client.execute(operation, text, variables)
            holder = next(iter(answer.data.values()), None)  # the operation has one root: the record by its id
            connection = holder.get(field) if isinstance(holder, dict) else None
            if not isinstance(connection, dict):
                raise AnswerUnreadable(
                    operation, f"{external_id}: " + gettext("the answer holds no {name}", name=field)
                )
            yield from connection.get("nodes") or []
            if isinstance(connection.get("totalCount"), int):
                totals.add(connection["totalCount"])
            info = connection.get("pageInfo") or {}
            after = info.get("endCursor")
            if not info.get("hasNextPage"):
                return
            if not after or after in seen:
                raise AnswerUnreadable(
                    operation, f"{external_id}: " + gettext("the pages of {field} have no end", field=field)
                )
            seen.add(after)

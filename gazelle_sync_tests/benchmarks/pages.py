"""Pages of the timeline as the API would send them, without an API: the sandbox's own entries, a line of a file a page.

A file that was just written lies in memory; neither side holds the pages itself, so that 2,800,000 entries fit as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from psycopg import sql

from gazelle_sync.sandbox.dataset import Inventor
from gazelle_sync.sandbox.drawing import Volume
from gazelle_sync.warehouse.connect import connect

PAGE_SIZE = 1000
PARENTS = ("users", "clients", "pianos", "invoices")


@dataclass(frozen=True)
class Pages:
    """Pages of the timeline, and the records that they name.

    Attributes:
        path: A page a line.
        entries: How many entries there are.
        parents: Entity → ids.
    """

    path: Path
    entries: int
    parents: dict[str, list[str]]

    def answers(self) -> Iterator[dict[str, Any]]:
        """The `data` of each answer, decoded as the client does it."""
        with self.path.open("rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line)["data"]

    def make_parents(self, url: str) -> None:
        """Give the named records rows of their own."""
        with connect(url) as connection:
            for name, ids in self.parents.items():
                table = sql.Identifier(f"gazelle_{name}")
                connection.execute(
                    sql.SQL("INSERT INTO {} (external_id) SELECT unnest(%s::text[])").format(table), [ids]
                )
            connection.commit()
            connection.autocommit = True
            for name in self.parents:
                connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(f"gazelle_{name}")))


def write_pages(directory: Path, entries: int) -> Pages:
    """Invent so many entries of a seed-size shop and write their pages."""
    volume = Volume.of("seed", timeline=0)
    inventor = Inventor(volume, datetime.now(UTC), seed=1)
    account = inventor.account()
    inventor.volume = replace(volume, timeline=entries, recent_entries=123)
    path = directory / f"timeline_{entries}.jsonl"
    people = {user["id"]: user for user in [*account["users"], *account["former_users"]]}
    bodies = (_body(entry, people) for entry in inventor.timeline())
    with path.open("wb") as out:
        while nodes := list(islice(bodies, PAGE_SIZE)):
            out.write(msgspec.json.encode({"data": {"allTimelineEntries": {"nodes": nodes}}}) + b"\n")
    named = {name: [record["id"] for record in account[name]] for name in PARENTS}
    named["users"] = list(people)
    named["clients"].append(inventor.deleted_client_id)
    return Pages(path, entries, named)


def _body(entry: dict[str, Any], people: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The fields of the fragment TimelineBody."""
    user = people.get(entry.get("userId", ""))
    return {
        "id": entry["id"],
        "occurredAt": entry["occurredAt"],
        "type": entry["type"],
        "summary": entry.get("summary"),
        "comment": entry.get("comment"),
        "client": _named(entry, "clientId"),
        "piano": _named(entry, "pianoId"),
        "invoice": _named(entry, "invoiceId"),
        "estimate": _named(entry, "estimateId"),
        "user": user and {"id": user["id"], "firstName": user["firstName"], "lastName": user["lastName"]},
    }


def _named(entry: dict[str, Any], field: str) -> dict[str, Any] | None:
    return {"id": entry[field]} if entry.get(field) else None

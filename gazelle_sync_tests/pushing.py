"""The harness of the tests that push: a shop with a table of edits, and what Gazelle made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from gazelle_sync.push.session import Push, PushReport
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.shop import Record, Row, Shop

TABLE = "vincent_dindy_piano_updates"
QUIET = {"sync_attempts", "next_attempt_at", "base", "revision"}


@dataclass
class Office:
    """People who edit the shop's table, and the pushes that follow.

    Attributes:
        shop: Database and sandbox.
        transport: `graphql` or `rest`.
        service: `comment` or `event`.
    """

    shop: Shop
    transport: str = "graphql"
    service: str = "comment"

    def piano(self, place: int = 0, **values: Any) -> str:
        """The id of a living piano, with some fields set at Gazelle long before now."""
        pianos = [p for p in self.shop.admin.dump("pianos") if p["status"] == "ACTIVE" and p["clientId"]]
        piano = pianos[place]
        self.shop.admin.edit("pianos", piano["id"], touch="2026-01-01T00:00:00Z", **values)
        return str(piano["id"])

    def edit(self, piano: str, **values: Any) -> None:
        """What any tool does: insert the row, or update it."""
        names = [sql.Identifier(name) for name in values]
        query = sql.SQL(
            "INSERT INTO {table} (gazelle_id, {names}) VALUES (%s, {marks}) "
            "ON CONFLICT (gazelle_id) DO UPDATE SET {sets}"
        ).format(
            table=sql.Identifier(TABLE),
            names=sql.SQL(", ").join(names),
            marks=sql.SQL(", ").join(sql.Placeholder() for _ in names),
            sets=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in names),
        )
        with connect(self.shop.url) as connection:
            connection.execute(query, [piano, *values.values()])

    def push(self, *, keys: Sequence[str] | None = None, at_once: bool = True, **options: Any) -> PushReport:
        """One push in this process."""
        changes = {name: options.pop(name) for name in list(options) if hasattr(self.shop.settings, name)}
        changes = {"push_transport": self.transport, "push_service": self.service, **changes}
        options = {"grace_s": 0.2, **options}
        with Push(replace(self.shop.settings, **changes), keys=keys, at_once=at_once, **options) as push:
            return push.run()

    # ---- looking

    def row(self, piano: str) -> Row:
        """The local row."""
        (row,) = self.shop.rows(TABLE, "gazelle_id = %s", piano)
        return row

    def record(self, piano: str) -> Record:
        """Gazelle's record."""
        found = self.shop.admin.record("pianos", piano)
        assert found is not None
        return found

    def comments(self, piano: str) -> list[str]:
        """Texts of the piano's entries that were made by us, oldest first."""
        return [
            e["comment"] for e in self.shop.admin.dump("timeline") if e.get("pianoId") == piano and e.get("clientLogId")
        ]

    def measurements(self, piano: str) -> list[Record]:
        """The piano's measurements."""
        return [m for m in self.shop.admin.dump("measurements") if m["pianoId"] == piano]

    def log(self, piano: str | None = None) -> list[tuple[str, str]]:
        """Action and status of every row of the log, in order."""
        rows = sorted(self.shop.rows("sync_gazelle_logs"), key=lambda row: int(row["id"]))
        return [(row["action"], row["status"]) for row in rows if piano in (None, row["piano_id"])]

    def conflicts(self) -> list[Row]:
        """Every conflict, in order."""
        return sorted(self.shop.rows("sync_conflicts"), key=lambda row: int(row["id"]))

    def assert_clean(self, piano: str) -> None:
        """Gazelle has what the row says."""
        row = self.row(piano)
        assert (row["needs_sync"], row["sync_error"]) == (False, None)
        assert row["last_synced_at"] is not None

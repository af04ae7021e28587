"""The harness of the tests that run a whole pull: a real database, a real sandbox, and the proof that they agree."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gazelle_sync.entities import ENTITIES, Entity, Strategy, Table
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.gazelle.client import GazelleClient, client_for
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.replay import Replay, WithoutStaging
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.session import Pull
from gazelle_sync.sandbox import SANDBOX_API_KEY, SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync.warehouse.settings_table import read_watermarks
from gazelle_sync_tests.support.distance import far_away
from gazelle_sync_tests.support.sandbox import RunningSandbox

Row = dict[str, Any]
Record = dict[str, Any]

KIND_OF_ENTITY = {entity.name: entity.name for entity in ENTITIES} | {"appointments": "events"}
"""Entity → kind of record in the sandbox."""

PRODUCTION = [table.name for entity in ENTITIES for table in entity.tables]
ENTITY = {entity.name: entity for entity in ENTITIES}
LIVING = "deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')"
"""What is to equal the API: what only an older system knows is no part of it."""
OWN_LOG = {"sync_logs", "system_settings"}
"""What a quiet run may write."""


@dataclass
class Outcome:
    """What came of one pull."""

    reports: dict[str, EntityReport]
    errors: dict[str, GazelleSyncError]
    requests: int
    run_id: str

    def __getitem__(self, entity: str) -> EntityReport:
        return self.reports[entity]

    @property
    def fetched(self) -> int:
        """Bodies read."""
        return sum(report.fetched for report in self.reports.values())

    @property
    def staged(self) -> int:
        """New versions."""
        return sum(report.staged for report in self.reports.values())


@dataclass
class Shop:
    """A database and the sandbox that it is to equal."""

    url: str
    sandbox: RunningSandbox
    settings: Settings
    local_tags: dict[str, list[str]] = field(default_factory=dict)
    """Id → the tags that production must hold where they are not simply Gazelle's."""
    _kept: psycopg.Connection[Any] | None = None

    @classmethod
    def on(cls, url: str, sandbox: RunningSandbox, home: Path) -> Shop:
        """A shop without limits of our own."""
        settings = Settings(
            api_url=sandbox.url, api_token=SANDBOX_API_KEY, database_url=url, rate_per_s=0, timeout_s=10, home=home,
            token_file=home / "token.json",
        )  # fmt: skip
        return cls(url, sandbox, settings)

    @property
    def admin(self) -> SandboxAdmin:
        """The sandbox's edits and faults."""
        return self.sandbox.admin

    def oauth(self) -> dict[str, Any]:
        """Settings of a shop that came in by OAuth, with the sandbox's tokens in its file."""
        self.settings.token_file.write_text(json.dumps(self.admin.tokens()), encoding="utf-8")
        return {"api_token": None, "client_id": SANDBOX_CLIENT_ID, "client_secret": SANDBOX_CLIENT_SECRET}

    @contextmanager
    def far_away(self, round_trip_s: float) -> Iterator[Shop]:
        """Whatever runs has its database so far away, for the length of a block; 0: as it is."""
        if not round_trip_s:
            yield self
            return
        before = self.settings
        with far_away(self.url, round_trip_s) as far:
            self.settings = before.replace(database_url=far.url)
            try:
                yield self
            finally:
                self.settings = before

    # ---- pulling

    def sync(
        self, mode: Mode = Mode.TICK, *, only: Sequence[str] | None = None, check: bool = True, **options: Any
    ) -> Outcome:
        """One pull in this process: everything staged, then everything applied whose staging went well.

        Args:
            mode: How much is read.
            only: Entities.
            check: Whether a failure is raised here.
            options: Of `Pull`; those that `Settings` knows change the settings.
        """
        changes = {name: options.pop(name) for name in list(options) if hasattr(self.settings, name)}
        errors: dict[str, GazelleSyncError] = {}
        with keep_connections(), Pull(self.settings.replace(**changes), mode=mode, entities=only, **options) as pull:
            for step in (pull.stage, pull.apply):
                for entity in pull.entities:
                    try:
                        if entity.name not in errors:
                            step(entity.name)
                    except GazelleSyncError as error:
                        errors[entity.name] = error
        if check and errors:
            raise next(iter(errors.values()))
        return Outcome(pull.reports, errors, pull.client.requests, pull.run_id)

    def replay(
        self,
        *,
        only: Sequence[str] | None = None,
        days: tuple[datetime, datetime] | None = None,
        without_staging: WithoutStaging | None = None,
    ) -> int:
        """Rebuild production from staging; gives how many rows were put right."""
        with (
            keep_connections(),
            Replay(self.settings, run_id="replay", entities=only, days=days, without_staging=without_staging) as replay,
        ):
            for entity in ENTITIES:
                if only is None or entity.name in only:
                    replay.apply(entity.name)
        return sum(report.changed for report in replay.reports.values())

    def change_something(self) -> None:
        """Records of every kind are edited at Gazelle."""
        self.admin.random_edits(clients=3, pianos=2, events=5, timeline=4)

    def quiet_down(self) -> None:
        """Let some seconds pass at the API, so that the stamps of the last edits are settled, and pull once."""
        self.admin.settings(clock_skew_s=self.admin.settings()["clock_skew_s"] + 4)
        self.sync()

    def while_pulling(self, action: Callable[[], object]) -> threading.Thread:
        """Do something as soon as a pull is at work; join the thread when the pull has ended."""

        def wait() -> None:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                if self.value("SELECT count(*) FROM sync_logs WHERE status = 'running'"):
                    action()
                    return
                time.sleep(0.02)

        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    # ---- looking

    def _connection(self) -> psycopg.Connection[Any]:
        """One that is kept: a proof looks at twenty tables."""
        if self._kept is None or self._kept.closed:
            self._kept = psycopg.connect(self.url, autocommit=True)
            weakref.finalize(self, self._kept.close)
        return self._kept

    def leave(self) -> None:
        """Give the connection back: a database is copied only when nobody is in it."""
        if self._kept is not None:
            self._kept.close()

    def query(self, query: str | sql.Composed, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query (or the effect of a statement)."""
        cursor = self._execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def _execute(self, query: str | sql.Composed, parameters: tuple[object, ...], **options: Any) -> Any:
        text = query.encode() if isinstance(query, str) else query
        try:
            return self._connection().cursor(**options).execute(text, parameters or None)
        except psycopg.OperationalError:
            if self._kept is None or not self._kept.broken:
                raise
        # The server crashed, or somebody ended every session, since it was used last.
        return self._connection().cursor(**options).execute(text, parameters or None)

    def value(self, query: str, *parameters: object) -> Any:
        """The one value of a query."""
        rows = self.query(query, *parameters)
        assert len(rows) == 1, rows
        return rows[0][0]

    def rows(self, table: str, where: str = "true", *parameters: object) -> list[Row]:
        """Rows of a table in the order of their external ids (or ids)."""
        query = f"SELECT * FROM {table} AS t WHERE {where}"  # noqa: S608 - the tests' own names
        found = self._execute(query, parameters, row_factory=dict_row).fetchall()
        return sorted(found, key=lambda row: str(row.get("external_id", row.get("id"))))

    def row(self, table: str, external_id: str) -> Row:
        """One row."""
        rows = self.rows(table, "external_id = %s", external_id)
        assert len(rows) == 1, f"{table} {external_id}: {len(rows)} rows"
        return rows[0]

    def count(self, table: str, where: str = "true") -> int:
        """How many rows of a table there are."""
        return int(self.value(f"SELECT count(*) FROM {table} AS t WHERE {where}"))  # noqa: S608 - the tests' own names

    def assert_nothing_dangles(self) -> None:
        """Every record that a row names has a row of its own."""
        for entity in ENTITIES:
            for table in entity.tables:
                for column, parent in table.references.items():
                    unknown = f"NOT EXISTS (SELECT FROM {parent} AS p WHERE p.external_id = t.{column})"
                    assert self.count(table.name, f"t.{column} IS NOT NULL AND {unknown}") == 0, (table.name, column)

    def watermarks(self) -> dict[str, datetime]:
        """Entity → watermark; the global one under the empty name."""
        return read_watermarks(self._connection())

    def last_log(self) -> Row:
        """The newest row of `sync_logs`."""
        return max(self.rows("sync_logs"), key=lambda row: int(row["id"]))

    def tables(self) -> list[str]:
        """Every table of ours."""
        found = self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in found]

    def physical(self) -> set[tuple[Any, ...]]:
        """Every row version: table, record, place, writing transaction. Unequal as soon as one row is written again."""
        found: set[tuple[Any, ...]] = set()
        for name in self.tables():
            if name not in OWN_LOG:
                query = f"SELECT to_jsonb(t) ->> 'external_id', ctid::text, xmin::text FROM {name} AS t"  # noqa: S608
                found |= {(name, *row) for row in self.query(query)}
        return found

    def fingerprint(self, *, with_ids: bool = True) -> dict[str, str]:
        """Table → md5 over all columns of all rows but for `synced_at`, in the order of their external ids."""
        without = "'{synced_at}'" if with_ids else "'{synced_at,id}'"
        return {
            name: self.value(
                f"SELECT md5(coalesce(string_agg((to_jsonb(t) - {without}::text[])::text, E'\\n' "  # noqa: S608
                f"ORDER BY external_id), '')) FROM {name} AS t"
            )
            for name in PRODUCTION
        }

    # ---- the proof

    def differences(self, *, unreadable: Iterable[str] = ()) -> list[str]:
        """How production differs from `reconcile(everything in the API)`, nested rows included, in words.

        Args:
            unreadable: Ids that no reconciler can turn into rows.
        """
        return list(self._differences(set(unreadable)))

    def assert_equals_api(self, *, unreadable: Iterable[str] = ()) -> None:
        """Production == reconcile(everything in the API)."""
        found = self.differences(unreadable=unreadable)
        assert not found, f"{len(found)} differences:\n" + "\n".join(found[:20])

    def _differences(self, unreadable: set[str]) -> Iterator[str]:
        with self.client() as client:
            for entity in ENTITIES:
                reader = Reader(client, entity, 1000)
                bodies = {body["id"]: body for body in _everything(reader, entity)}
                stored = set(self.admin.ids(KIND_OF_ENTITY[entity.name]))
                listed = stored - (self._cancelled() if entity.name == "appointments" else set())
                if bodies.keys() != listed:
                    yield f"{entity.name}: the API lists {len(bodies)} records and the sandbox holds {len(listed)}"
                held = {table.name: self.rows(table.name, LIVING) for table in entity.tables}
                if beyond := sorted({row["external_id"] for row in held[entity.table.name]} - bodies.keys()):
                    bodies |= _by_id(reader, entity, beyond)
                yield from self._entity_differences(entity, bodies, held, unreadable)
        dangling = self.query("SELECT external_id FROM v_appointments_montreal WHERE starts_at_montreal IS NULL")
        if dangling:
            yield f"appointments without a local time: {dangling}"

    def _cancelled(self) -> set[str]:
        return {record["id"] for record in self.admin.dump("events") if record["status"] == "CANCELED"}

    def _entity_differences(
        self, entity: Entity, bodies: Mapping[str, Record], held: Mapping[str, list[Row]], unreadable: set[str]
    ) -> Iterator[str]:
        expected: dict[str, dict[str, Row]] = {table.name: {} for table in entity.tables}
        for external_id, body in bodies.items():
            if external_id in unreadable:
                continue
            for name, rows in entity.reconcile(body).items():
                expected[name] |= {row["external_id"]: row for row in rows}
        for table in entity.tables:
            yield from self._table_differences(table, expected[table.name], held[table.name], set(bodies))

    def _table_differences(
        self, table: Table, expected: Mapping[str, Row], rows: list[Row], owners: set[str]
    ) -> Iterator[str]:
        held = {row["external_id"]: row for row in rows if table.owner is None or row[table.owner] in owners}
        for external_id in sorted(expected.keys() - held.keys()):
            yield f"{table.name} {external_id}: is at Gazelle and not in production"
        for external_id in sorted(held.keys() - expected.keys()):
            yield f"{table.name} {external_id}: is in production and not at Gazelle"
        for external_id in sorted(expected.keys() & held.keys()):
            wanted, found = dict(expected[external_id]), held[external_id]
            for merged in table.merged:
                wanted[merged] = self.local_tags.get(external_id, wanted.get(merged))
            if wanted.items() <= found.items():
                continue
            for column, value in wanted.items():
                if found[column] != value:
                    yield f"{table.name} {external_id}.{column}: {found[column]!r} is not {value!r}"

    @contextmanager
    def client(self) -> Iterator[GazelleClient]:
        """A client of the tests' own."""
        settings = self.settings.replace(api_token=SANDBOX_API_KEY)
        with closing(client_for(settings)) as client:
            yield client

    # ---- other processes

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process that works on this shop."""
        return os.environ | {
            "GAZELLE_API_URL": self.sandbox.url,
            "GAZELLE_API_TOKEN": SANDBOX_API_KEY,
            "GAZELLE_DATABASE_URL": str(self.settings.database_url),
            "GAZELLE_SYNC_HOME": str(self.settings.home),
            "GAZELLE_RATE_PER_S": "0",
            "GAZELLE_TIMEOUT_S": "10",
            **more,
        }


def make_history(shop: Shop) -> None:
    """Give a shop a history: edits, deletions, a revival, tags of its own."""
    admin = shop.admin
    for number in range(2):
        admin.random_edits(seed=number, clients=5, pianos=4, events=12, timeline=6)
        shop.sync()
    invoice = admin.dump("invoices")[-1]
    for kind in ("timeline", "events", "invoices"):
        admin.delete(kind, admin.dump(kind)[-1]["id"])
    admin.delete("clients", admin.dump("clients")[-1]["id"])
    contact = next(c for c in admin.dump("contacts") if not c["isDefault"])
    admin.delete("contacts", contact["id"])
    admin.edit("clients", contact["clientId"], personalNotes="Une personne de moins")
    shop.sync(Mode.DEEP)
    admin.create("invoices", **invoice)
    for kind in ("pianos", "clients"):
        record = next(r for r in admin.dump(kind) if r["tags"])
        shop.query(f"UPDATE gazelle_{kind} SET tags = tags || '{{ici}}'::text[] WHERE external_id = %s", record["id"])  # noqa: S608
        shop.local_tags[record["id"]] = [*record["tags"], "ici"]
    shop.sync(Mode.DEEP)


def _everything(reader: Reader, entity: Entity) -> Iterator[Record]:
    if entity.strategy is Strategy.WHOLE_LIST:
        yield from reader.whole_list(entity.page_operation)[0]
        return
    for page in reader.pages(entity.page_operation, {}):
        yield from reader.completed(page.nodes)


def _by_id(reader: Reader, entity: Entity, ids: list[str]) -> dict[str, Record]:
    """Records that the list leaves out and that the API nevertheless has (cancelled visits)."""
    if entity.by_id is None:
        return {}
    return {body["id"]: body for part in reader.by_ids(ids) for body in reader.completed(part.bodies)}


def drop_database(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

"""The harness of the tests that push: a shop with a table of edits, and what Gazelle made of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.push import session
from gazelle_sync.push.session import Push, PushReport
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports import transport_for
from gazelle_sync.push.transports.graphql import GraphqlTransport
from gazelle_sync.push.transports.protocol import Kind, Read, Result, Sending, Sent, Wanted
from gazelle_sync.push.transports.rest import RestTransport
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.processes import answer_signals_as_at_a_terminal
from gazelle_sync_tests.support.shop import Record, Row, Shop

TABLE = "vincent_dindy_piano_updates"
WRITES = {
    "update_tags": {"graphql": '"tags"', "rest": "/tags"},
    "update_piano": {"graphql": '"notes"', "rest": "observations"},
    "add_comment": {"graphql": "createClientLog", "rest": "/comments"},
    "add_measurement": {"graphql": "createPianoMeasurement", "rest": "createPianoMeasurement"},
    "set_serviced": {"graphql": 'manualLastService":', "rest": "last_serviced"},
}
"""Action → a text that only its request holds."""


@dataclass
class EditedShop:
    """A shop whose pianos are edited in its table, and the pushes that follow.

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
        self.shop.query(query, piano, *values.values())

    def push(self, *, keys: Sequence[str] | None = None, at_once: bool = True, **options: Any) -> PushReport:
        """One push in this process."""
        changes = {name: options.pop(name) for name in list(options) if hasattr(self.shop.settings, name)}
        changes = {"push_transport": self.transport, "push_service": self.service, **changes}
        options = {"grace_s": 0.2, **options}
        with Push(self.shop.settings.replace(**changes), keys=keys, at_once=at_once, **options) as push:
            return push.run()

    def undo(self, run_id: str, **options: Any) -> PushReport:
        """Put a run back, in this process."""
        changes = {name: options.pop(name) for name in list(options) if hasattr(self.shop.settings, name)}
        changes = {"push_transport": self.transport, "push_service": self.service, **changes}
        with Push(self.shop.settings.replace(**changes), **{"grace_s": 0.2, **options}) as push:
            return push.undo(run_id)

    def pushed(self, piano: str, **values: Any) -> str:
        """Edit a row and push; gives the run's id."""
        self.edit(piano, **values)
        with Push(
            self.shop.settings.replace(push_transport=self.transport, push_service=self.service),
            at_once=True,
            grace_s=0.2,
        ) as push:
            report = push.run()
            assert report.succeeded, [outcome.failed for outcome in report.outcomes]
            return push.run_id

    # ---- looking

    def row(self, piano: str) -> Row:
        """The local row."""
        (row,) = self.rows("gazelle_id = %s", piano)
        return row

    def rows(self, where: str = "true", *parameters: object) -> list[Row]:
        """Local rows, each with what `push_state` holds of it."""
        states = {state["local_id"]: state for state in self.shop.rows("push_state", "source_table = %s", TABLE)}
        return [
            row | {
                "revision": state.get("revision"), "base": state.get("base"), "attempts": state.get("attempts", 0),
                "next_attempt_at": state.get("next_attempt_at"),
            }
            for row in self.shop.rows(TABLE, where, *parameters)
            for state in [states.get(row["gazelle_id"] or "", {})]
        ]  # fmt: skip

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

    def busy_row(self) -> str:
        """A piano about which everything is to be said."""
        piano = self.piano(tags=["GRAND", "TOP"], notes="Clé", manualLastService=None)
        done_at = datetime(2026, 7, 1, tzinfo=UTC)
        self.edit(piano, status="normal", notes="Note 23°C", observations="Vu", travail="Fait", completed_at=done_at)
        return piano

    def assert_there_once(self, piano: str, measured: int) -> None:
        """Gazelle holds what such a row says, once; `measured`: how many measurements there were before."""
        record = self.record(piano)
        assert record["tags"] == ["GRAND", "NORMAL"]
        assert record["notes"].startswith("Clé\n\n")
        assert record["notes"].count("\nVu\n") == 1
        assert record["manualLastService"] == "2026-06-30"
        assert sorted(self.comments(piano)) == ["Fait", "Note 23°C"]
        assert len(self.measurements(piano)) == measured + 1
        self.assert_clean(piano)

    def settle(self, piano: str) -> None:
        """Push until there is nothing left to do."""
        for _ in range(10):
            if self.push().succeeded and not self.row(piano)["needs_sync"]:
                return
            self.let_doubts_pass()

    def let_doubts_pass(self) -> None:
        """As if so much time had passed that nothing that was sent can still arrive."""
        self.shop.query("UPDATE sync_gazelle_logs SET doubt_until = clock_timestamp() WHERE status = 'in_doubt'")

    def assert_clean(self, piano: str) -> None:
        """Gazelle has what the row says."""
        row = self.row(piano)
        assert (row["needs_sync"], row["sync_error"]) == (False, None)
        assert row["last_synced_at"] is not None


Hook = Callable[[str], object]
"""Called with the id of a piano."""
HookPush = Callable[..., None]


@dataclass
class HookedTransport:
    """A transport that calls hooks around its reads and writes: `after_read`, `before_send`, `after_send`."""

    inner: GraphqlTransport
    hooks: Mapping[str, Hook]
    is_batched: bool

    @property
    def api_ahead(self) -> timedelta | None:
        return self.inner.api_ahead

    def read(self, wanted: Sequence[Wanted], *, is_look_up: bool = False) -> dict[Wanted, Read]:
        found = self.inner.read(wanted, is_look_up=is_look_up)
        for one in wanted:
            self._call("after_read", one.id)
        return found

    def send(self, batch: Sequence[Sending]) -> list[Result]:
        for one in batch:
            self._call("before_send", one.remote.id)
        results = self.inner.send(batch)
        for one, result in zip(batch, results, strict=True):
            if isinstance(result, Sent):
                self._call("after_send", one.remote.id)
        return results

    def _call(self, moment: str, piano: str) -> None:
        if moment in self.hooks:
            self.hooks[moment](piano)


def hook_transports(patch: pytest.MonkeyPatch, hooks: Mapping[str, Hook]) -> None:
    """Every push from here on calls these hooks."""

    def hooked(settings: Settings, client: GazelleClient, kind: Kind) -> HookedTransport:
        inner = transport_for(settings, client, kind)
        return HookedTransport(inner, hooks, inner.is_batched)

    patch.setattr(session, "transport_for", hooked)


def once(action: Callable[[], object]) -> Callable[..., None]:
    """Do something the first time only."""
    left = [action]

    def do(*_: object) -> None:
        if left:
            left.pop()()

    return do


@pytest.fixture(params=["graphql", "rest"])
def office(request: pytest.FixtureRequest, new_shop: Shop) -> Iterator[EditedShop]:
    """A shop that was never pulled, on each transport; its pushes keep their connections for the next."""
    with keep_connections():
        yield EditedShop(new_shop, request.param)


@pytest.fixture
def hook_push(monkeypatch: pytest.MonkeyPatch) -> HookPush:
    """Sets hooks of every push from here on: `hook_push(after_read=…)`."""
    hooks: dict[str, Hook] = {}
    hook_transports(monkeypatch, hooks)
    return lambda **given: hooks.update(given)


STEPS: list[tuple[Any, str]] = [
    (Store, "begin"), (Store, "load"), (Store, "write"), (Store, "sent_before"), (Store, "history"),
    (GraphqlTransport, "read"), (GraphqlTransport, "send"), (GraphqlTransport, "mutate"), (RestTransport, "send"),
    (GazelleClient, "execute_exactly"), (GazelleClient, "write_rest"),
]  # fmt: skip
"""Everything that a push does to one of the two sides."""


@dataclass
class Countdown:
    """Kills this process before or after the n-th step."""

    left: int
    steps: list[str] = field(default_factory=list)

    def around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **options: Any) -> Any:
            self._count()
            found = step(*arguments, **options)
            self._count()
            return found

        return stepped

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def begin_process(action: Callable[[], object], countdown: Countdown | None = None) -> int:
    """Push, or undo, in a process of its own, which may kill itself at a step; gives its process id.

    Its exit status is 1 after an error of `gazelle_sync.errors`, and 3 after any other.
    """
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        answer_signals_as_at_a_terminal()
        if countdown is not None:
            for owner, name in STEPS:
                setattr(owner, name, countdown.around(getattr(owner, name)))
        action()
    except GazelleSyncError:
        os._exit(1)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(3)
    os._exit(0)


def killed_at(office: EditedShop, step: int, action: Callable[[], object] | None = None) -> bool:
    """Push (or do something else) in a process of its own that is killed at a step; whether it came to that step."""
    _, status = os.waitpid(begin_process(action or office.push, Countdown(step)), 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, -signal.SIGKILL)
    return ended == -signal.SIGKILL

"""Injects faults around a shop: in the API, in the database, at a random moment of a run; and takes them back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from gazelle_sync.sandbox.settings import Settings as SandboxSettings
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.shop import Shop

FAR_AWAY_S = (0.02, 0.08)
"""Seconds a round trip to a database in another region."""


class FaultInjector:
    """One case's shop and random generator, and the faults around it. `heal` takes all of them back.

    Attributes:
        held: Whether the fault struck every request to the end of the run.
        operations: Parts of operation names or queries; the fault strikes requests that contain the one drawn.
    """

    operations: tuple[str, ...] = ("",)

    def __init__(self, servers: Servers, shop: Shop, draw: random.Random) -> None:
        self.servers = servers
        self.shop = shop
        self.draw = draw
        self.held = False
        self.story: list[str] = []
        self._undo: list[Callable[[], object]] = []

    def arm(self, kind: str, *, may_hold: bool = True, most: int = 5, **options: Any) -> None:
        """Arm a fault of the sandbox: for every request, or for some requests after some others."""
        draw = self.draw
        if may_hold and draw.random() < 0.4:
            self.held = True
            self.shop.admin.fault(kind, times=0, **options)
            self.story.append(f"{kind} {options or ''} to the end")
            return
        chance: dict[str, Any] = {
            "times": draw.randint(1, most), "after": draw.randint(0, 6), "probability": draw.choice([0.3, 0.6, 1.0]),
            "operation": draw.choice(self.operations), "seed": draw.randrange(99),
        }  # fmt: skip
        self.shop.admin.fault(kind, **{**chance, **options})
        self.story.append(
            f"{kind} {options or ''} {chance['times']} times after {chance['after']} {chance['operation']}"
        )

    def set_database(self, **values: str) -> None:
        """Settings of the database, for every new connection to it."""
        for name, value in values.items():
            self._on_database(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self.story.append(f"database: {values}")
        self.finally_do(lambda: self._on_database(sql.SQL("RESET ALL")))

    def allow_connections(self, *, allowed: bool) -> None:
        """Whether the database lets new sessions in."""
        self._on_database(sql.SQL("ALLOW_CONNECTIONS {}").format(sql.SQL("true" if allowed else "false")))

    def _on_database(self, change: sql.Composable) -> None:
        name = psycopg.conninfo.conninfo_to_dict(self.shop.url)["dbname"]
        with psycopg.connect(self.servers.uri("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(str(name))) + change)

    @contextmanager
    def far_away(self) -> Iterator[None]:
        """Whatever runs has its database in another region, for the length of a block."""
        round_trip_s = self.draw.uniform(*FAR_AWAY_S)
        self.story.append(f"the database is {round_trip_s * 1000:.0f} ms away")
        with self.shop.far_away(round_trip_s):
            yield

    @contextmanager
    def meanwhile(self, deed: Callable[[], object], *, within_s: float = 0.35) -> Iterator[None]:
        """Do something at a random moment of what is done in the block."""
        pause_s = self.draw.uniform(0, within_s)
        trouble: list[BaseException] = []

        def wait() -> None:
            time.sleep(pause_s)
            try:
                deed()
            except BaseException as error:
                trouble.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if trouble:
            raise trouble[0]

    def finally_do(self, deed: Callable[[], object]) -> None:
        """Register what `heal` has to do."""
        self._undo.append(deed)

    def heal(self) -> int:
        """Take all faults back; gives how many requests the sandbox's faults struck."""
        while self._undo:
            self._undo.pop()()
        admin = self.shop.admin
        struck: int = sum(fault["struck"] for fault in admin.faults())
        admin.clear_faults()
        dialect = admin.settings()["dialect"]
        admin.settings(**SandboxSettings().as_record() | {"dialect": dialect})
        admin.reset_tokens()
        return struck

"""Where a fault strikes: one shop, its dice, and the runs that met the fault."""

from __future__ import annotations

import json
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.pull.context import Mode
from gazelle_sync.sandbox.settings import Settings as SandboxSettings
from gazelle_sync_tests.faults.ground import Ground
from gazelle_sync_tests.faults.judge import Before
from gazelle_sync_tests.faults.people import People
from gazelle_sync_tests.faults.processes import Point
from gazelle_sync_tests.shop import Shop

SUCCESS = "success"


class ProcessEnded(Exception):
    """A run of another process ended, and not well: what it said stands in `sync_logs`."""


LISTS = ("allClients", "allPianos", "allEventsBatched", "allTimelineEntries", "allInvoices")
OPERATIONS = ("", "", *LISTS, "ById", "Page", "Stamps")
PAGE_SIZES = (7, 20, 1000)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        mode: How much it read.
        status: `success`, or what else it told: a person or a monitor sees that it was not one.
        words: Everything that it said: `sync_logs`, notes, the error that ended it.
        stack: Where it ended by an error that is none of our tree: a person would be shown that.
    """

    mode: Mode
    status: str
    words: str
    stack: str = ""


class Scene:
    """One case's shop and dice.

    Attributes:
        held: Whether the fault lasted as long as the run, everywhere.
        runs: The runs that met it.
        before: What must outlive them.
        others_worked: Whether records came and went during the runs: nobody promised these.
    """

    def __init__(self, ground: Ground, shop: Shop, people: People, draw: random.Random) -> None:
        self.ground = ground
        self.shop = shop
        self.people = people
        self.draw = draw
        self.held = False
        self.allow_deletes = False
        self.others_worked = False
        self.runs: list[Run] = []
        self.before = Before(shop)
        self.story: list[str] = []
        self._undo: list[Callable[[], object]] = []

    # ---- runs

    def mode(self) -> Mode:
        """How much the next run reads."""
        return self.draw.choices([Mode.TICK, Mode.NIGHTLY, Mode.DEEP], [6, 2, 3])[0]

    def pull(self, mode: Mode | None = None, **options: Any) -> Run:
        """One run in this process, whatever comes of it."""
        mode = mode or self.mode()
        options = {"page_size": self.draw.choice(PAGE_SIZES), "lock_wait_s": 0.5, **options}
        self.story.append(f"{mode.value} {options['page_size']}")
        error: BaseException | None = None
        try:
            outcome = self.shop.sync(mode, check=False, **options)
            run_id = outcome.run_id
            error = next(iter(outcome.errors.values()), None)
        except GazelleSyncError as caught:
            error, run_id = caught, ""
        except (
            Exception
        ) as caught:  # a bug of ours, or one that was put there: a run that ends with a stack has said so
            error, run_id = caught, ""
        return self._ran(mode, error, run_id)

    def run_in_a_process(
        self, mode: Mode, deed: Callable[[int], object], point: Point | None = None, **env: str
    ) -> int:
        """One run in a process of its own, to which something happens; its exit status."""
        environment = self.shop.environment(GAZELLE_PAGE_SIZE=str(self.draw.choice(PAGE_SIZES)), **env)
        pid = self.ground.launcher.begin(environment, mode, point)
        deed(pid)
        return self.end(pid, mode)

    def end(self, pid: int, mode: Mode) -> int:
        """Wait for a process and note its run."""
        status = self.ground.launcher.end(pid)
        self.story.append(f"{mode.value} in a process: {status}")
        error = None if status == 0 else ProcessEnded(f"the process ended with status {status}")
        self._ran(mode, error, "")
        return status

    def note_run(self, mode: Mode, status: str) -> None:
        """Note a run that somebody else launched."""
        self.story.append(f"{mode.value}: {status}")
        self._ran(mode, None if status == SUCCESS else ProcessEnded("the run failed"), "")

    def _ran(self, mode: Mode, error: BaseException | None, run_id: str) -> Run:
        words = [str(error)] if error else []
        log = self._log_of(run_id)
        if log:
            words += [str(log["error_message"] or ""), json.dumps(log["stats"] or {}, ensure_ascii=False)]
        status = self.status_of(error, log)
        foreign = error is not None and not isinstance(error, (GazelleSyncError, ProcessEnded))
        run = Run(mode, status, "\n".join(words), "".join(traceback.format_exception(error)) if foreign else "")
        self.runs.append(run)
        return run

    def _log_of(self, run_id: str) -> dict[str, Any]:
        """A run's row of `sync_logs`; the newest one where its id is not known."""
        try:
            log = self.shop.last_log()
        except (psycopg.Error, ValueError):  # the database is away, or there is no row
            return {}
        return log if run_id in ("", log["run_id"]) else {}

    def status_of(self, error: BaseException | None, log: dict[str, Any]) -> str:
        """What a person or a monitor is told of a run."""
        if error is not None:
            return "failed"
        return str(log.get("status", SUCCESS))

    # ---- faults

    def arm(self, kind: str, *, may_hold: bool = True, most: int = 5, **options: Any) -> None:
        """Arm a fault of the sandbox: to the end, or for some requests after some others."""
        draw = self.draw
        if may_hold and draw.random() < 0.4:
            self.held = True
            self.shop.admin.fault(kind, times=0, **options)
            self.story.append(f"{kind} {options or ''} to the end")
            return
        chance: dict[str, Any] = {
            "times": draw.randint(1, most), "after": draw.randint(0, 6), "probability": draw.choice([0.3, 0.6, 1.0]),
            "operation": draw.choice(OPERATIONS), "seed": draw.randrange(99),
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
        with psycopg.connect(self.ground.uri("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(str(name))) + change)

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
        """Something that mends what was broken."""
        self._undo.append(deed)

    def heal(self) -> int:
        """Everything works again; gives how many requests were struck by the sandbox's faults."""
        while self._undo:
            self._undo.pop()()
        admin = self.shop.admin
        struck: int = sum(fault["struck"] for fault in admin.faults())
        admin.clear_faults()
        dialect = admin.settings()["dialect"]
        admin.settings(**SandboxSettings().as_record() | {"dialect": dialect})
        admin.reset_tokens()
        return struck

"""The context of one push case: its shop, its editor, its random generator, and the pushes that met the fault."""

from __future__ import annotations

import os
import random
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.push.session import PushReport
from gazelle_sync_tests.faults.injector import FaultInjector
from gazelle_sync_tests.faults.push_editor import PushEditor
from gazelle_sync_tests.faults.push_subject import Editor
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.pushing import Countdown, EditedShop, Hook, begin_process, hook_transports
from gazelle_sync_tests.support.shop import Shop

E = TypeVar("E", bound=Editor)
TIMEOUT_S = 6.0
"""Longer than a push waits until a request in doubt can no longer arrive: it is left to a later push."""
GRACE_S = 0.3


@dataclass(frozen=True)
class Pushed:
    """One push.

    Attributes:
        succeeded: Whether it reported success.
        words: The reasons that it gave.
        stack: The stack trace, where it ended by an error that is not one of `gazelle_sync.errors`.
    """

    succeeded: bool
    words: str = ""
    stack: str = ""


class PushContext(FaultInjector, Generic[E]):
    """One case's shop, editor and random generator, and the pushes that meet a fault.

    Attributes:
        office: The table of edits.
        editor: People who edit rows here and records at Gazelle.
        runs: The pushes that met the fault.
        was_edited: Whether rows were edited while they ran.
    """

    def __init__(self, servers: Servers, shop: Shop, office: EditedShop, editor: E, draw: random.Random) -> None:
        super().__init__(servers, shop, draw)
        self.office = office
        self.editor = editor
        self.runs: list[Pushed] = []
        self.was_edited = False
        self.operations = ("", "", "PushRead", "PushEntries", *editor.creates, *editor.writes)

    def push(self, **options: Any) -> Pushed:
        """One push in this process, failed or not."""
        return self._run(self.office.push, "pushed", options)

    def undo(self, run_id: str, **options: Any) -> Pushed:
        """One undo in this process, failed or not."""
        return self._run(partial(self.office.undo, run_id), "undid", options)

    def run_to_undo(self) -> str:
        """The id of a run that did something, the newest or another one."""
        query = (
            "SELECT run_id FROM sync_gazelle_logs WHERE status = 'success' AND undone_at IS NULL "
            "AND left(action, 5) <> 'undo_' GROUP BY run_id ORDER BY max(id) DESC"
        )
        found = [str(row[0]) for row in self.shop.query(query)]
        return self.draw.choice(found[:3]) if found else "none"

    def _run(self, deed: Callable[..., PushReport], name: str, options: Mapping[str, Any]) -> Pushed:
        options = {"lock_wait_s": 5.0, "grace_s": GRACE_S, "timeout_s": TIMEOUT_S, **options}
        words, stack, succeeded = "", "", False
        try:
            report = deed(**options)
            succeeded = report.succeeded
            words = " ".join([report.stopped or "", *(outcome.trouble or "" for outcome in report.outcomes)])
        except GazelleSyncError as error:
            words = str(error)
        except Exception as error:
            words, stack = str(error), traceback.format_exc()
        run = Pushed(succeeded, words, stack)
        self.story.append(name if succeeded else f"{name}: {words[:200]}")
        self.runs.append(run)
        return run

    def heal(self) -> int:
        """As `FaultInjector.heal`, but Gazelle's clock keeps its offset, since clocks do not go back."""
        ahead = self.shop.admin.settings()["clock_skew_s"]
        struck = super().heal()
        self.shop.admin.settings(clock_skew_s=ahead)
        return struck

    # ---- processes

    def begin_process(self, countdown: Countdown | None = None, *, undo: str | None = None) -> int:
        """Start a push, or an undo, in a process of its own, which may kill itself at a step; gives its process id."""
        action = partial(self.office.undo, undo) if undo else self.office.push
        return begin_process(partial(action, lock_wait_s=5.0, grace_s=GRACE_S, timeout_s=TIMEOUT_S), countdown)

    def end_process(self, pid: int) -> int:
        """Wait for one; its exit status, negative where a signal ended it."""
        try:
            _, status = os.waitpid(pid, 0)
        except BaseException:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
        ended = os.waitstatus_to_exitcode(status)
        self.story.append(f"pushed in a process: {ended}")
        return ended

    # ---- hooks

    @contextmanager
    def hooked(self, **hooks: Hook) -> Iterator[None]:
        """Call hooks around every read and write of a push: `after_read`, `before_send`, `after_send`."""
        with pytest.MonkeyPatch.context() as patch:
            hook_transports(patch, hooks)
            yield

    def once_a_record(self, deed: Hook, *, chance: float = 1.0) -> Hook:
        """A hook that runs `deed` at most once for each record, each time with this probability."""
        done: set[str] = set()

        def do(record: str) -> None:
            if self.editor.knows(record) and record not in done and self.draw.random() < chance:
                done.add(record)
                deed(record)

        return do

    def cut(self, which: str = "") -> None:
        """End the sessions of the pushes, or some of them."""
        self.shop.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "  # noqa: S608
            f"AND application_name = 'gazelle_sync' AND pid <> pg_backend_pid() {which}"
        )


AnyContext = PushContext[Any]
"""Of any campaign of the push."""
PianosContext = PushContext[PushEditor]
"""Of the campaign over pianos and prices."""

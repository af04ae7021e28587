"""Where a fault strikes a push: one shop, its people, its dice, and the pushes that met the fault."""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.push import session
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.session import PushReport
from gazelle_sync.push.transports import transport_for
from gazelle_sync.push.transports.protocol import Read, Sent, Transport, Wanted
from gazelle_sync.settings import Settings
from gazelle_sync_tests.faults.ground import Ground
from gazelle_sync_tests.faults.push_people import Sides
from gazelle_sync_tests.faults.surroundings import Surroundings
from gazelle_sync_tests.support.pushing import STEPS, WRITES, Countdown, Office
from gazelle_sync_tests.support.shop import Shop

VISITS = ("PushVisitCreated", "PushVisitChanged", "PushVisitCompleted")
TIMEOUT_S = 6.0
"""Longer than a push waits for the end of a doubt: what came to no answer is left to a later push."""
GRACE_S = 0.3
Hook = Callable[[str], None]
"""ReportedTotal the piano."""


@dataclass(frozen=True)
class Pushed:
    """One push.

    Attributes:
        succeeded: Whether it says that everything went.
        words: Why not.
        stack: Where it ended by an error that is none of our tree: a person would be shown that.
    """

    succeeded: bool
    words: str = ""
    stack: str = ""


class PushScene(Surroundings):
    """One case's shop, people and dice, and the pushes that meet a fault.

    Attributes:
        office: The table of edits.
        sides: The people.
        runs: The pushes that met the fault.
        was_edited: Whether rows were edited while they ran.
    """

    def __init__(self, ground: Ground, shop: Shop, office: Office, sides: Sides, draw: random.Random) -> None:
        super().__init__(ground, shop, draw)
        self.office = office
        self.sides = sides
        self.runs: list[Pushed] = []
        self.was_edited = False
        writes = (holds[office.transport] for holds in WRITES.values())
        self.operations = ("", "", "PushRead", "PushEntries", *self.creates, *writes)

    @property
    def creates(self) -> tuple[str, ...]:
        """Texts that only requests for comments and visits hold."""
        visits = VISITS if self.office.service == "event" else ()
        return (WRITES["add_comment"][self.office.transport], *visits)

    def push(self, **options: Any) -> Pushed:
        """One push in this process, whatever comes of it."""
        return self._run(self.office.push, "pushed", options)

    def undo(self, run_id: str, **options: Any) -> Pushed:
        """One undo in this process, whatever comes of it."""
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
        """See `Surroundings`; but Gazelle's clock stays where it is, since clocks do not go back."""
        ahead = self.shop.admin.settings()["clock_skew_s"]
        struck = super().heal()
        self.shop.admin.settings(clock_skew_s=ahead)
        return struck

    # ---- processes

    def begin_process(self, countdown: Countdown | None = None, *, undo: str | None = None) -> int:
        """Start a push, or an undo, in a process of its own, which may kill itself at a step; gives its process id."""
        child = os.fork()
        if child == 0:
            _push_in_child(self.office, countdown, undo)
        return child

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

    # ---- at the elbow

    @contextmanager
    def elbow(self, **hooks: Hook) -> Iterator[None]:
        """Somebody does something around every read and write: `after_read`, `before_send`, `after_send`."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "transport_for", lambda settings, client: _Elbow.of(settings, client, hooks))
            yield

    def once_a_piano(self, deed: Hook, *, chance: float = 1.0) -> Hook:
        """The deed, done once for each piano, at one of its chances."""
        done: set[str] = set()

        def do(piano: str) -> None:
            if piano not in done and self.draw.random() < chance:
                done.add(piano)
                deed(piano)

        return do

    def cut(self, which: str = "") -> None:
        """End the sessions of the pushes, or some of them."""
        self.shop.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "  # noqa: S608
            f"AND application_name = 'gazelle_sync' AND pid <> pg_backend_pid() {which}"
        )


def _push_in_child(office: Office, countdown: Countdown | None, undo: str | None) -> None:
    """Never comes back."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if countdown is not None:
            for owner, name in STEPS:
                setattr(owner, name, countdown.around(getattr(owner, name)))
        deed = partial(office.undo, undo) if undo else office.push
        deed(lock_wait_s=5.0, grace_s=GRACE_S, timeout_s=TIMEOUT_S)
    except GazelleSyncError:
        os._exit(1)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(3)
    os._exit(0)


@dataclass
class _Elbow:
    """A transport that tells somebody what it is about to do, and to which piano."""

    inner: Transport
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    name: str = ""
    last_read: str = ""

    @classmethod
    def of(cls, settings: Settings, client: GazelleClient, hooks: Mapping[str, Hook]) -> _Elbow:
        inner = transport_for(settings, client)
        return cls(inner, hooks, inner.name)

    @property
    def api_ahead(self) -> timedelta | None:
        return self.inner.api_ahead

    def read(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        found = self.inner.read(wanted)
        for one in wanted:
            self.last_read = one.id
            self._tell("after_read", one.id)
        return found

    def send(self, action: Action, remote: Remote) -> Sent:
        self._tell("before_send", remote.id)
        sent = self.inner.send(action, remote)
        self._tell("after_send", remote.id)
        return sent

    def find(self, piano_id: str, name: str, payload: Mapping[str, Any], since: datetime | None) -> list[str]:
        return self.inner.find(piano_id, name, payload, since)

    def take_back(self, name: str, created_id: str) -> None:
        self._tell("before_send", self.last_read)
        self.inner.take_back(name, created_id)
        self._tell("after_send", self.last_read)

    def _tell(self, moment: str, piano: str) -> None:
        if moment in self.hooks:
            self.hooks[moment](piano)

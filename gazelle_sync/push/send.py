"""One action: intent, send, look when in doubt, confirm or give up.

The intent is in the log before the request goes out. A create of which no answer came is looked for at Gazelle before
it is sent again; an update of which none came is planned anew from what Gazelle has by then.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gazelle_sync.errors import (
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
    RequestRefused,
    WriteRefused,
)
from gazelle_sync.gazelle.client import may_have_been_taken
from gazelle_sync.push.journal import Journal, Search
from gazelle_sync.push.model import Action, JsonValue, Remote
from gazelle_sync.push.transports import Sent, Transport
from gazelle_sync.push.words import action_name, say
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection

TRIES = 3
LOOK_EVERY_S = 2.0
GATEWAY_TIMEOUTS = {502, 504}
"""A proxy gave up waiting; the request behind it may still be at work, as after a time-out of our own."""


class RunStops(Exception):
    """Nothing can be sent at all (credentials, network): the run ends, the rows that are left stay due."""


class Verdict(enum.Enum):
    """What came of an action."""

    SENT = "sent"
    FAILED = "failed"
    DOUBTFUL = "doubtful"
    LOOK_AGAIN = "look again"
    """An update of which nobody knows: what Gazelle has now decides what is left to do."""


@dataclass(frozen=True)
class Result:
    """What came of an action.

    Attributes:
        verdict: Which.
        log_id: Its row in the log.
        sent: The answer, where there was one.
        reason: Why it was not sent.
    """

    verdict: Verdict
    log_id: int
    sent: Sent | None = None
    reason: str = ""


class Sender:
    """Sends actions.

    Args:
        connection: Autocommit; the log is written over it.
        transport: How.
        journal: Writes over the same connection.
        settings: For the language and the time-out.
        grace_s: How long a request may still arrive after its process died.
    """

    def __init__(
        self, connection: Connection, transport: Transport, journal: Journal, settings: Settings, *, grace_s: float
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._journal = journal
        self._language = settings.language
        self._timeout_s = settings.timeout_s
        self._grace_s = grace_s

    def carry_out(self, action: Action, remote: Remote, search: Search) -> Result:
        """Send an action; a success is not yet written down: its caller does that with what it settles.

        Args:
            action: What.
            remote: The record as it is now; kept with the log.
            search: How to look for it.

        Raises:
            RunStops: Nothing can be sent at all; this action is known not to have been taken.
        """
        with self._connection.transaction():
            log_id = self._journal.intent(action, remote, search, self._grace_s)
        reason = ""
        for _ in range(TRIES):
            try:
                return Result(Verdict.SENT, log_id, self._transport.send(action, remote))
            except RequestRefused as error:
                said = error.reason if isinstance(error, WriteRefused) else str(error)
                return self._failed(log_id, self._say("refused", action, said))
            except ApiError as error:
                if isinstance(error, CredentialsRefused) or not may_have_been_taken(error):
                    self._failed(log_id, self._say("failed", action, str(error)))
                    raise RunStops(str(error)) from error
                reason = str(error)
                grace_s = self._timeout_s if _may_still_come(error) else 0.0
            if not action.is_create:
                with self._connection.transaction():
                    self._journal.doubted(log_id, self._say("no_answer", action, reason), grace_s)
                return Result(Verdict.LOOK_AGAIN, log_id, reason=self._say("failed", action, reason))
            with self._connection.transaction():
                self._journal.doubted(log_id, self._say("no_answer", action, reason), grace_s, tries=1)
            try:
                found = self.look(remote.id, action.name, action.payload, search, wait_s=grace_s)
            except ApiError:
                return Result(Verdict.DOUBTFUL, log_id, reason=self._say("no_answer", action, reason))
            if found is not None:
                return Result(Verdict.SENT, log_id, Sent({"found": found}, created_id=found))
        return self._failed(log_id, self._say("failed", action, reason))

    def look(
        self, record: str, name: str, payload: Mapping[str, JsonValue], search: Search, *, wait_s: float
    ) -> str | None:
        """The id of what a create made, if it arrived; looks until it can no longer arrive.

        Raises:
            ApiError: Gazelle cannot be asked.
        """
        until = time.monotonic() + wait_s
        while True:
            found = search.arrived(self._transport.find(record, name, payload, search.since))
            left = until - time.monotonic()
            if found is not None or left <= 0:
                return found
            time.sleep(min(LOOK_EVERY_S, left))

    def _failed(self, log_id: int, reason: str) -> Result:
        with self._connection.transaction():
            self._journal.failed(log_id, reason)
        return Result(Verdict.FAILED, log_id, reason=reason)

    def _say(self, key: str, action: Action, reason: str) -> str:
        return say(self._language, key, action=action_name(self._language, action.name), reason=_sentence(reason))


def _may_still_come(error: ApiError) -> bool:
    """Whether the request may still be at work at Gazelle."""
    if isinstance(error, ApiUnreachable):
        return error.is_timeout
    return isinstance(error, ApiUnavailable) and error.status in GATEWAY_TIMEOUTS


def _sentence(reason: str) -> str:
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."

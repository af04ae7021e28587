"""One action: intent, send, look when in doubt, confirm or leave it in doubt.

The intent is in the log before the request goes out. What came to no answer is looked for at Gazelle at once, and is
confirmed where it is there. That it is not there proves nothing while the request may still be at work: the action
stays in doubt for so long, its row says until when, and a later push looks again before anything is sent again.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx

from gazelle_sync.errors import (
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
    RequestRefused,
    WriteRefused,
)
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.journal import Journal, Search
from gazelle_sync.push.messages import action_name, say
from gazelle_sync.push.model import Action, JsonValue, Remote
from gazelle_sync.push.transports.protocol import Sent, Transport
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection

PATIENCE_S = 5.0
"""So long a run itself waits for the end of a doubt; one that lasts longer is left to a later push."""
LOOK_EVERY_S = 0.5


class RunAborted(Exception):
    """Nothing can be sent at all (credentials, network): the run ends, the rows that are left stay due."""


class Verdict(enum.Enum):
    """What came of an action."""

    SENT = "sent"
    FAILED = "failed"
    DOUBTFUL = "doubtful"
    """It may still arrive: nothing more is sent of its row until that is over."""
    LOOK_AGAIN = "look again"
    """An update of which nobody knows: what Gazelle has now tells whether it arrived, or it is doubtful."""


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
        settings: For the language and the time-out: so long a request that came to no answer may still be at work.
        grace_s: The same for one whose process died.
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
            RunAborted: Nothing can be sent at all; this action is known not to have been taken.
        """
        with self._connection.transaction():
            log_id = self._journal.intent(action, remote, search, self._grace_s)
        try:
            return Result(Verdict.SENT, log_id, self._transport.send(action, remote))
        except RequestRefused as error:
            said = error.reason if isinstance(error, WriteRefused) else str(error)
            return self._failed(log_id, self._say("forbidden" if error.is_forbidden else "refused", action, said))
        except ApiError as error:
            if isinstance(error, CredentialsRefused) or not may_have_been_taken(error):
                self._failed(log_id, self._say("failed", action, str(error)))
                raise RunAborted(str(error)) from error
            reason = str(error)
        with self._connection.transaction():
            until = self._journal.doubted(log_id, self._say("no_answer", action, reason), self._timeout_s)
        doubt = self._say("in_doubt", action, reason, until=until)
        if not action.is_create:
            return Result(Verdict.LOOK_AGAIN, log_id, reason=doubt)
        try:
            wait_s = self._timeout_s if self._timeout_s <= PATIENCE_S else 0.0
            found = self.look(remote.id, action.name, action.payload, search, wait_s=wait_s)
        except ApiError:
            found = None
        if found is None:
            return Result(Verdict.DOUBTFUL, log_id, reason=doubt)
        return Result(Verdict.SENT, log_id, Sent({"found": found}, created_id=found))

    def look(
        self, record: str, name: str, payload: Mapping[str, JsonValue], search: Search, *, wait_s: float = 0.0
    ) -> str | None:
        """The id of what a create made, if it arrives in time.

        Raises:
            ApiError: Gazelle cannot be asked.
        """
        until = time.monotonic() + wait_s
        while True:
            found = search.arrived(self._transport.find(record, name, payload, search.since))
            left_s = until - time.monotonic()
            if found is not None or left_s <= 0:
                return found
            time.sleep(min(LOOK_EVERY_S, left_s))

    def _failed(self, log_id: int, reason: str) -> Result:
        with self._connection.transaction():
            self._journal.failed(log_id, reason)
        return Result(Verdict.FAILED, log_id, reason=reason)

    def _say(self, key: str, action: Action, reason: str, *, until: datetime | None = None) -> str:
        named, when = action_name(self._language, action.name), shown(until) if until else ""
        return say(self._language, key, action=named, reason=_sentence(reason), until=when)


def is_outage(error: ApiError) -> bool:
    """Whether an error says that nobody can be served now, whatever the record."""
    if isinstance(error, ApiUnavailable):
        return error.status == httpx.codes.TOO_MANY_REQUESTS
    return isinstance(error, CredentialsRefused) or (isinstance(error, ApiUnreachable) and not error.is_timeout)


def shown(instant: datetime) -> str:
    """An instant as the clock in Montreal shows it."""
    return f"{instant.astimezone(MONTREAL):%Y-%m-%d %H:%M:%S}"


def _sentence(reason: str) -> str:
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."

"""What every transport of edits offers, and the values that pass between it and the push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gazelle_sync.errors import ApiError
from gazelle_sync.push.model import Action, JsonValue, Remote

Read = Remote | None | ApiError
"""A record, or None where Gazelle has none, or why this one cannot be read."""


@dataclass(frozen=True)
class Wanted:
    """A record to read.

    Attributes:
        id: External id.
        since: Also its entries from this instant on; None: no entries.
    """

    id: str
    since: datetime | None = None


@dataclass(frozen=True)
class Sent:
    """What came of a request.

    Attributes:
        response: What to keep in the log.
        created_id: Id of what was made.
        after: The record as it is now, where the answer says so.
        before: The record that the write replaced, where the answer says so.
    """

    response: Mapping[str, JsonValue] = field(default_factory=dict)
    created_id: str | None = None
    after: Remote | None = None
    before: Remote | None = None


class Transport(Protocol):
    """Reads and writes records at Gazelle."""

    name: str

    @property
    def api_ahead(self) -> timedelta | None:
        """How far Gazelle's clock is ahead of this machine's; None before the first answer."""
        ...

    def read(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        """Read records, many to a request.

        Raises:
            ApiError: Gazelle cannot be asked at all.
        """
        ...

    def send(self, action: Action, remote: Remote) -> Sent:
        """Send one action, once.

        Raises:
            WriteRefused: Gazelle says what is wrong with it.
            ApiError: `gazelle.client.may_have_been_taken` says whether it may have been done all the same.
        """
        ...

    def find(self, piano_id: str, name: str, payload: Mapping[str, JsonValue], since: datetime | None) -> list[str]:
        """Ids of everything at Gazelle that a create may have made.

        Args:
            piano_id: External id.
            name: The action's name.
            payload: The action's payload.
            since: For comments: from which instant on.

        Raises:
            ApiError: Gazelle cannot be asked.
        """
        ...

    def take_back(self, name: str, created_id: str) -> None:
        """Delete what a create made.

        Raises:
            ApiError: Gazelle does not.
        """
        ...

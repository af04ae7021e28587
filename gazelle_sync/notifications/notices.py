"""The shop's own notices: written in the transaction that marks what they tell of as told, then delivered.

So none is told twice, and a process that dies in between loses none: what was not delivered is tried again with the
alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from gazelle_sync.notifications import ledger
from gazelle_sync.notifications.delivery import Recipients, deliver
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.pool import borrow


class Notice(Protocol):
    """A message: one line, and the rest."""

    @property
    def title(self) -> str:
        """One line."""

    @property
    def text(self) -> str:
        """The rest."""


N = TypeVar("N", bound=Notice)


def post(settings: Settings, rule: str, urls: Sequence[str], take: Callable[[Connection], N | None]) -> N | None:
    """Tell what is new.

    Args:
        settings: With `database_url` filled in.
        rule: What the notice is, as `alert_log` has it.
        urls: Apprise addresses, among those of the settings; none: those of `GAZELLE_ALERT_URLS`.
        take: Gives the message and marks what it tells of as told; None: nothing is new.

    Returns:
        The message, or None. One that a service did not accept is tried again later.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    recipients = Recipients(settings)
    with borrow(str(settings.database_url)) as connection, connection.transaction():
        notice = take(connection)
        if notice is None:
            return None
        labels = recipients.labels_of(urls or settings.alert_urls)
        ledger.write_notice(connection, rule=rule, title=notice.title, text=notice.text, recipients=labels)
    deliver(settings, recipients)
    return notice

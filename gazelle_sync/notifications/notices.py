"""The shop's own notices: written in the transaction that marks what they tell of as told, then delivered.

So none is told twice, and a process that dies in between loses none: what was not delivered is tried again with the
alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from gazelle_sync.notifications import ledger
from gazelle_sync.notifications.delivery import DeliveryFailed, Recipients, deliver, send
from gazelle_sync.notifications.ledger import Message
from gazelle_sync.settings import Settings
from gazelle_sync.shop.billing.digest import CashDigest, take_cash
from gazelle_sync.shop.calendar.notice_sending import NotDelivered
from gazelle_sync.shop.maintenance.digest import Digest, take_digest
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.pool import borrow

MAINTENANCE_JOB, MAINTENANCE = "tell_maintenance", "maintenance_digest"
CASH_JOB, CASH = "tell_cash", "cash_digest"
"""Of each daily digest: the job that sends it, and how `alert_log` names it. A fleet sends it under the same names."""


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


def tell_maintenance(settings: Settings) -> Digest | None:
    """Tell which maintenance alerts are open and new, each once. Arguments and errors as for `post`."""
    take = partial(take_digest, language=settings.language)
    return post(settings, MAINTENANCE, settings.maintenance_urls, take)


def tell_cash(settings: Settings) -> CashDigest | None:
    """Tell what was paid since the digest before, once a day. Arguments and errors as for `post`."""
    return post(settings, CASH, settings.cash_urls, partial(take_cash, language=settings.language))


def is_understood(address: str) -> bool:
    """Whether Apprise knows what an address is."""
    recipients = Recipients(Settings(alert_urls=(address,)))
    return all(one.plugin is not None for one in recipients.by_label.values())


def send_to_address(settings: Settings, address: str, title: str, text: str) -> None:
    """Send a message to one technician's address.

    Args:
        settings: For the language, and the secrets to take out of a service's error.
        address: An Apprise address.
        title: One line.
        text: The rest.

    Raises:
        NotDelivered: It was refused, or no answer came.
    """
    own = settings.replace(alert_urls=(address,))
    recipients = Recipients(own)
    arrived = False
    for label in recipients.labels:
        message = Message(0, "notice", "warning", title, text, label, was_interrupted=False)
        try:
            send(recipients.by_label[label], message, own)
        except DeliveryFailed as error:
            raise NotDelivered(str(error), may_have_arrived=arrived or error.may_have_arrived) from error
        arrived = True

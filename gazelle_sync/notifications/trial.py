"""A test message to every address that is set, so that nobody learns in an emergency that one does not work.

It is neither written to `alert_log` nor tried again, and needs no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator
from gazelle_sync.notifications.delivery import DeliveryFailed, Recipients, send
from gazelle_sync.notifications.ledger import Message
from gazelle_sync.settings import Settings


@dataclass(frozen=True)
class Attempt:
    """What came of one test message.

    Attributes:
        recipient: Its name in `alert_log`: no password, no token.
        arrived: Whether the service accepted it.
        reason: Why not, or None.
    """

    recipient: str
    arrived: bool
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def line(self, language: str) -> str:
        """For a terminal."""
        say = translator(language)
        if self.arrived:
            return "✓ " + say("{recipient}: accepted", recipient=self.recipient)
        return f"✗ {self.recipient}: {self.reason}"


def try_recipients(settings: Settings) -> Iterator[Attempt]:
    """Send a test message to each recipient of alerts and of the shop's digest.

    Raises:
        CommandRefused: No address is set.
    """
    say = translator(settings.language)
    recipients = Recipients(settings).by_label
    if not recipients:
        raise CommandRefused(
            gettext("No address is set, so nobody is told anything. Set GAZELLE_ALERT_URLS (docs/settings.md).")
        )
    title = say("gazelle_sync: a test message")
    text = say("Nothing is wrong. Whoever reads this gets the alerts of this shop's sync.")
    for label, recipient in recipients.items():
        message = Message(0, "notice", "warning", title, text, label, was_interrupted=False)
        try:
            send(recipient, message, settings)
        except DeliveryFailed as error:
            yield Attempt(label, arrived=False, reason=str(error))
        else:
            yield Attempt(label, arrived=True)

"""Delivery by Apprise (e-mail, Slack and many more), which is imported only when there is something to send."""

from __future__ import annotations

import copy
import logging
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator
from gazelle_sync.notifications import ledger
from gazelle_sync.notifications.ledger import Message
from gazelle_sync.notifications.redaction import redact
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import borrow

log = get_logger("gazelle_sync.notifications")

GENERIC = ("json", "jsons", "xml", "xmls", "form", "forms")
"""Schemes with a host where other services have a token, which must not be shown."""

DELIVERY_S = 30.0
"""Delivery stops after so long: a service that hangs must not hold up a sensor or a command."""
UNCONNECTED = "Connection error while submitting email"
"""Begins what Apprise says of a mail server that it did not reach, or that refused its password."""
TIMEOUT_S = 60.0
"""Socket time-outs do not end a service that answers a byte at a time; a run must not wait for it for ever."""


@dataclass(frozen=True)
class Recipient:
    """One address of `GAZELLE_ALERT_URLS` or of the shop's notices.

    Attributes:
        label: Its name in `alert_log`: the service, and the mail address or the host; no password, no token.
        plugin: Apprise's; None where Apprise does not understand the address.
    """

    label: str
    plugin: Any = None


class DeliveryFailed(Exception):
    """A service did not accept a message, or did not answer; the reason, without secrets.

    Attributes:
        may_have_arrived: Whether the answer took too long: the recipient may have the message all the same.
    """

    def __init__(self, reason: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(reason)
        self.may_have_arrived = may_have_arrived


class Recipients:
    """The recipients of alerts and of the shop's notices, looked up when first needed: Apprise is slow to load.

    Args:
        settings: With `alert_urls`, and the addresses of the shop's notices.
    """

    def __init__(self, settings: Settings) -> None:
        self._urls = tuple(dict.fromkeys((*settings.alert_urls, *settings.maintenance_urls)))
        self._alert_urls = settings.alert_urls

    @cached_property
    def _by_url(self) -> dict[str, list[Recipient]]:
        """Address → its recipients, in the order in which they are set."""
        if not self._urls:
            return {}
        found: dict[str, list[Recipient]] = {}
        seen: Counter[str] = Counter()
        with _apprise_log():
            for number, url in enumerate(self._urls, start=1):
                for label, plugin in _split(_instantiate(url)) or [(f"address {number}", None)]:
                    seen[label] += 1
                    unique = label if seen[label] == 1 else f"{label} ({seen[label]})"
                    found.setdefault(url, []).append(Recipient(unique, plugin))
        return found

    @property
    def by_label(self) -> dict[str, Recipient]:
        """Label → recipient, in the order in which they are set."""
        return {recipient.label: recipient for of_one in self._by_url.values() for recipient in of_one}

    @property
    def labels(self) -> list[str]:
        """The names in `alert_log` of those who get alerts."""
        return self.labels_of(self._alert_urls)

    def labels_of(self, urls: Sequence[str]) -> list[str]:
        """The names in `alert_log` of the recipients of some addresses."""
        return [recipient.label for url in urls for recipient in self._by_url.get(url, [])]


def send(recipient: Recipient, message: Message, settings: Settings) -> None:
    """Send one message.

    Args:
        recipient: Who receives it.
        message: The message.
        settings: For the language, and the secrets to take out of a service's error.

    Raises:
        DeliveryFailed: It was not delivered.
    """
    if recipient.plugin is None:
        raise DeliveryFailed(gettext("Apprise does not understand this address of GAZELLE_ALERT_URLS"))
    from apprise import NotifyFormat, NotifyType

    say, body = translator(settings.language), message.text
    if message.was_interrupted:
        body += "\n" + say("(This may be a second copy: sending the first was interrupted.)")
    kinds = {"recovery": NotifyType.SUCCESS, "notice": NotifyType.INFO}
    kind = kinds.get(message.kind) or _notify_type(message.severity)
    given = {"title": message.title, "body": body, "notify_type": kind, "body_format": NotifyFormat.TEXT}
    with _apprise_log() as said:
        try:
            taken = _with_timeout(TIMEOUT_S, lambda: recipient.plugin.notify(**given))
        except Exception as error:
            reason = redact(f"{type(error).__name__}: {error}", settings.secrets)
            raise DeliveryFailed(reason, may_have_arrived=isinstance(error, TimeoutError)) from error
    if not taken:
        reason = redact("; ".join(said.warnings) or gettext("the service did not accept it"), settings.secrets)
        raise DeliveryFailed(reason, may_have_arrived=said.is_without_answer)


def deliver(settings: Settings, recipients: Recipients) -> tuple[int, int]:
    """Send what is due, one message at a time; gives how many were delivered and how many were not.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    deadline = time.monotonic() + DELIVERY_S
    sent = failed = 0
    labels = list(recipients.by_label)
    with borrow(str(settings.database_url)) as connection:
        ledger.withdraw_for_others(connection, labels)
        while time.monotonic() < deadline and (message := ledger.claim(connection, labels)):
            try:
                send(recipients.by_label[message.recipient], message, settings)
            except DeliveryFailed as error:
                ledger.mark_failed(connection, message, str(error), may_have_arrived=error.may_have_arrived)
                log.warning("message not delivered", recipient=message.recipient, reason=str(error))
                failed += 1
            else:
                ledger.mark_sent(connection, message)
                sent += 1
    return sent, failed


def _with_timeout(timeout_s: float, deliver: Callable[[], bool | None]) -> bool:
    """Whether the service accepted a message; a call that hangs stays in a thread that ends with its process.

    Raises:
        TimeoutError: It did not end in time.
    """
    taken: list[bool] = []
    raised: list[Exception] = []

    def attempt() -> None:
        try:
            taken.append(bool(deliver()))
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=attempt, name="alert", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if raised:
        raise raised[0]
    if not taken:
        raise TimeoutError(
            gettext("the service had not finished answering after {seconds} s", seconds=f"{timeout_s:g}")
        )
    return taken[0]


def _notify_type(severity: str) -> Any:
    from apprise import NotifyType

    return NotifyType.FAILURE if severity == "error" else NotifyType.WARNING


def _instantiate(url: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python will remove, and works without them
        from apprise import Apprise

        return Apprise.instantiate(url)


def _split(plugin: Any) -> list[tuple[str, Any]]:
    """An address with its label. Mail to several people becomes one message each: only a refused one is tried again."""
    if not plugin:
        return []
    service = str(plugin.service_name)
    protocols = f"{plugin.protocol} {plugin.secure_protocol}".split()
    if "mailto" in protocols:
        return [(f"{service}: {target[1]}", _only_to(plugin, target)) for target in plugin.targets]
    if any(scheme in protocols for scheme in GENERIC):
        return [(f"{service}: {plugin.host}{f':{plugin.port}' if plugin.port else ''}", plugin)]
    return [(service, plugin)]


def _only_to(plugin: Any, target: Any) -> Any:
    alone = copy.copy(plugin)
    alone.targets = [target]
    return alone


class _Listener(logging.Handler):
    """What Apprise says: its warnings, and whether a service took the message and answered too late.

    Only lines for its own developers tell what went wrong with a connection: a time-out while it was made, or after.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.warnings: list[str] = []
        self._has_timed_out = False

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.warnings.append(text)
        elif "timed out" in text and "connect timeout" not in text:
            self._has_timed_out = True

    @property
    def is_without_answer(self) -> bool:
        """Whether no answer came to a message that was on its way."""
        return self._has_timed_out and not any(UNCONNECTED in text for text in self.warnings)


@contextmanager
def _apprise_log() -> Iterator[_Listener]:
    """What Apprise logs meanwhile; it goes nowhere else, since it may name an address with its token."""
    logger = logging.getLogger("apprise")
    listener, propagated, level = _Listener(), logger.propagate, logger.level
    logger.addHandler(listener)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagated
        logger.setLevel(level)

"""One message to one recipient: whatever the service does, the run that tells of its trouble ends."""

from __future__ import annotations

import pytest

from gazelle_sync.notifications import delivery
from gazelle_sync.notifications.ledger import Message
from gazelle_sync.settings import Settings
from gazelle_sync_tests.support.receivers import HOOK_TOKEN, dripping

MESSAGE = Message(1, "alert", "error", "✗ Clients", "They could not be pulled.", "JSON", was_interrupted=False)


def test_a_service_that_never_ends_its_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.3)
    with dripping() as url:
        settings = Settings(alert_urls=(url,))
        (recipient,) = delivery.Recipients(settings).by_label.values()
        with pytest.raises(delivery.DeliveryFailed, match="had not finished answering") as caught:
            delivery.send(recipient, MESSAGE, settings)
    assert caught.value.may_have_arrived
    assert HOOK_TOKEN not in str(caught.value)

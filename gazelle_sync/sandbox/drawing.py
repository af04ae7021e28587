"""Random draws from a seeded generator: the instants, ids and chances of every invented record."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.mutations import ALPHABET
from gazelle_sync.sandbox.settings import instant

DAY_S = 86_400
HISTORY_DAYS = 3_600
"""How far back the shop's records go."""


@dataclass(frozen=True)
class Volume:
    """How many records there are.

    Attributes:
        window_events: Listed events from 30 days back to 365 ahead, Montreal days.
        older_events: Listed events before that.
        recent_entries: Timeline entries of the last 30 days, of `timeline`.
    """

    clients: int
    pianos: int
    window_events: int
    older_events: int
    recent_entries: int
    timeline: int
    invoices: int
    users: int = 8
    products: int = 60

    @classmethod
    def of(cls, scale: str | float, timeline: int | None = None) -> Volume:
        """The volume that `--scale` and `--timeline` stand for: `seed`, `shop`, or a multiple of the seed."""
        if scale == "shop":
            found = cls(4011, 1031, 600, 10_860, 2500, 282_669, 6231)
        else:
            times = 1.0 if scale == "seed" else float(scale)
            sizes = (1344, 1031, 267, 1500, 123, 20_790, 2000)
            least = (24, 12, 60, 60, 12, 60, 12)
            found = cls(*(max(round(size * times), floor) for size, floor in zip(sizes, least, strict=True)))
        if timeline is None:
            return found
        return cls(**(found.__dict__ | {"timeline": timeline, "recent_entries": min(found.recent_entries, timeline)}))


class Draw:
    """Draws what records are made of.

    Attributes:
        volume: How many records there are.
        now_s: The instant around which they are invented, in seconds since 1970.
        random: The generator. Who calls it in another order gets another account.
        made: The records that exist already, by kind.
    """

    def __init__(self, volume: Volume, now: datetime, seed: int) -> None:
        self.volume = volume
        self.now_s = int(now.timestamp())
        self.random = random.Random(seed)  # noqa: S311  nothing here is secret
        self.made: dict[str, list[Record]] = {}
        # Drawing sixteen letters takes longer than the rest of an entry: ids are put together from syllables.
        self._syllables = ["".join(self.random.choices(ALPHABET, k=4)) for _ in range(4096)]

    def id(self, prefix: str) -> str:
        """A fresh id."""
        bits = self.random.getrandbits(60)
        parts = self._syllables
        return (
            f"{prefix}_{parts[bits & 4095]}{parts[bits >> 12 & 4095]}{parts[bits >> 24 & 4095]}"
            f"{parts[bits >> 36 & 4095]}{parts[bits >> 48]}"
        )

    def ago(self, days: float) -> str:
        """An instant, some days before now."""
        return instant(self.now_s - days * DAY_S)

    def day(self, days: int) -> str:
        """A date, some days before now."""
        return (datetime.fromtimestamp(self.now_s, UTC).date() - timedelta(days=days)).isoformat()

    def chance(self, share: float) -> bool:
        """True this often."""
        return self.random.random() < share

    def stamps(self, oldest_days: float) -> tuple[str, str]:
        """When a record was made and last changed."""
        created = self.random.uniform(40, oldest_days)
        return self.ago(created), self.ago(self.random.uniform(2, created))

    @property
    def deleted_client_id(self) -> str:
        """A client that was deleted; visits and entries still name it."""
        return "cli_0Fantome000000000000"

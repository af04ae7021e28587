"""What people read of a fleet: a shop a line, how up to date it is, and why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from gazelle_sync.entities import LATE, LOST
from gazelle_sync.errors import Cause
from gazelle_sync.fleet.folder import Folder
from gazelle_sync.fleet.turns import ShopState, is_held_back, next_try_at
from gazelle_sync.i18n.translator import Plural, translator
from gazelle_sync.incidents.causes import describe_cause
from gazelle_sync.montreal import spoken_lately

Light = Literal["green", "yellow", "red"]


@dataclass(frozen=True)
class ShopStatus:
    """One shop, now.

    Attributes:
        shop: Its name, or its file's where that makes no sense.
        last_sync_at: End of its newest run that succeeded, aware UTC; None: none has.
        age_s: Seconds since.
        failures: Runs in a row that have failed.
        next_try_at: When it is tried again after a failure, aware UTC; None: at its next turn.
        cause: Code of the newest failure (`errors.Cause`), or None.
        failure: What is wrong, in the language of this process, or None.
        run_id: Its newest Dagster run, or None.
        light: `green`, `yellow` or `red`.
    """

    shop: str
    last_sync_at: datetime | None = None
    age_s: float | None = None
    failures: int = 0
    next_try_at: datetime | None = None
    cause: str | None = None
    failure: str | None = None
    run_id: str | None = None

    @property
    def light(self) -> Light:
        """Red: lost, or its file makes no sense, or its first import failed. Yellow: late, failed, or new."""
        if self.age_s is None:
            return "red" if self.failure else "yellow"
        if self.age_s > LOST.total_seconds() or (self.failure and not self.failures):
            return "red"
        return "yellow" if self.age_s > LATE.total_seconds() or self.failures else "green"

    def as_json(self) -> dict[str, Any]:
        """For `--json`: instants in ISO-8601, UTC."""
        shown = {
            key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()
        }
        return {**shown, "light": self.light}


def read_fleet(folder: Folder, states: Mapping[str, ShopState], now: datetime, every: int) -> list[ShopStatus]:
    """Every shop of the folder, those that make no sense included, by name.

    Args:
        folder: As it is.
        states: Of its shops.
        now: Aware UTC.
        every: Minutes of the period.
    """
    found = [_status(shop, states.get(shop, ShopState()), folder, now, every) for shop in folder.shops]
    bad = [ShopStatus(name, failure=problem) for name, problem in folder.problems.items()]
    return sorted([*found, *bad], key=lambda one: one.shop)


def _status(shop: str, state: ShopState, folder: Folder, now: datetime, every: int) -> ShopStatus:
    waits = is_held_back(state, now, folder.changed_at.get(shop), every)
    return ShopStatus(
        shop,
        last_sync_at=state.succeeded_at,
        age_s=round((now - state.succeeded_at).total_seconds(), 1) if state.succeeded_at else None,
        failures=state.failures,
        next_try_at=next_try_at(state, every) if waits else None,
        cause=state.cause,
        failure=describe_cause(Cause(state.cause, state.number)) if state.cause else None,
        run_id=state.run_id,
    )


def render_fleet(rows: list[ShopStatus], language: str) -> str:
    """The screen: those that are not well say why, then how many are."""
    say = translator(language)
    marks = {"green": "✓", "yellow": "⚠", "red": "✗"}
    lines = []
    for row in rows:
        when = spoken_lately(say, row.last_sync_at) if row.last_sync_at else say("never")
        line = f"{marks[row.light]} {row.shop}: " + say("last sync {when}", when=when)
        if row.failure:
            line += f". {row.failure}"
        if row.next_try_at:
            line += " " + say("It is tried again at {when}.", when=spoken_lately(say, row.next_try_at))
        lines.append(line)
    well = sum(row.light == "green" for row in rows)
    total = say(Plural("{count} shop", "{count} shops"), count=len(rows))
    return "\n".join([*lines, say("{total}, of which {well} are up to date.", total=total, well=say.number(well))])

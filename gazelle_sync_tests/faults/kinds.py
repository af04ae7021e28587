"""What a kind of fault is: its place in the table, how it strikes, and what must be said of it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Strike = Callable[[Any], None]
"""Injects a fault and lets runs meet it; the context's `heal` takes back what it leaves."""


class Expect(enum.Enum):
    """What the runs that meet a fault must say. All but `PLAUSIBLE` must also keep what a silent success promises."""

    SAID = "said"
    """If it held to the end: the run did not end as a success, and its words match the kind's."""
    HARMLESS = "harmless"
    """Nothing: the run has what it needs and ends as a success."""
    HONEST = "honest"
    """Whatever is true: a success only if everything that was promised is there."""
    PLAUSIBLE = "plausible"
    """Nothing: such an answer cannot be told from a true one. The next healthy full run corrects what it brought."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: Unique, for `--only`.
        group: network, http, graphql, lists, data, clock, database, process; of the push also gazelle, shop, undo.
        about: One line for the document.
        strike: How it is inflicted.
        expects: What must be said.
        words: Regular expression that what is said must match, where it is `SAID`.
        is_a_bug: Whether a run may end with an error that nobody foresaw: one was put there.
    """

    name: str
    group: str
    about: str
    strike: Strike
    expects: Expect
    words: str = ""
    is_a_bug: bool = False


Kinds = Mapping[str, Kind]
"""Name → kind: what a campaign draws from."""


def table(*kinds: Kind) -> Kinds:
    """A table of kinds.

    Raises:
        ValueError: A name stands twice.
    """
    by_name = {kind.name: kind for kind in kinds}
    if len(by_name) != len(kinds):
        raise ValueError("two kinds of fault have the same name")
    return by_name

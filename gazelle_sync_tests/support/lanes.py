"""Which cases of a test every `make test` runs, and which only the slow lane."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_here(values: Iterable[Any], why: str) -> list[Any]:
    """Cases of which the default lane runs the first, and the slow lane the others.

    Args:
        values: Of a parameter.
        why: What the others add, and why not in each run.
    """
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.slow(why)) for value in others)]

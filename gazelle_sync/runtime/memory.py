"""Memory and garbage collection of a run's process."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

M_ARENA_MAX = -8
"""glibc's `mallopt` parameter: how many pools its allocator makes."""


def limit_malloc_arenas() -> None:
    """Let all threads share two memory pools instead of eight per core. Does nothing except on Linux with glibc.

    A pull reads on a dozen threads, and each pool stays as large as the largest page it has held: a tenth of the
    process.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def tune_gc() -> None:
    """Exclude the objects that exist now from garbage collection, and collect less often.

    Dagster is half a million objects that are never freed, and each page has a hundred thousand that reference counting
    frees. Searching all of them for cycles took a quarter of a first import's processor time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

"""Memory and garbage collection of a run's process."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from contextlib import suppress

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
"""glibc's `mallopt` parameters: how many pools its allocator makes, and from which size on none is used."""
LARGE = 256 * 1024


def limit_malloc_arenas() -> None:
    """Let all threads share two memory pools instead of eight per core. Does nothing except on Linux with glibc.

    A pull reads on a dozen threads, and each pool stays as large as the largest page it has held: a tenth of the
    process. What is large is taken from the system and given back at once: else glibc learns from the first large page
    to keep such memory, in pieces between what lives on.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def tune_gc() -> None:
    """Exclude the objects that exist now from garbage collection, and collect less often.

    Dagster is half a million objects that are never freed, and each page has a hundred thousand that reference counting
    frees. Searching all of them for cycles took a quarter of a first import's processor time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def give_back_memory() -> None:
    """Give what is free back to the system: what comes next would be counted on top of it."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def leave_at_once() -> None:
    """Let this process end without searching all that it imported for cycles once more: the kernel takes all of it."""
    atexit.register(gc.freeze)

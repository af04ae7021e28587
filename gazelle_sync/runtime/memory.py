"""Keeping a run small and quick: the C library's memory pools, and Python's search for garbage."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

M_ARENA_MAX = -8
"""glibc's `mallopt` parameter: how many pools its allocator makes."""


def limit_malloc_arenas() -> None:
    """Let all threads share two pools of memory instead of eight a core.

    A pull reads on a dozen threads, and each pool keeps the largest page it ever held: a tenth of the whole process.
    Elsewhere than on Linux with glibc this does nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def tune_gc() -> None:
    """Let the collector leave alone what is loaded, and look less often at what is new.

    Dagster is half a million objects that never go, and each page brings a hundred thousand that reference counts free
    by themselves: looking through both for cycles was a quarter of a first import's processor time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

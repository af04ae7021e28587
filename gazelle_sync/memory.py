"""Keeping a run small: the C library's memory pools."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

M_ARENA_MAX = -8
"""glibc's `mallopt` parameter: how many pools its allocator makes."""


def use_few_arenas() -> None:
    """Let all threads share two pools of memory instead of eight a core.

    A pull reads on a dozen threads, and each pool keeps the largest page it ever held: a tenth of the whole process.
    Elsewhere than on Linux with glibc this does nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)

"""Ctrl-C and SIGTERM end a command the same way: what is in progress is undone, what is held is given back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM)


def stop(number: int, _frame: FrameType | None = None) -> NoReturn:
    """The handler of SIGTERM.

    Raises:
        KeyboardInterrupt: With the signal's number.
    """
    raise KeyboardInterrupt(number)


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status of a command that was stopped: 130 after Ctrl-C, 143 after SIGTERM, as shells count."""
    number = interrupt.args[0] if interrupt.args else signal.SIGINT
    return 128 + int(number)


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """A block that ends as interrupted if it was, whatever the code in it makes of the signal.

    Dagster turns it into a failed step, so that a run can write down how it ended. Python writes the number of each
    signal to the wakeup descriptor before any handler sees it.

    Raises:
        KeyboardInterrupt: With the signal's number, when the block has ended in its own way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        with os.fdopen(reading, "rb") as numbers:
            heard = [number for number in numbers.read() or b"" if number in STOPPING]
        if heard:
            raise KeyboardInterrupt(heard[0])

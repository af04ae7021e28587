"""Ctrl-C and SIGTERM end a command the same way: the open transaction is rolled back, and locks are released.

While a command holds nothing (it is being imported, or has ended) the process leaves at once. While it holds something,
the signal is a `KeyboardInterrupt`, which unwinds it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from gazelle_sync.i18n import STOPPED, language

STOPPING = (signal.SIGINT, signal.SIGTERM)
_answered: list[int] = []
"""Signals that were raised as `KeyboardInterrupt`: one that strikes a destructor or a callback gets lost there."""
LOOK_EVERY_S = 0.5


def leave_when_stopped() -> None:
    """From now on nothing is held: a signal ends the process at once."""
    _answer_with(_leave_at_once)


def unwind_when_stopped() -> None:
    """From now on something is held: a signal raises `KeyboardInterrupt` with its number."""
    _answer_with(stop)


def _answer_with(handler: object) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background, nohup
            signal.signal(number, handler)  # type: ignore[arg-type] # one of the two below


def _leave_at_once(number: int, _frame: FrameType | None = None) -> NoReturn:
    with suppress(OSError):
        os.write(2, f"{STOPPED[language()]}\n".encode())
    os._exit(128 + number)


def leave(status: int) -> NoReturn:
    """End the process without what Python does at its end: a thread that still imports would print where it is."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def stop(number: int, _frame: FrameType | None = None) -> NoReturn:
    """The handler while something is held.

    Raises:
        KeyboardInterrupt: With the signal's number.
    """
    _answered.append(number)
    raise KeyboardInterrupt(number)


def join_until_stopped(thread: threading.Thread) -> None:
    """Wait for a thread that goes on until the command is stopped.

    Raises:
        KeyboardInterrupt: With the signal's number, also where the first one was lost in a destructor or a callback.
    """
    while thread.is_alive():
        thread.join(LOOK_EVERY_S)
        if _answered:
            raise KeyboardInterrupt(_answered[0])


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status of a command that was stopped: 130 after Ctrl-C, 143 after SIGTERM, as shells count."""
    number = interrupt.args[0] if interrupt.args else signal.SIGINT
    return 128 + int(number)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """A block that is not interrupted: a signal takes effect at its end. For imports, which would print and go on.

    Raises:
        KeyboardInterrupt: With the signal's number, at the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in STOPPING}
    _answer_with(lambda number, _frame: heard.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt(heard[0])


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
    if _answered:
        raise KeyboardInterrupt(_answered[0])
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

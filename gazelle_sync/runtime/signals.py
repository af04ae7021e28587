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
_raised: list[int] = []
"""Signals that were raised as `KeyboardInterrupt`, which is lost if raised in a destructor or a callback."""
LOOK_EVERY_S = 0.5


def leave_when_stopped() -> None:
    """From now on a signal ends the process at once: nothing is held."""
    _handle_with(_leave_at_once)


def unwind_when_stopped() -> None:
    """From now on a signal raises `KeyboardInterrupt` with its number, so that what is held is released."""
    _handle_with(stop)


def _handle_with(handler: object) -> None:
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
    """End the process without Python's clean-up, during which a thread that still imports would print a traceback."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def stop(number: int, _frame: FrameType | None = None) -> NoReturn:
    """The handler while something is held.

    Raises:
        KeyboardInterrupt: With the signal's number.
    """
    _raised.append(number)
    raise KeyboardInterrupt(number)


def join_until_stopped(thread: threading.Thread) -> None:
    """Wait for a thread until it ends or the command is stopped.

    Raises:
        KeyboardInterrupt: With the signal's number, also where the first one was lost in a destructor or a callback.
    """
    while thread.is_alive():
        thread.join(LOOK_EVERY_S)
        if _raised:
            raise KeyboardInterrupt(_raised[0])


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status of a command that was stopped: 130 after Ctrl-C, 143 after SIGTERM, as shells count."""
    number = interrupt.args[0] if interrupt.args else signal.SIGINT
    return 128 + int(number)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """A block that a signal interrupts only at its end. For imports, which would print a traceback and go on.

    Raises:
        KeyboardInterrupt: With the signal's number, at the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in STOPPING}
    _handle_with(lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt(received[0])


@contextmanager
def interrupts_reraised() -> Iterator[None]:
    """A block that raises `KeyboardInterrupt` at its end if a signal came, even if the code in it handled the signal.

    Dagster turns it into a failed step, so that a run can write down how it ended. Python writes the number of each
    signal to the wakeup descriptor before any handler sees it.

    Raises:
        KeyboardInterrupt: With the signal's number, after the block has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _raised:
        raise KeyboardInterrupt(_raised[0])
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
            received = [number for number in numbers.read() or b"" if number in STOPPING]
        if received:
            raise KeyboardInterrupt(received[0])

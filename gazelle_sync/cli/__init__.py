"""The first module of `gazelle-sync`: it answers Ctrl-C and SIGTERM before the commands are imported.

Importing takes a while, and an interrupt in the middle of it would print where Python was.
"""

import signal
from types import FrameType

from gazelle_sync.i18n import STOPPED, language


def _leave(number: int, _frame: FrameType | None) -> None:
    """As `runtime.signals.leave`, which is not imported yet."""
    import os

    os.write(2, f"{STOPPED[language()]}\n".encode())
    os._exit(128 + number)


def main() -> None:
    """Run a command."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background, nohup
            signal.signal(number, _leave)
    from gazelle_sync.cli.app import main as commands

    commands()


if __name__ == "__main__":
    main()

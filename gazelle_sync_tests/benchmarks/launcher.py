"""Starts one program and says what the whole of it took: `launcher.py RESULT PROGRAM ARGUMENTS…`.

It stands between the benchmark and what is measured because a child inherits the peak memory of the process that
forked it: this one imports next to nothing.
"""

import os
import sys
import time

begun = time.monotonic()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.monotonic() - begun
with open(sys.argv[1], "w", encoding="ascii") as result:  # noqa: PTH123 - pathlib is not imported here
    result.write(f"{seconds} {usage.ru_maxrss} {usage.ru_utime + usage.ru_stime}")
sys.exit(os.waitstatus_to_exitcode(status))

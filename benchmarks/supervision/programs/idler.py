"""`idler.py STARTS`: notes its start and does nothing."""

import time

STARTED_AT = time.monotonic()

import os  # noqa: E402 - the first line of a process is the moment it is back
import signal  # noqa: E402
import sys  # noqa: E402

#: Whatever becomes of the benchmark, this ends.
LIFE_S = 900

if __name__ == "__main__":
    signal.alarm(LIFE_S)
    with open(sys.argv[1], "ab", buffering=0) as starts:
        starts.write(b"%d %.6f\n" % (os.getpid(), STARTED_AT))
    signal.pause()

"""`crasher.py STARTS GO`: waits for the file GO, then exits with 1; once GO is there, it does so at once."""

import os
import signal
import sys
import time

#: Whatever becomes of the benchmark, this ends.
LIFE_S = 900

if __name__ == "__main__":
    signal.alarm(LIFE_S)
    with open(sys.argv[1], "ab", buffering=0) as starts:
        starts.write(b"%d %.6f\n" % (os.getpid(), time.monotonic()))
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.02)  # noqa: TID251 - it stands for work
    sys.exit(1)

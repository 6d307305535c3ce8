"""`leaker.py STARTS SIZES DEPTH LAG_S CAP_MB RATE_MB_S`: leaks in its DEPTH-th descendant, only in its first life.

Each process of the tree notes its start. The leaker begins after LAG_S and notes its resident size after each step, up
to CAP_MB.
"""

import os
import resource
import signal
import sys
import time

#: Whatever becomes of the benchmark, this ends.
LIFE_S = 900
STEP_S = 0.1
PAGE_BYTES = resource.getpagesize()


def leak(sizes: str, lag_s: float, cap_mb: int, rate_mb_s: int) -> None:
    """Takes `rate_mb_s` more each second, in steps, and keeps it."""
    time.sleep(lag_s)  # noqa: TID251 - whoever looks in a rhythm is met at any moment of it
    hoard: list[bytes] = []
    began_at = time.monotonic()
    step_bytes = int(rate_mb_s * STEP_S * 2**20)
    with open(sizes, "ab", buffering=0) as diary:
        while len(hoard) * step_bytes < cap_mb * 2**20:
            hoard.append(b"x" * step_bytes)
            with open("/proc/self/statm", "rb") as statm:
                size_mb = int(statm.read().split()[1]) * PAGE_BYTES / 2**20
            diary.write(b"%.6f %.1f\n" % (time.monotonic(), size_mb))
            time.sleep(max(0.0, began_at + len(hoard) * STEP_S - time.monotonic()))  # noqa: TID251 - the rate of the leak
        signal.pause()


if __name__ == "__main__":
    signal.alarm(LIFE_S)
    starts, sizes, depth, *numbers = sys.argv[1:]
    with open(starts, "ab", buffering=0) as diary:
        diary.write(b"%d %.6f\n" % (os.getpid(), time.monotonic()))
    if os.path.exists(sizes):
        pass  # this is the second life
    elif depth != "0":
        command = [sys.executable, *("-I", "-S"), __file__, starts, sizes, str(int(depth) - 1), *numbers]
        os.waitpid(os.posix_spawn(sys.executable, command, os.environ), 0)
    else:
        leak(sizes, float(numbers[0]), *map(int, numbers[1:]))
    signal.pause()

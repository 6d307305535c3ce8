"""How willingly a process and all that it starts leave the processors to others.

A niceness counts among the threads of one scheduling group only. Where the kernel makes a group of each session
(`kernel.sched_autogroup_enabled`, sched(7)), and every process here has a session of its own, it would mean nothing to
the others: so the group gets it, too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Lowest priority of the kernel, setpriority(2).
NICENESS_MAX = 19
#: The kernel takes a group's niceness once a tenth of a second from those who are not root.
AGAIN_S = 0.2


def yield_processors(pid: int, more: int) -> bool:
    """Makes a process, which leads its session, nicer than we are; nobody needs a right to that.

    Args:
        more: added to our own niceness.

    Returns:
        False when the kernel wants to be asked once more, `AGAIN_S` later.
    """
    niceness = min(NICENESS_MAX, os.getpriority(os.PRIO_PROCESS, 0) + more)
    with suppress(ProcessLookupError):  # it has ended
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
    try:
        with Path(f"/proc/{pid}/autogroup").open("wb", buffering=0) as group:
            group.write(b"%d" % niceness)
    except BlockingIOError:
        return False
    except OSError:  # it has ended, or there are no groups, or none that we may set: no reason to refuse a start
        return True
    return True

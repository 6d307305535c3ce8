"""How willingly a process and all that it starts leave the processors to others.

A niceness counts among the threads of one scheduling group only. Where the kernel makes a group of each session
(`kernel.sched_autogroup_enabled`, sched(7)), as on most desktops and virtual machines, and every process here has a
session of its own, it would mean nothing to the others: so the group gets it, too.
"""

from __future__ import annotations

import os
from pathlib import Path

#: The kernel takes a group's niceness once per this time from those who are not root.
AGAIN_S = 0.2


def set_niceness(pid: int, niceness: int) -> bool:
    """Sets that of a process, which leads its session, and of its group.

    Returns:
        False when the kernel wants to be asked once more, `AGAIN_S` later.

    Raises:
        PermissionError: for less than it has, without the right to that.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        with Path(f"/proc/{pid}/autogroup").open("wb", buffering=0) as group:
            group.write(b"%d" % niceness)
    except BlockingIOError:
        return False
    except (FileNotFoundError, ProcessLookupError):
        pass  # a kernel without groups, or the process has ended
    return True

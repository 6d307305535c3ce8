"""Why a process ended, in words an operator can act on. Pure."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Literal

#: What ended a process. The first five are ours or the operator's doing; the others are its own or the kernel's.
Cause = Literal[
    "stopped",
    "replaced",
    "memory",
    "hung",
    "killed by command",
    "clean exit",
    "crash",
    "killed from outside",
    "out of memory",
    "not started",
]

#: Deaths that somebody wanted: they count for no limit and cause no delay.
COMMANDED: frozenset[str] = frozenset({"stopped", "replaced", "killed by command"})


@dataclass(frozen=True)
class Death:
    """One end.

    Attributes:
        cause: see `Cause`.
        exit_code: 0 to 255, or minus the signal's number, as in Python's subprocess.
        text: one sentence.
    """

    cause: Cause
    exit_code: int
    text: str

    @property
    def commanded(self) -> bool:
        """Whether somebody wanted it."""
        return self.cause in COMMANDED

    @property
    def severity(self) -> str:
        """For the journal: `info`, `warning` or `error`."""
        if self.commanded:
            return "info"
        return "warning" if self.cause == "clean exit" else "error"


def exit_code_of(status: int) -> int:
    """A wait status as an exit code; signals are negative."""
    return os.waitstatus_to_exitcode(status)


def explain(exit_code: int, purpose: Cause | None, *, oom: bool, detail: str = "") -> Death:
    """Tells the kinds of ends apart.

    Args:
        exit_code: of the process.
        purpose: why we were ending it, if we were.
        oom: whether the kernel has killed somebody for want of memory at this time.
        detail: what is known beside it, such as the size that was too large.
    """
    how = _how(exit_code)
    if purpose is not None:
        return Death(purpose, exit_code, f"{purpose}{f': {detail}' if detail else ''} ({how})")
    if exit_code == -signal.SIGKILL:
        if oom:
            return Death(
                "out of memory", exit_code, "killed by the kernel: the machine or its cgroup was out of memory"
            )
        return Death("killed from outside", exit_code, "killed by somebody else with SIGKILL")
    if exit_code == 0:
        return Death("clean exit", exit_code, "ended by itself with exit code 0")
    return Death("crash", exit_code, f"ended by itself: {how}")


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"

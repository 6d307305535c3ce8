"""The warden: circusd's parent, which ends whatever a dead circusd leaves behind.

Processes outlive a circusd that is killed: as orphans they keep its ports, a phone's session and their queues, and the
next circusd cannot bind. So `bisnes-circusd` forks before anything else. The child becomes circusd; the parent is the
warden, too small to fail: it imports neither Circus nor psutil, passes signals on and waits. As a child subreaper it is
the new parent of every orphan below it, whatever session or process group that has put itself into. It ends them all,
then exits as circusd did.

When the warden itself is killed, the kernel tells circusd to stop, which it does in order. When both are killed at
once, the next start cleans up: `bisnes_supervisor.stale`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

#: Passed on to circusd. SIGABRT is how systemd's watchdog ends a service that hangs.
FORWARDED = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGABRT))
_WATCHED = FORWARDED | {signal.SIGCHLD}

#: What is left gets these, each so many seconds after the first. Workers end gracefully on SIGTERM, and so does
#: PostgreSQL, but only once its last client has left: on SIGINT it does not wait. The last comes early enough for
#: everything to be back within the 10 s that are promised.
STEPS = ((0.0, signal.SIGTERM), (2.0, signal.SIGINT), (5.0, signal.SIGKILL))

#: So long after the first signal, what not even SIGKILL has ended is left: another user's, or stuck in the kernel.
GIVE_UP_S = 30.0

#: Between two looks at what is left; the end of a child of ours is seen at once.
LOOK_S = 0.05

#: A circusd that hangs writes its stack on SIGABRT, and ends; one that is stopped does not even do that.
ABORT_S = 1.0

#: Source: linux/prctl.h, read 2026-11-24.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def stand_guard() -> None:
    """Returns in a new process, which is to become circusd. This one never returns: it exits as circusd did."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)  # waited for, so that no handler interrupts anything
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    warden = os.getpid()
    circusd = os.fork()
    if circusd == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != warden:  # killed before it could be followed
            os._exit(128 + signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    code = os.waitstatus_to_exitcode(_outlive(circusd))
    left = end_all(_children, _pause)
    if left:
        sys.stderr.write(f"circusd has ended, but nothing ends what it left behind: {sorted(left)}\n")
    sys.exit(code if code >= 0 else 128 - code)


def go_to_background() -> None:
    """What circusd's `--daemon` does. Done by the warden, before it forks, so that it stays circusd's parent."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)


def end_all(
    find: Callable[[], Collection[int] | None], pause: Callable[[float], object], give_up_s: float = GIVE_UP_S
) -> Collection[int]:
    """Ends processes, gently first; answers those that nothing ends.

    Args:
        find: answers the pids to be signalled now, and None when nothing is left. It names those on top only: a parent
            ends its own children, and better than we would; what it leaves behind is found by the next look.
        pause: returns after so many seconds, or earlier.
        give_up_s: longer than the last of `STEPS`.
    """
    began_at = time.monotonic()
    told: dict[int, signal.Signals] = {}
    while (pids := find()) is not None:
        passed_s = time.monotonic() - began_at
        if passed_s > give_up_s:
            return pids
        number = [step for due_s, step in STEPS if passed_s >= due_s][-1]
        for pid in pids:
            if told.get(pid) != number:
                _tell(pid, number)
        told = dict.fromkeys(pids, number)
        pause(LOOK_S)
    return ()


def processes() -> dict[int, tuple[int, int]]:
    """What runs: pids with the parent's pid and the start in clock ticks, as pids are used again."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()  # the name before it may contain anything
            except OSError:
                continue  # it has ended meanwhile
            if fields[0] not in b"ZX":
                table[int(name)] = (int(fields[1]), int(fields[19]))
    return table


def _outlive(circusd: int) -> int:
    """Passes signals on until circusd has ended; answers its wait status."""
    aborting = False
    while True:
        happened = signal.sigtimedwait(_WATCHED, ABORT_S) if aborting else signal.sigwaitinfo(_WATCHED)
        if happened is None:
            os.kill(circusd, signal.SIGKILL)
        elif happened.si_signo == signal.SIGCHLD:
            for pid, status in _ended():
                if pid == circusd:
                    return status
        elif happened.si_code <= 0:  # a process sent it; what the terminal sends (Ctrl-C) circusd gets itself
            os.kill(circusd, happened.si_signo)
            aborting = aborting or happened.si_signo == signal.SIGABRT


def _ended() -> Iterator[tuple[int, int]]:
    """Children that have ended, with their wait status; each is released by that."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _children() -> list[int] | None:
    """Our children, None when there are none. Everything below us has one of them above it."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return None
    return [pid for pid, (parent, _) in processes().items() if parent == os.getpid()]


def _pause(seconds: float) -> None:
    signal.sigtimedwait(_WATCHED, seconds)


def _tell(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # the next look tells whether it is still there


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")

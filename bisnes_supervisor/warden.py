"""The warden: circusd's parent, which ends whatever a dead circusd leaves behind.

Processes outlive a circusd that is killed: as orphans they keep its ports, a phone's session and their queues, and the
next circusd cannot bind. So `bisnes-circusd` forks before anything else. The child becomes circusd; the parent is the
warden, too small to fail: it imports neither Circus nor psutil, passes signals on and waits. As a child subreaper it is
the new parent of every orphan below it, whatever session or process group that has put itself into. It ends them all,
lower priorities first as in every stop, then exits as circusd did.

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

from bisnes_supervisor import started

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

#: Passed on to circusd. SIGABRT is how systemd's watchdog ends a service that hangs.
FORWARDED = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGABRT))
_WATCHED = FORWARDED | {signal.SIGCHLD}

#: What is left gets these, each so many seconds after the first. SIGTERM goes to one priority after the other, so that
#: workers finish while the database is there. From the second step on nobody waits for anybody; on SIGINT PostgreSQL
#: does not wait for its clients. The last comes early enough for everything to be back within the 10 s of the promise.
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

#: The longest path that the kernel takes.
_PATH_MAX_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_line_to_warden: int | None = None


def stand_guard() -> None:
    """Returns in a new process, which is to become circusd. This one never returns: it exits as circusd did."""
    global _line_to_warden
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)  # waited for, so that no handler interrupts anything
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    line, _line_to_warden = os.pipe()
    warden = os.getpid()
    circusd = os.fork()
    if circusd == 0:
        os.close(line)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != warden:  # killed before it could be followed
            os._exit(128 + signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    os.close(_line_to_warden)
    code = os.waitstatus_to_exitcode(_outlive(circusd))
    priorities = _read_list(line)
    left = end_all(lambda: _children(priorities), _pause)
    if left:
        sys.stderr.write(f"circusd has ended, but nothing ends what it left behind: {sorted(left)}\n")
    sys.exit(code if code >= 0 else 128 - code)


def tell_list(lock: str) -> None:
    """Said once by circusd: the file in which it lists what it has started (`bisnes_supervisor.started`)."""
    if _line_to_warden is not None:
        os.write(_line_to_warden, os.fsencode(lock))


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
    find: Callable[[], Mapping[int, int] | None], pause: Callable[[float], object], give_up_s: float = GIVE_UP_S
) -> Collection[int]:
    """Ends processes, gently first; answers those that nothing ends.

    Args:
        find: answers the pids to be signalled now with their priorities, and None when nothing is left. It names those
            on top only: a parent ends its own children, and better than we would; the next look finds what it leaves.
        pause: returns after so many seconds, or earlier.
        give_up_s: longer than the last of `STEPS`.
    """
    began_at = time.monotonic()
    told: dict[int, signal.Signals] = {}
    while (found := find()) is not None:
        passed_s = time.monotonic() - began_at
        if passed_s > give_up_s:
            return found.keys()
        number = [step for due_s, step in STEPS if passed_s >= due_s][-1]
        first = min(found.values(), default=0)
        for pid, priority in found.items():
            if told.get(pid) != number and (priority == first or number != STEPS[0][1]):
                _tell(pid, number)
                told[pid] = number
        pause(LOOK_S)
    return ()


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


def _read_list(line: int) -> dict[started.Identity, int]:
    """What circusd had started, with priorities, if it has told where it lists that."""
    os.set_blocking(line, False)  # should anything still hold the other end
    try:
        return started.read(os.fsdecode(os.read(line, _PATH_MAX_BYTES)))
    except BlockingIOError:
        return {}


def _children(priorities: Mapping[started.Identity, int]) -> dict[int, int] | None:
    """Our children, None when there are none. Everything below us has one of them above it."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return None
    own = [identity for identity, parent in started.processes().items() if parent == os.getpid()]
    return {identity[0]: priorities.get(identity, 0) for identity in own}


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

"""circusd as a child: starting it, waiting for the gateway to be ready, and leaving no process behind."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import psutil

from bisnes_cli.errors import Refused
from bisnes_supervisor.cli.control import Supervisor

#: Between two looks at what is started or stopped.
LOOK_S = 0.1
#: The longest graceful stop (`graceful_timeout` of `api`, 40 s, then the services) fits in.
STOP_S = 90.0
#: A repeated request is harmless, a lost one is not: stock Circus drops SIGTERM while a command runs.
ASK_AGAIN_S = 5.0
#: What outlives circusd gets this long between SIGTERM and SIGKILL: longer than BISNES_GRACEFUL_STOP_S.
LEFTOVER_S = 15.0

#: Source: linux/prctl.h, read 2026-11-23.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Interrupted(Exception):
    """Somebody asked this command to stop."""


def start(configuration: Path, home: Path, environment: dict[str, str], *, detached: bool) -> subprocess.Popen[bytes]:
    """Starts circusd in a session of its own, so that Ctrl-C reaches this command alone.

    In the foreground circusd is told to stop when this command dies, and its orphans become ours.
    """
    logs = home / "logs"
    command = [sys.executable, "-m", "bisnes_supervisor.circusd", str(configuration)]
    command += ["--log-output", str(logs / "circusd.log")]
    libc = ctypes.CDLL(None)
    if not detached:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    follow_parent: Callable[[], object] | None = (
        None if detached else lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    )
    with (logs / "circusd-error.log").open("ab") as errors:
        return subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
            preexec_fn=follow_parent,  # safe: this command has one thread
        )


def interrupt_on_request() -> None:
    """From now on the first SIGINT, SIGTERM or SIGHUP raises `Interrupted`; later ones must not disturb the stop."""
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise Interrupted(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def looks(deadline_s: float) -> Iterator[float]:
    """Yields the seconds left, again and again, until the deadline has passed."""
    give_up_at = time.monotonic() + deadline_s
    while (left_s := give_up_at - time.monotonic()) > 0:
        yield left_s
        time.sleep(LOOK_S)  # noqa: TID251 - other processes' progress has no event that we could wait for


def stop(circusd: psutil.Process, say: Callable[[str], None]) -> None:
    """Stops a gateway: asks circusd until it is gone, then ends whatever outlived it.

    Args:
        circusd: our child or not.
        say: told what is being waited for.
    """
    family = _family(circusd)
    say(f"stopping {len(family)} processes")
    asked_at = float("-inf")
    for _ in looks(STOP_S):
        if not _alive(circusd):
            break
        if time.monotonic() - asked_at >= ASK_AGAIN_S:
            asked_at = time.monotonic()
            _signal(circusd, signal.SIGTERM)
        family |= _family(circusd)
    else:
        say(f"circusd did not end within {STOP_S:g} s: killing it")
        _signal(circusd, signal.SIGKILL)
    _end([process for process in family if process != circusd and _alive(process)], say)


def end_orphans(say: Callable[[str], None]) -> None:
    """Ends what a circusd of ours left behind when it died; such orphans became our children."""
    _end([process for process in _family(psutil.Process()) if _alive(process)], say)


def stop_by_pid_file(supervisor: Supervisor, say: Callable[[str], None]) -> bool:
    """Stops the gateway whose circusd the pid file names; False when there is none."""
    circusd = supervisor.process()
    if circusd is None:
        return False
    stop(circusd, say)
    if _alive(circusd):
        raise Refused(f"circusd (pid {circusd.pid}) does not end.")
    return True


def _family(process: psutil.Process) -> set[psutil.Process]:
    try:
        return set(process.children(recursive=True))
    except psutil.Error:
        return set()


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _end(leftovers: list[psutil.Process], say: Callable[[str], None]) -> None:
    if not leftovers:
        return
    say(f"ending {len(leftovers)} processes that outlived circusd")
    pids = {process.pid for process in leftovers}
    for process in leftovers:
        if _parent_of(process) not in pids:  # a parent ends its own children, and better than we would
            _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(leftovers, timeout=LEFTOVER_S)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=LEFTOVER_S)


def _parent_of(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return 0


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return

"""Stands between us and one browser, so that nothing of it outlives us: run as a script, one process per browser.

It starts chromedriver, adopts whatever of its tree loses its parent (child subreaper), and ends the whole tree when
the owner dies, closes our pipe (standard input) or sends SIGTERM, or when chromedriver ends. Chromium alone would live
on. When the guardian itself is killed, the kernel kills chromedriver, and Chromium follows because its end of
`--remote-debugging-pipe` closes. It also keeps the profile's lock open until the tree is gone.

    python -I -S guardian.py OWNER_PID LOCK_FD --user-data-dir=PROFILE CHROMEDRIVER ARGUMENT...

The profile is named only to be found by it. Standard library only and few modules of it: this process is part of every
browser's memory.
"""

import ctypes
import os
import select
import signal
import sys

#: Source: prctl(2), linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_CAPBSET_DROP = 24
#: Source: linux/capability.h.
CAP_SYS_NICE = 23
#: Signals that ask us to end; the tree ends with us.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: A browser yields the processors to everything else here: one that starts or runs wild slows no other channel down.
#: On top of our worker's (`circus.ini`), yet little enough to go on beside a busy Cloud API.
NICENESS = 5
#: The kernel takes a group's niceness once a tenth of a second from those who are not root: so often, so far apart.
GROUP_TRIES, GROUP_TRY_MS = 10, 150
#: Between two rounds of killing, while the kernel takes the dead apart.
ROUND_MS = 5
#: First line on standard output: `driver PID`.
DRIVER_LINE = "driver"


def descendants(ancestor: int) -> list[int]:
    """Every living process below `ancestor`, by /proc; parents before their children."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent_of(int(name))
            if parent is not None:
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    level = [ancestor]
    while level:
        level = [child for parent in level for child in children.get(parent, ())]
        found += level
    return found


def _parent_of(pid: int) -> int | None:
    """Parent of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The command in parentheses may hold anything, also parentheses and spaces.
            return int(stat.read().rsplit(b")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _yield_processors() -> None:
    """Lowers our priority for good: as root, Chromium would raise that of its processes again.

    Where the kernel schedules sessions as groups (sched(7), autogroup), a niceness counts within one only: the browser
    gets a session of its own, and that the niceness.
    """
    os.setsid()
    niceness = os.nice(NICENESS)
    for _ in range(GROUP_TRIES):
        try:
            with open("/proc/self/autogroup", "wb", buffering=0) as group:
                group.write(b"%d" % niceness)
            break
        except BlockingIOError:
            select.poll().poll(GROUP_TRY_MS)
        except OSError:  # no groups in this kernel, or none that we may set: a browser starts nevertheless
            break
    try:
        _prctl(PR_CAPBSET_DROP, CAP_SYS_NICE)
    except OSError:  # not root: then nothing of ours may raise it
        return


def _start_driver(command: list[str]) -> int:
    guardian = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guardian:  # else it died before the line above
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            _yield_processors()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.execv(command[0], command)  # noqa: S606 - we are the child that becomes the driver
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def _reap(driver: int) -> tuple[bool, bool]:
    """Collects the dead; whether the driver was among them or is unknown, and whether no child is left."""
    driver_ended = False
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return driver_ended, False
            driver_ended = driver_ended or pid == driver
    except ChildProcessError:
        return True, True


def _wait_for_an_end(owner: int, driver: int, wakeup: int) -> None:
    """Returns when owner or driver ended or somebody asks us to end."""
    poller = select.poll()
    poller.register(0)
    poller.register(wakeup, select.POLLIN)
    try:
        owner_ended = os.pidfd_open(owner)
        poller.register(owner_ended, select.POLLIN)
    except OSError:  # before Linux 5.3 or forbidden: the pipe alone must do, or the owner is gone and it is closed
        owner_ended = 0
    if os.getppid() != owner:
        return
    while True:
        ready = {fd for fd, _ in poller.poll()}
        if 0 in ready or owner_ended in ready:
            return
        asked = wakeup in ready and any(number in ENDING for number in os.read(wakeup, 4096))
        if _reap(driver)[0] or asked:
            return


def _end_tree(driver: int) -> None:
    """Kills until no child is left: each round also meets those that lost their parent in the one before."""
    while not _reap(driver)[1]:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue  # gone meanwhile, or not ours to kill (setuid)
        select.poll().poll(ROUND_MS)


def main() -> None:
    """Starts the driver, waits, ends the tree."""
    owner, lock, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[4:]
    os.set_inheritable(lock, False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeup, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *ENDING):
        signal.signal(number, lambda *_: None)
    driver = _start_driver(command)
    os.write(1, f"{DRIVER_LINE} {driver}\n".encode())
    try:
        _wait_for_an_end(owner, driver, wakeup)
    finally:
        _end_tree(driver)


if __name__ == "__main__":
    main()

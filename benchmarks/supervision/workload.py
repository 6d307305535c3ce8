"""The apps that every contender runs: the same programs, the same interpreter, the same rules.

A program notes each of its starts in a file, with the kernel's monotonic clock, which all processes share.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

PROGRAMS = Path(__file__).parent / "programs"
#: Without site and user packages: it is the supervisor that is measured.
PYTHON = (sys.executable, "-I", "-S")
#: In a command: the number of the file descriptor of the app's listening socket.
SOCKET = "{socket}"


@dataclass(frozen=True)
class Rules:
    """What a supervisor is told about an app; None or 0: its own default.

    Attributes:
        soft_limit: our `soft_memory_restart` as well; the others have none.
    """

    restart_delay_s: float = 0.0
    max_restarts: int | None = None
    min_uptime_s: float | None = None
    memory_limit_mb: int | None = None
    soft_limit: bool = False


@dataclass(frozen=True)
class App:
    """One program to supervise.

    Attributes:
        folder: where it notes its starts.
        command: program and arguments.
        port: of the listening socket, held by the supervisor where it can be.
        environment: more variables.
        node_cluster: the command is a script for PM2's cluster mode.
        ready: path of a Unix socket on which each process answers HTTP when it is ready; in Circus's words.
    """

    folder: Path
    name: str
    command: tuple[str, ...]
    processes: int = 1
    rules: Rules = field(default_factory=Rules)
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    node_cluster: bool = False
    ready: str | None = None

    @property
    def starts(self) -> list[Start]:
        """All starts so far, whoever started it."""
        return read_starts(_starts_file(self.folder, self.name))


class Start(NamedTuple):
    """A process noted that it runs."""

    pid: int
    at: float


class Leak(NamedTuple):
    """Where and how a process leaks, in the order of the program's arguments.

    Attributes:
        depth: 0: the child of the supervisor itself, 1: its child.
        lag_s: from its start.
    """

    depth: int
    lag_s: float
    cap_mb: int
    rate_mb_s: int


def read_starts(path: Path) -> list[Start]:
    """The starts that a program noted; a line that is being written does not count yet."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [Start(int(pid), float(at)) for pid, at in (line.split() for line in lines)]


def idler(folder: Path, name: str, rules: Rules | None = None) -> App:
    """An app that does nothing."""
    program = _copy("idler.py", folder)
    return App(folder, name, (*PYTHON, program, str(_starts_file(folder, name))), rules=rules or Rules())


def crasher(folder: Path, name: str, rules: Rules) -> tuple[App, Path]:
    """An app that exits with 1 as soon as the file exists that is returned with it."""
    program, go = _copy("crasher.py", folder), folder / f"{name}.go"
    return App(folder, name, (*PYTHON, program, str(_starts_file(folder, name)), str(go)), rules=rules), go


def leaker(folder: Path, name: str, leak: Leak, rules: Rules) -> tuple[App, Path]:
    """An app that leaks, and the file in which the leaking process notes its size."""
    program, sizes = _copy("leaker.py", folder), folder / f"{name}.sizes"
    numbers = map(str, leak)
    return App(
        folder, name, (*PYTHON, program, str(_starts_file(folder, name)), str(sizes), *numbers), rules=rules
    ), sizes


def gunicorn(folder: Path, name: str, port: int, boot_s: float, bind: str, *, workers: int, processes: int) -> App:
    """A web application in Python.

    Args:
        bind: `SOCKET` where the supervisor holds the listening socket.
        workers: of each gunicorn.
        processes: gunicorns.
    """
    _copy("web.py", folder)
    command = (
        *(sys.executable, "-m", "gunicorn", "--bind", bind, "--workers", str(workers), "--threads", "4"),
        *("--worker-class", "gthread", "--no-control-socket", "--graceful-timeout", "8", "--chdir", str(folder)),
        *("--log-level", "warning", "web:application"),
    )
    environment = {"BOOT_S": str(boot_s), "STARTS": str(_starts_file(folder, name))}
    return App(folder, name, command, processes, port=port, environment=environment)


def node_cluster(folder: Path, name: str, port: int, boot_s: float, processes: int) -> App:
    """The same for PM2's cluster mode."""
    environment = {"BOOT_S": str(boot_s), "STARTS": str(_starts_file(folder, name)), "PORT": str(port)}
    command = (_copy("web.js", folder),)
    return App(folder, name, command, processes, port=port, environment=environment, node_cluster=True)


def living(starts: list[Start]) -> list[psutil.Process]:
    """Those of these processes that still run."""
    found = []
    for start in starts:
        try:
            process = psutil.Process(start.pid)
        except psutil.NoSuchProcess:
            continue
        if runs(process):
            found.append(process)
    return found


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended, reaped or not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _starts_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.starts"


def _copy(name: str, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(shutil.copy(PROGRAMS / name, folder))

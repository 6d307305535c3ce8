"""A supervisor under measurement: started in a folder of its own, ended with everything that it started.

What it started carries the folder in its environment. So even a daemon that left our process group, an orphan or a
process that refused to die is found afterwards, and nothing that somebody else runs is touched.
"""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from benchmarks.supervision.workload import App, living
from tests.fixtures.eventually import eventually
from tests.fixtures.services import family_of, gone

#: The variable by which processes of a run are known.
MARK = "BISNES_BENCHMARK"
START_S = 30.0
#: A polite end may take as long; what is left is killed.
STOP_S = 15.0
GONE_S = 5.0
#: Shown of a supervisor that does not work.
LAST_WORDS_CHARS = 2000
#: A supervisor that is being killed may still start something.
SWEEPS = 5


class Refused(RuntimeError):
    """A contender did not do what it was told."""


class Cost(NamedTuple):
    """What a supervisor's own processes took.

    Attributes:
        own_s: CPU seconds.
        children_s: CPU seconds of the processes that they started and that have ended.
    """

    processes: int
    own_s: float
    children_s: float
    rss_mb: float
    pss_mb: float

    @property
    def total_s(self) -> float:
        """CPU seconds of both."""
        return self.own_s + self.children_s


class Contender(ABC):
    """One supervisor with some apps; a context manager.

    Args:
        folder: for its configuration, sockets and logs; short, since Unix sockets are in it.
        apps: what it runs.
    """

    def __init__(self, folder: Path, apps: Sequence[App]) -> None:
        self.folder = folder
        self.apps = apps
        self.environment = os.environ | {MARK: str(folder)}

    @abstractmethod
    def start(self) -> None:
        """Writes the configuration and starts it."""

    @abstractmethod
    def stop(self) -> None:
        """Asks it to end."""

    @abstractmethod
    def main_pid(self) -> int:
        """Of the process that started first."""

    @abstractmethod
    def state(self, app: App) -> str:
        """Of the app's first process, in its own words."""

    @abstractmethod
    def reload(self, app: App) -> None:
        """Replaces an app's processes, as an operator would after a deployment.

        Raises:
            Refused: when it does not.
        """

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        except BaseException:
            sweep(self.folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _uninterrupted():
            try:
                if kind is None or issubclass(kind, Exception):
                    self.stop()
            finally:
                sweep(self.folder)

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Starts a program of this contender; Ctrl-C in the terminal does not reach it."""
        with (self.folder / "output.log").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def until_up(self, processes: int = 1) -> None:
        """Waits until every app has noted that many starts.

        Raises:
            Refused: when they do not come up; with the last lines of the supervisor.
        """
        try:
            eventually(lambda: all(len(app.starts) >= processes for app in self.apps), START_S, "the apps to start")
        except AssertionError as late:
            words = (self.folder / "output.log").read_text()[-LAST_WORDS_CHARS:]
            raise Refused(f"{type(self).__name__} brings nothing up; its last words:\n{words}") from late

    def own_processes(self) -> list[psutil.Process]:
        """The supervisor's processes without the apps'; call it while the apps are up."""
        apps = {process.pid for app in self.apps for process in living(app.starts)}
        family = family_of(self.main_pid())
        return [one for one in family if one.pid not in apps and not any(p.pid in apps for p in one.parents())]


def cost(processes: Sequence[psutil.Process]) -> Cost:
    """What these took so far, and hold now; one that has ended is among its parent's ended children."""
    costs = [one for process in processes if (one := _cost_of(process)) is not None]
    return Cost(
        len(costs),
        sum(one.own_s for one in costs),
        sum(one.children_s for one in costs),
        round(sum(one.rss_mb for one in costs), 1),
        round(sum(one.pss_mb for one in costs), 1),
    )


def _cost_of(process: psutil.Process) -> Cost | None:
    try:
        times, memory = process.cpu_times(), process.memory_full_info()
    except psutil.NoSuchProcess:
        return None
    own_s, children_s = times.user + times.system, times.children_user + times.children_system
    return Cost(1, own_s, children_s, memory.rss / 2**20, memory.pss / 2**20)


def terminate(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM and some patience."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_S)


def sweep(folder: Path) -> int:
    """Kills whatever carries the mark of this folder; returns how many that were."""
    swept = 0
    for _ in range(SWEEPS):
        found = [process for process in psutil.process_iter() if _carries(process, str(folder))]
        if not found:
            break
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        gone(found, GONE_S)
        swept += len(found)
    return swept


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not leave processes behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: list[tuple[int, Callable[..., object] | int | None]] = [
        (number, signal.signal(number, signal.SIG_IGN)) for number in numbers
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)

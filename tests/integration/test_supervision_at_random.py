"""Whatever operators and accidents do, in whatever order: afterwards there is what the configuration says."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.fixtures.circusd import SLEEPER, Circus, circusd, program, watcher
from tests.fixtures.eventually import eventually
from tests.fixtures.services import free_port

#: Each process has a child in a session of its own, which has one in its session.
TREE = (
    "import signal, subprocess, sys, os\n"
    "child = 'import os, signal; os.fork(); signal.pause()'\n"
    "subprocess.Popen([sys.executable, '-S', '-c', child], start_new_session=True)\n"
    "print('up', flush=True)\nsignal.pause()\n"
)

#: Watchers with the processes of one instance and the instances of the configuration.
WATCHERS = {"plain": (1, 2), "alone": (1, 1), "tree": (3, 2), "web": (1, 2)}

#: Kills are no crash loop: what lived for a moment is stable, and comes back at once.
CALM = "min_uptime = 1ms\nmax_restarts = 1000\ngraceful_timeout = 2\n"


def configuration(folder: Path) -> str:
    sleeper, tree = program(folder, "sleeper", SLEEPER), program(folder, "tree", TREE)
    ini = f"[socket:web]\nhost = 127.0.0.1\nport = {free_port()}\n\n"
    ini += watcher("plain", sleeper, f"numprocesses = 2\n{CALM}")
    ini += watcher("alone", sleeper, f"singleton = True\n{CALM}")
    ini += watcher("tree", tree, f"numprocesses = 2\n{CALM}")
    return ini + watcher("web", f"{sleeper} $(circus.sockets.web)", f"numprocesses = 2\nuse_sockets = True\n{CALM}")


class Accidents:
    """Random actions on one circusd."""

    def __init__(self, circus: Circus, seed: int) -> None:
        self.circus = circus
        self.dice = random.Random(seed)
        self.done: list[str] = []
        self.kinds: dict[str, Callable[[str], object]] = {
            "stop": lambda name: circus.call("stop", name=name),
            "stop and wait": lambda name: circus.do("stop", name),
            "start": lambda name: circus.call("start", name=name),
            "restart": lambda name: circus.call("restart", name=name),
            "restart and wait": lambda name: circus.call("restart", 60, name=name, waiting=True),
            "reload": lambda name: circus.call("reload", name=name),
            "incr": lambda name: circus.call("incr", name=name),
            "decr": lambda name: circus.call("decr", name=name),
            "set": lambda name: circus.call("set", name=name, options={"graceful_timeout": 2}),
            "scale": lambda name: circus.call("set", name=name, options={"numprocesses": 1}),
            "kill command": lambda name: circus.call("kill", name=name, signum=int(signal.SIGKILL)),
            "reset": lambda name: circus.call("reset", name=name),
            "kill": lambda name: self.kill(circus.pids(name), signal.SIGKILL),
            "terminate": lambda name: self.kill(circus.pids(name), signal.SIGTERM),
            "kill below": lambda _: self.kill(self.below(), signal.SIGKILL),
            "suspend": lambda name: self.kill(circus.pids(name), signal.SIGSTOP),
            "reload all": lambda _: os.kill(circus.pid, signal.SIGHUP),
            "reopen logs": lambda _: os.kill(circus.pid, signal.SIGUSR1),
            "save": lambda _: circus.call("save"),
        }

    def happen(self) -> None:
        """One of them."""
        kind, name = self.dice.choice(sorted(self.kinds)), self.dice.choice(sorted(WATCHERS))
        self.done.append(f"{kind} {name}")
        self.kinds[kind](name)

    def kill(self, pids: list[int], number: signal.Signals) -> None:
        """Signals one of these processes."""
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self.dice.choice(pids), number)

    def below(self) -> list[int]:
        """All that circusd started, and all below that."""
        return [process.pid for process in psutil.Process(self.circus.pid).children(recursive=True)]


def restore(circus: Circus) -> None:
    """Back to what the configuration says."""
    for pid in Accidents(circus, 0).below():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    for name, (_, instances) in WATCHERS.items():
        circus.do("start", name)
        if name != "alone":
            assert (
                circus.call("set", 60, name=name, options={"numprocesses": instances}, waiting=True)["status"] == "ok"
            )


def settled(circus: Circus) -> bool:
    rows = circus.call("table")["instances"]
    return Counter(row["process"] for row in rows if row["state"] == "online") == {
        name: instances for name, (_, instances) in WATCHERS.items()
    } and len(rows) == sum(instances for _, instances in WATCHERS.values())


def inventory(circus: Circus) -> dict[str, int]:
    """Processes below circusd, zombies among them, and what circusd holds open, by kind."""
    process = psutil.Process(circus.pid)
    below = process.children(recursive=True)
    counts = Counter(zombies=0, processes=len(below))
    for one in below:
        with suppress(psutil.NoSuchProcess):
            counts["zombies"] += one.status() == psutil.STATUS_ZOMBIE
    for descriptor in Path(f"/proc/{circus.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            counts[os.readlink(descriptor).partition(":")[0].partition("/")[0] or "file"] += 1
    return dict(counts)


@pytest.mark.parametrize(
    ("seed", "actions"),
    [(1, 40), pytest.param(2, 200, marks=pytest.mark.soak), pytest.param(3, 200, marks=pytest.mark.soak)],
)
@pytest.mark.timeout(900)
def test_random_commands_and_kills_leave_what_the_configuration_says(tmp_path: Path, seed: int, actions: int) -> None:
    with circusd(tmp_path, configuration(tmp_path), check_delay_s=1) as circus:
        eventually(lambda: settled(circus), 20, "the start")
        restore(circus)
        wanted = sum(processes * instances for processes, instances in WATCHERS.values())
        eventually(lambda: inventory(circus)["processes"] == wanted, 10, "every process")
        before = inventory(circus)
        accidents = Accidents(circus, seed)
        for _ in range(actions):
            accidents.happen()
        restore(circus)
        what = f"the configuration after {', '.join(accidents.done)}"
        eventually(lambda: settled(circus), 60, what)
        eventually(lambda: inventory(circus) == before, 20, f"{before} after {', '.join(accidents.done)}")
        family = psutil.Process(circus.child.pid).children(recursive=True)
        circus.child.send_signal(signal.SIGTERM)
        assert circus.child.wait(30) == 0
        assert not any(process.is_running() for process in family)

"""CPU and memory of a running gateway by process group, read from the kernel."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.fixtures.gateway import Gateway
from tests.fixtures.services import family_of

#: Watchers of circus.ini and circus.d that the demo or a test starts.
WATCHERS = ("api", "relay", "meta", "events", "postgres", "valkey", "loopback")


@dataclass(frozen=True)
class Reading:
    """One look at all processes.

    Attributes:
        cpu_s: CPU seconds so far, by group and by the pid of its instances; children included, ended ones too.
        rss_bytes: resident memory by group; memory that processes share is counted in each.
        pss_bytes: the same with shared memory divided among its users: sums are true.
        busy_s: CPU seconds of the whole machine.
    """

    cpu_s: dict[str, dict[int, float]]
    rss_bytes: dict[str, int]
    pss_bytes: dict[str, int]
    busy_s: float

    def group_cpu_s(self, group: str) -> float:
        """CPU seconds of a group."""
        return sum(self.cpu_s[group].values())


class Meter:
    """Looks at a gateway's processes.

    The groups are the watchers, `simulator`, and `supervisor`: circusd with `bisnes up`, logs included.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._instances = {name: gateway.pids(name) for name in WATCHERS}
        watched = {pid for pids in self._instances.values() for pid in pids}
        self._alone = [process.pid for process in family_of(gateway.child.pid) if not _is_below(process, watched)]
        self._simulator = [child.pid for child in psutil.Process().children() if _is_simulator(child)]

    def read(self) -> Reading:
        """Reads everything once.

        Raises:
            RuntimeError: when a process has ended since the meter was made: its figures are gone.
        """
        trees = {name: {pid: family_of(pid) for pid in pids} for name, pids in self._instances.items()}
        trees["simulator"] = {pid: family_of(pid) for pid in self._simulator}
        trees["supervisor"] = {pid: [psutil.Process(pid)] for pid in self._alone}
        if dead := [name for name, group in trees.items() if not all(group.values())]:
            raise RuntimeError(f"ended while it was measured: {', '.join(dead)}")
        members = {name: [one for tree in group.values() for one in tree] for name, group in trees.items()}
        return Reading(
            {
                name: {pid: sum(_cpu_s(one, ended=name != "supervisor") for one in tree) for pid, tree in group.items()}
                for name, group in trees.items()
            },
            {name: sum(_memory(one)[0] for one in group) for name, group in members.items()},
            {name: sum(_memory(one)[1] for one in group) for name, group in members.items()},
            _busy_s(),
        )


def _is_below(process: psutil.Process, pids: set[int]) -> bool:
    return process.pid in pids or any(parent.pid in pids for parent in process.parents())


def _is_simulator(process: psutil.Process) -> bool:
    return "simulators.graph" in process.cmdline()


def _cpu_s(process: psutil.Process, *, ended: bool) -> float:
    """CPU seconds of a process, with those of its ended children unless they are another group's."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + ((times.children_user + times.children_system) if ended else 0.0))
    return 0.0


def _memory(process: psutil.Process) -> tuple[int, int]:
    with suppress(psutil.NoSuchProcess):
        memory = process.memory_full_info()
        return int(memory.rss), int(memory.pss)
    return 0, 0


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def load_average() -> float:
    """Processes that ran or wanted to, over the last minute."""
    return round(os.getloadavg()[0], 2)

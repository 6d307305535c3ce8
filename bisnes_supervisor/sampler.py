"""Looks at the memory and processor use of every tree, again and again, in a thread of its own.

One pass over /proc for all; the exact, proportional figure, which costs the kernel more, only for trees that may be
above a limit, and now and then for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from circus import logger

from bisnes_supervisor import tree
from bisnes_supervisor.process import Process
from bisnes_supervisor.tree import Member

#: Trees that are surely below their limits get their exact figure every so many looks.
EXACT_EVERY = 5


@dataclass(frozen=True)
class Weighing:
    """One tree at one look.

    Attributes:
        rss_bytes: the sum of resident memory, shared pages counted in each.
        exact_bytes: proportional memory, where it was asked for and can be had.
        cpu_s: processor time of its living members so far.
    """

    rss_bytes: int
    exact_bytes: int | None
    cpu_s: float


@dataclass(frozen=True)
class Root:
    """A tree to look at: its root's pid, its owner's mark, and from which sum of resident memory on it is weighed."""

    pid: int
    mark: str
    weigh_from_bytes: int


def weigh(roots: Iterable[Root], adopter: int) -> dict[int, Weighing]:
    """Looks at trees once.

    Args:
        roots: the trees.
        adopter: whose children all members' orphans become.
    """
    members = tree.look()
    children = tree.forest(members)
    roots = list(roots)
    adopted = _adopted(roots, children.get(adopter, ()))
    return {
        root.pid: _weighing(root, [root.pid, *adopted.get(root.mark, ())], members, children)
        for root in roots
        if root.pid in members
    }


def _adopted(roots: list[Root], candidates: Iterable[int]) -> dict[str, list[int]]:
    known = {root.pid for root in roots}
    adopted: dict[str, list[int]] = {}
    for pid in candidates:
        if pid not in known:
            adopted.setdefault(tree.owner_of(pid) or "", []).append(pid)
    return adopted


def _weighing(
    root: Root, tops: list[int], members: Mapping[int, Member], children: Mapping[int, list[int]]
) -> Weighing:
    pids = [pid for top in tops for pid in tree.below(top, children) if pid in members]
    rss_bytes = sum(members[pid].rss_bytes for pid in pids)
    exact_bytes = tree.proportional_bytes(pids) if rss_bytes >= root.weigh_from_bytes else None
    return Weighing(rss_bytes, exact_bytes, sum(members[pid].cpu_s for pid in pids))


class Sampler:
    """The repeated look.

    Args:
        every_s: period.
        adopter: circusd's pid.
        processes: answers those to look at, each with the size from which its watcher wants to know (0: no limit).
        on_memory: called with a process and its tree's memory in bytes when that size is reached.
    """

    def __init__(
        self,
        every_s: float,
        adopter: int,
        processes: Callable[[], Iterable[tuple[Process, int]]],
        on_memory: Callable[[Process, int], None],
    ) -> None:
        self._every_s = every_s
        self._adopter = adopter
        self._processes = processes
        self._on_memory = on_memory
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sampler")
        self._looks = 0
        self._looked_at = time.monotonic()
        self._cpu_s: dict[int, float] = {}
        self._task = asyncio.ensure_future(self._run())

    def end(self) -> None:
        """Looks no more."""
        self._task.cancel()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:  # noqa: BLE001 - one failed look must not end all looks, nor circusd
                logger.exception("a look at memory failed")
            await asyncio.sleep(self._every_s)

    async def _look(self) -> None:
        watched = {process.pid: (process, limit) for process, limit in self._processes()}
        exact = self._looks % EXACT_EVERY == 0
        self._looks += 1
        roots = [Root(pid, process.mark, 0 if exact else limit or 2**63) for pid, (process, limit) in watched.items()]
        found = await asyncio.get_running_loop().run_in_executor(self._thread, weigh, roots, self._adopter)
        now = time.monotonic()
        for pid, weighing in found.items():
            process, limit = watched[pid]
            self._note(process, weighing, now - self._looked_at)
            used_bytes = weighing.rss_bytes if weighing.exact_bytes is None else weighing.exact_bytes
            if limit and weighing.rss_bytes >= limit and used_bytes >= limit:
                self._on_memory(process, used_bytes)
        self._cpu_s = {pid: weighing.cpu_s for pid, weighing in found.items()}
        self._looked_at = now

    def _note(self, process: Process, weighing: Weighing, since_s: float) -> None:
        if weighing.exact_bytes is not None and weighing.rss_bytes:
            process.shared_ratio = weighing.exact_bytes / weighing.rss_bytes
        process.memory_bytes = int(weighing.rss_bytes * process.shared_ratio)
        before_s = self._cpu_s.get(process.pid)
        if before_s is not None and since_s > 0:
            # A member that ended took its time along.
            process.cpu_percent = max(0.0, 100 * (weighing.cpu_s - before_s) / since_s)
        process.curve.append((time.time(), process.memory_bytes))

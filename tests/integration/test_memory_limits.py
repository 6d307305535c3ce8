"""Memory limits hold for the whole tree of a process, at any depth, and cost nobody else."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.fixtures.circusd import SLEEPER, circusd, program, watcher
from tests.fixtures.eventually import eventually
from tests.fixtures.services import family_of, gone

#: Starts itself anew until the depth is reached; there it takes memory in steps up to a cap, and holds it.
LEAKER = """
import os, signal, subprocess, sys, time
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, "-S", __file__, str(depth - 1), *sys.argv[2:]], start_new_session=True)
    print("up", flush=True)
    signal.pause()
step, cap = (int(word) * 1_000_000 for word in sys.argv[2:4])
held = []
while len(held) * step < cap:
    held.append(bytearray(os.urandom(4096)) * (step // 4096))
    time.sleep(0.1)
print("full", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_tree_over_its_hard_limit_is_killed_whole_and_started_anew(tmp_path: Path, depth: int) -> None:
    leaker, sleeper = program(tmp_path, "leaker", LEAKER), program(tmp_path, "sleeper", SLEEPER)
    options = "numprocesses = 2\nmax_memory_restart = 100M\nsoft_memory_restart = off\nmin_uptime = 100ms"
    ini = watcher("leak", f"{leaker} {depth} 10 400", options) + watcher("calm", sleeper, "max_memory_restart = 100M")
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("calm-out", "up")
        calm = circus.pids("calm")
        owner = circus.pids("leak")[0]
        eventually(lambda: len(family_of(owner)) == depth + 1, 10, "the tree")
        tree = family_of(owner)
        event = circus.wait_for_event("leak", "ended", deadline_s=30)
        assert event["data"]["cause"] == "memory"
        assert "max_memory_restart is 100 MB" in event["data"]["reason"]
        largest = max(used for _, used in event["data"]["memory"])
        assert 100 * 1024**2 < largest < 350 * 1024**2, "noticed well before its cap"
        eventually(lambda: owner not in circus.pids("leak"), 30, "the end of this one too")
        assert gone(tree, 5) == []
        eventually(lambda: len(circus.pids("leak")) == 2, 10, "successors")
        assert circus.pids("calm") == calm


def test_at_the_soft_limit_a_process_is_replaced_without_a_gap_when_its_successor_is_ready(tmp_path: Path) -> None:
    """The old one is asked (SIGTERM), and ends by itself once it has finished what it was at."""
    text = LEAKER.replace(
        "held = []",
        "held = []\ndef finish(*_):\n    print('finished', flush=True)\n    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, finish)",
    )
    leaker = program(tmp_path, "leaker", text)
    (tmp_path / "greedy").touch()
    # Greedy only the first time.
    chooser = program(
        tmp_path,
        "chooser",
        f"import os, sys\ncap = '90' if os.path.exists('greedy') else '10'\nif cap == '90': os.remove('greedy')\n"
        f"os.execv(sys.executable, [sys.executable, '-S', {str(leaker)!r}, '0', '10', cap])\n",
    )
    with circusd(tmp_path, watcher("leak", chooser, "max_memory_restart = 300M\nsoft_memory_restart = 60M")) as circus:
        [old] = eventually(lambda: circus.pids("leak"), 10, "the first")
        event = circus.wait_for_event("leak", "asked to recycle", deadline_s=20)
        assert event["severity"] == "warning"
        ended = circus.wait_for_event("leak", "ended")
        assert (ended["data"]["cause"], ended["data"]["exit_code"], ended["pid"]) == ("replaced", 0, old)
        assert "soft_memory_restart is 60 MB" in ended["data"]["reason"]
        circus.wait_for_line("leak-out", "finished")
        assert circus.log("leak-out").count("finished") == 1
        kinds = [
            (one["event"], one["pid"]) for one in circus.events("leak", "started") + circus.events("leak", "ended")
        ]
        assert kinds[1][0] == "started", "the successor was there before the old one ended"
        assert circus.rows("leak")[0]["state"] == "online"


def test_shared_memory_is_divided_among_its_users(tmp_path: Path) -> None:
    """Four processes that share 60 MB use 60 MB, not 240: a limit on resident memory would act four times too early."""
    text = (
        "import mmap, os, signal\nshared = mmap.mmap(-1, 60_000_000)\nshared.write(os.urandom(60_000_000))\n"
        "for _ in range(3):\n    if os.fork() == 0:\n        sum(shared[::4096])\n"
        "        print('sharing', flush=True)\n"
        "        signal.pause()\nprint('up', flush=True)\nsignal.pause()\n"
    )
    with circusd(tmp_path, watcher("share", program(tmp_path, "share", text), "max_memory_restart = 150M")) as circus:
        circus.wait_for_line("share-out", "sharing", 3)
        [pid] = circus.pids("share")
        resident = sum(process.memory_info().rss for process in family_of(pid))
        assert resident > 150 * 1024**2
        looks = eventually(
            lambda: (used := circus.rows("share")[0]["memory_bytes"]) > 60_000_000 and used, 10, "a look"
        )
        assert looks < 120 * 1024**2
        first = psutil.Process(pid)
        eventually(lambda: len(circus.call("describe", name="share")["instances"]) == 1, 5, "an answer")
        assert first.is_running()
        assert circus.pids("share") == [pid]

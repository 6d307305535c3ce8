"""When a process that ended is started again: delays, backoff, the sliding window, `errored` and the way out of it."""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fixtures.circusd import SLEEPER, Circus, circusd, program, watcher
from tests.fixtures.eventually import eventually

CRASHER = "import sys\nprint('last words', file=sys.stderr)\nsys.exit(3)\n"

#: Crashes at once while the file `bad` is there, and lives otherwise.
MOODY = "import os, signal, sys\nprint('up', flush=True)\nif os.path.exists('bad'): sys.exit(7)\nsignal.pause()\n"


def gaps_s(circus: Circus, name: str, times: int) -> list[float]:
    """Seconds from each end to the start after it."""
    circus.wait_for_event(name, "started", times, 60)
    started = [at(event) for event in circus.events(name, "started")][1:times]
    ended = [at(event) for event in circus.events(name, "ended")]
    return [start - end for start, end in zip(started, ended, strict=False)]


def at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def test_a_restart_delay_is_kept_after_every_death_and_no_longer(tmp_path: Path) -> None:
    crasher, sleeper = program(tmp_path, "crasher", CRASHER), program(tmp_path, "sleeper", SLEEPER)
    ini = watcher("crash", crasher, "restart_delay = 1500ms") + watcher(
        "killed", sleeper, "restart_delay = 5s\nmin_uptime = 10s"
    )
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("killed-out", "up")
        psutil.Process(circus.pids("killed")[0]).kill()
        killed_at = time.monotonic()
        assert eventually(lambda: circus.state("killed") == "waiting restart", 2, "the wait to be shown")
        assert all(1.5 <= gap_s < 3 for gap_s in gaps_s(circus, "crash", 3))
        eventually(lambda: circus.pids("killed"), 20, "the killed one's successor")
        assert 5 <= time.monotonic() - killed_at < 8


def test_backoff_grows_up_to_its_cap_and_begins_anew_after_min_uptime(tmp_path: Path) -> None:
    moody = program(tmp_path, "moody", MOODY)
    options = "exp_backoff_restart_delay = 200ms\nexp_backoff_max = 600ms\nmin_uptime = 1s\nmax_restarts = 50"
    (tmp_path / "bad").touch()
    with circusd(tmp_path, watcher("moody", moody, options)) as circus:
        gaps = gaps_s(circus, "moody", 6)
        for gap_s, wanted_s in zip(gaps, (0.2, 0.3, 0.45, 0.6, 0.6), strict=True):
            assert wanted_s <= gap_s < wanted_s + 0.4, gaps
        (tmp_path / "bad").unlink()
        eventually(lambda: circus.rows("moody")[0]["state"] == "online", 10, "a process that lives")
        eventually(lambda: (circus.rows("moody")[0]["uptime_s"] or 0) > 1.2, 10, "min_uptime to pass")
        (tmp_path / "bad").touch()
        starts = len(circus.events("moody", "started"))
        psutil.Process(circus.pids("moody")[0]).kill()
        assert 0 <= gaps_s(circus, "moody", starts + 1)[-1] < 0.2 + 0.1  # stable: no delay
        assert 0.2 <= gaps_s(circus, "moody", starts + 2)[-1] < 0.3 + 0.3  # the first of a new row


def test_so_many_unstable_deaths_make_it_errored_visibly_and_it_is_tried_again_slowly(tmp_path: Path) -> None:
    moody = program(tmp_path, "moody", MOODY)
    (tmp_path / "bad").touch()
    options = "restart_delay = 100ms\nmax_restarts = 4\nmin_uptime = 1s\nerrored_retry = 2s"
    with circusd(tmp_path, watcher("moody", moody, options)) as circus:
        event = circus.wait_for_event("moody", "errored")
        assert event["severity"] == "critical"
        assert "exit code 7" in event["data"]["reason"]
        assert len(circus.events("moody", "started")) == 4
        assert circus.state("moody") == "errored"
        circus.wait_for_event("moody", "started", 6)
        retries = [at(event) for event in circus.events("moody", "started")[3:6]]
        assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(retries))
        assert circus.state("moody") == "errored"
        (tmp_path / "bad").unlink()
        circus.wait_for_event("moody", "recovered")
        assert circus.state("moody") == "active"


@pytest.mark.parametrize("command", ["start", "reset", "restart"])
def test_errored_for_good_is_left_by_a_command(tmp_path: Path, command: str) -> None:
    moody = program(tmp_path, "moody", MOODY)
    (tmp_path / "bad").touch()
    with circusd(tmp_path, watcher("moody", moody, "max_restarts = 2\nerrored_retry = never")) as circus:
        circus.wait_for_event("moody", "errored")
        [row] = circus.rows("moody")
        assert row["state"] == "errored"
        assert row["starts_in_s"] is None
        (tmp_path / "bad").unlink()
        circus.do(command, "moody")
        eventually(lambda: circus.state("moody") == "active", 5, "it to run")


def test_deaths_count_within_a_window_that_slides(tmp_path: Path) -> None:
    """A crash loop that begins after a quiet time is stopped like one that begins at once; PM2 lets it run for ever."""
    moody = program(tmp_path, "moody", MOODY)
    options = "max_restarts = 3\nmin_uptime = 500ms\nrestart_window = 2s\nrestart_delay = 1200ms"
    with circusd(tmp_path, watcher("moody", moody, options)) as circus:
        circus.wait_for_line("moody-out", "up")
        eventually(lambda: (circus.rows("moody")[0]["uptime_s"] or 0) > 2, 10, "a quiet time longer than the window")
        (tmp_path / "bad").touch()
        psutil.Process(circus.pids("moody")[0]).kill()
        circus.wait_for_event("moody", "ended", 5)
        # 1.2 s apart, so never three within 2 s.
        assert circus.events("moody", "errored") == []
    options = "max_restarts = 3\nmin_uptime = 500ms\nrestart_delay = 300ms"
    (tmp_path / "bad").unlink()
    (tmp_path / "var/process-events.jsonl").unlink()
    with circusd(tmp_path, watcher("moody", moody, options)) as circus:
        eventually(lambda: (circus.rows("moody")[0]["uptime_s"] or 0) > 3, 10, "a quiet time longer than the window")
        (tmp_path / "bad").touch()
        psutil.Process(circus.pids("moody")[0]).kill()
        circus.wait_for_event("moody", "errored")
        assert len(circus.events("moody", "ended")) == 1 + 3


ENDS = {
    "clean": ("import sys; sys.exit(0)", "clean exit", 0, "warning"),
    "crash": ("import sys; sys.exit(5)", "crash", 5, "error"),
    "signal": ("import os; os.abort()", "crash", -signal.SIGABRT, "error"),
    "outside": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed from outside", -9, "error"),
}


def test_ends_are_told_apart_and_kept_with_reason_and_last_lines(tmp_path: Path) -> None:
    ini = ""
    for name, (text, *_) in ENDS.items():
        body = f"import sys\nprint('the last of {name}', file=sys.stderr, flush=True)\n{text}\n"
        ini += watcher(name, program(tmp_path, name, body), "restart_delay = 60s")
    ini += watcher("operator", program(tmp_path, "operator", SLEEPER))
    ini += "[watcher:missing]\ncmd = /no/such/program\nrestart_delay = 60s\n"
    ini += watcher("done", program(tmp_path, "done", "import sys; sys.exit(4)"), "stop_exit_codes = 0 4")
    with circusd(tmp_path, ini) as circus:
        for name, (_, cause, exit_code, severity) in ENDS.items():
            event = circus.wait_for_event(name, "ended")
            assert (event["data"]["cause"], event["data"]["exit_code"], event["severity"]) == (
                cause,
                exit_code,
                severity,
            )
            assert f"the last of {name}" in event["data"]["last_lines"][0]
            assert event["data"]["uptime_s"] < 5
            assert circus.state(name) == "waiting restart"
        circus.wait_for_line("operator-out", "up")
        circus.do("stop", "operator")
        assert circus.wait_for_event("operator", "ended")["data"]["cause"] == "stopped"
        assert "No such file" in circus.wait_for_event("missing", "not started")["data"]["reason"]
        assert circus.state("missing") == "waiting restart"
        circus.wait_for_event("done", "ended")
        assert circus.state("done") == "stopped"
        assert len(circus.events("done", "started")) == 1
        circus.call("start", name="done")
        circus.wait_for_event("done", "ended", 2)


#: Takes memory until its cgroup has none left.
GLUTTON = """
import os, pathlib
pathlib.Path({procs!r}).write_text(str(os.getpid()))
held = []
while True:
    held.append(bytearray(os.urandom(1) * 4_000_000))
"""


@pytest.fixture
def tight_cgroup() -> Any:
    """A cgroup of 40 MB; making one takes root, which the machines have that run this suite."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    parent = Path("/sys/fs/cgroup") if unified else Path("/sys/fs/cgroup/memory")
    group = parent / f"bisnes_test_{os.getpid()}"
    group.mkdir()
    (group / ("memory.max" if unified else "memory.limit_in_bytes")).write_text("40000000")
    if unified:
        (group / "memory.swap.max").write_text("0")
    yield group
    eventually(lambda: not (group / "cgroup.procs").read_text(), 10, "its processes to be gone")
    group.rmdir()


def test_a_kill_for_want_of_memory_is_told_from_any_other(tmp_path: Path, tight_cgroup: Path) -> None:
    glutton = program(tmp_path, "glutton", GLUTTON.format(procs=str(tight_cgroup / "cgroup.procs")))
    with circusd(tmp_path, watcher("glutton", glutton, "restart_delay = 60s")) as circus:
        event = circus.wait_for_event("glutton", "ended", deadline_s=40)
        assert event["data"]["cause"] == "out of memory"
        assert event["data"]["exit_code"] == -signal.SIGKILL


def test_a_killed_process_leaves_nothing_of_its_tree_whatever_session_it_hid_in(tmp_path: Path) -> None:
    text = (
        "import os, signal, subprocess, sys\n"
        'deep = \'import signal, subprocess, sys; subprocess.Popen([sys.executable, "-S", "-c", "import signal; '
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()\"], start_new_session=True); signal.pause()'\n"
        "subprocess.Popen([sys.executable, '-S', '-c', deep], start_new_session=True)\n"
        "print('up', os.getpid(), flush=True)\nsignal.pause()\n"
    )
    with circusd(tmp_path, watcher("tree", program(tmp_path, "tree", text))) as circus:
        for command in (lambda process: process.kill(), lambda _: circus.do("restart", "tree")):
            owner = psutil.Process(eventually(lambda: circus.pids("tree"), 10, "the owner")[0])
            tree = eventually(lambda: below(owner, 2), 10, "its tree")  # noqa: B023 - called now
            command(owner)
            eventually(lambda: not any(lives(one) for one in tree), 10, "the end of the tree")  # noqa: B023 - called now
            eventually(lambda: set(circus.pids("tree")) - {owner.pid}, 10, "its successor")  # noqa: B023 - called now


def below(owner: psutil.Process, count: int) -> list[psutil.Process]:
    """So many descendants, or none yet."""
    tree: list[psutil.Process] = owner.children(recursive=True)
    return tree if len(tree) == count else []


def test_a_daemon_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """A helper that forked itself away (as Chromium's crash handler does) belongs to its owner while that lives."""
    text = (
        "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        print(f'daemon {os.getpid()}\\n', end='', flush=True)\n        signal.pause()\n    os._exit(0)\n"
        "os.wait()\nprint('up', flush=True)\nsignal.pause()\n"
    )
    with circusd(tmp_path, watcher("owner", program(tmp_path, "owner", text))) as circus:
        circus.wait_for_line("owner-out", "up")
        said = eventually(lambda: re.search(r"daemon (\d+)\n", circus.log("owner-out")), 20, "the daemon's pid")
        assert said
        daemon = psutil.Process(int(said[1]))
        assert daemon.ppid() == circus.pid
        circus.call("signal", name="owner", signum=int(signal.SIGWINCH))
        # Any death makes circusd look for strays.
        psutil.Process(circus.pid).children()[0].send_signal(signal.SIGCHLD)
        circus.call("status")
        assert lives(daemon)
        psutil.Process(circus.pids("owner")[0]).kill()
        eventually(lambda: not lives(daemon), 5, "the daemon's end")


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.alone
def test_crash_loops_leave_the_machine_to_others(tmp_path: Path) -> None:
    """Two loops without any delay of their own: a third process comes back at once when it is killed."""
    crasher, sleeper = program(tmp_path, "crasher", CRASHER), program(tmp_path, "sleeper", SLEEPER)
    forever = "max_restarts = 1000\nnumprocesses = 3"
    ini = watcher("one", crasher, forever) + watcher("two", crasher, forever) + watcher("calm", sleeper)
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("calm-out", "up")
        circus.wait_for_event("two", "ended", 4)
        began_at = time.monotonic()
        before = sum(len(circus.events(name, "started")) for name in ("one", "two"))
        for times in range(2, 4):
            eventually(lambda: (circus.rows("calm")[0]["uptime_s"] or 0) > 1.1, 10, "it to be stable")
            killed_at = time.monotonic()
            psutil.Process(circus.pids("calm")[0]).kill()
            circus.wait_for_line("calm-out", "up", times)
            assert time.monotonic() - killed_at < 1
        eventually(lambda: time.monotonic() - began_at > 6, 10, "six seconds of crash loops")
        started = sum(len(circus.events(name, "started")) for name in ("one", "two")) - before
        # A burst of five, then a start every four seconds, for each processor.
        assert started <= (os.cpu_count() or 1) * (5 + (time.monotonic() - began_at) * 0.25) + 1

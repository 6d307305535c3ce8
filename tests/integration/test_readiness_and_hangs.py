"""Readiness, rolling reloads that stop at a bad version, hangs, and what else replaces processes in turn."""

from __future__ import annotations

import signal
import time
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.fixtures.circusd import SLEEPER, Circus, circusd, program, watcher
from tests.fixtures.eventually import eventually
from tests.fixtures.services import free_port

#: Begun with the first test, and asked by the last one, about a minute later.
pytestmark = pytest.mark.usefixtures("clockwork")

#: Answers /ready and /live on a Unix socket of its own, and anything on the inherited one; `mood` says how.
SERVER = """
import os, signal, socket, sys, threading, time, faulthandler
faulthandler.enable()
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
wid, fd = sys.argv[1], int(sys.argv[2])
mood = open("mood").read().strip() if os.path.exists("mood") else "good"
if mood == "crash":
    sys.exit("a bad version")
def answer(listening, of_all):
    while True:
        connection, _ = listening.accept()
        request = connection.recv(1000)
        if b"/hang" in request:
            hang_here.set()
        if stuck.is_set() and not of_all:
            continue
        status = b"503 no" if b"/ready" in request and mood == "unready" else b"200 OK"
        body = str(os.getpid()).encode()
        connection.sendall(b"HTTP/1.0 " + status + b"\\r\\nConnection: close\\r\\n\\r\\n" + body)
        connection.close()
hang_here, stuck = threading.Event(), threading.Event()
path = f"var/run/health-{wid}.sock"
if os.path.exists(path):
    os.remove(path)
own = socket.socket(socket.AF_UNIX)
own.bind(path)
own.listen()
shared = socket.socket(fileno=fd)
shared.setblocking(True)
threading.Thread(target=answer, args=(own, False), daemon=True).start()
threading.Thread(target=answer, args=(shared, True), daemon=True).start()
print("up", mood, flush=True)
def the_function_that_hangs():
    stuck.set()
    while True:
        time.sleep(1000)
hang_here.wait()
the_function_that_hangs()
"""

READY = "wait_ready = unix:health-$(circus.wid).sock:/ready\nlisten_timeout = 5s"
LIVE = "live = unix:health-$(circus.wid).sock:/live\nhang_timeout = 2s"


class Service:
    """The program above under a circusd, on one socket."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder = folder
        self.port = free_port()
        server = program(folder, "server", SERVER)
        command = f"{server} $(circus.wid) $(circus.sockets.web)"
        self.ini = f"[socket:web]\nhost = 127.0.0.1\nport = {self.port}\nblocking = True\n\n"
        self.ini += watcher("web", command, f"use_sockets = True\n{options}")

    def mood(self, word: str) -> None:
        (self.folder / "mood").write_text(word)

    def get(self, path: str = "/") -> str:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()


def online(circus: Circus, count: int) -> bool:
    return [row["state"] for row in circus.rows("web")] == ["online"] * count


def test_a_reload_replaces_one_after_another_each_when_its_successor_is_ready(tmp_path: Path) -> None:
    service = Service(tmp_path, f"numprocesses = 2\n{READY}")
    with circusd(tmp_path, service.ini) as circus:
        eventually(lambda: online(circus, 2), 15, "two that are ready")
        before = circus.pids("web")
        circus.do("reload", "web")
        after = circus.pids("web")
        assert len(after) == 2
        assert not set(before) & set(after)
        order = []
        for event in ("started", "ready", "ended"):
            order += [(one["at"], event, one["pid"]) for one in circus.events("web", event)]
        new = [(event, pid) for _, event, pid in sorted(order) if event == "ended" or pid in after]
        assert [event for event, _ in new] == ["started", "ready", "ended"] * 2


@pytest.mark.parametrize(
    ("mood", "says"), [("crash", "ended before it was ready"), ("unready", "not ready within 5 s")]
)
def test_a_version_that_never_gets_ready_stops_the_roll_and_the_old_ones_serve_on(
    tmp_path: Path, mood: str, says: str
) -> None:
    service = Service(tmp_path, f"numprocesses = 2\n{READY}")
    with circusd(tmp_path, service.ini) as circus:
        eventually(lambda: online(circus, 2), 15, "two that are ready")
        before = circus.pids("web")
        service.mood(mood)
        answer = circus.call("reload", 30, name="web", waiting=True)
        assert answer["status"] == "error"
        assert "the old processes go on" in answer["reason"]
        assert says in answer["reason"]
        assert circus.pids("web") == before
        assert int(service.get()) in before
        assert says in circus.wait_for_event("web", "reload failed")["data"]["reason"]
        service.mood("good")
        circus.do("reload", "web")
        assert not set(before) & set(circus.pids("web"))


def test_a_process_that_is_not_ready_in_time_is_shown_and_left_alone(tmp_path: Path) -> None:
    """It may wait for a database that is away: killing it would only make a storm of restarts."""
    service = Service(tmp_path, READY.replace("5s", "1s"))
    service.mood("unready")
    with circusd(tmp_path, service.ini) as circus:
        event = circus.wait_for_event("web", "not ready")
        assert event["severity"] == "warning"
        assert [row["state"] for row in circus.rows("web")] == ["starting"]
        assert len(circus.events("web", "started")) == 1
        answer = circus.call("start", 20, name="web", waiting=True)
        assert answer["status"] == "error"
        assert "not ready within 1 s" in answer["reason"]


def test_a_stop_interrupts_a_reload_that_waits(tmp_path: Path) -> None:
    service = Service(tmp_path, READY.replace("5s", "60s"))
    with circusd(tmp_path, service.ini) as circus:
        eventually(lambda: online(circus, 1), 15, "one that is ready")
        service.mood("unready")
        circus.call("reload", name="web")
        eventually(lambda: len(circus.pids("web")) == 2, 10, "the candidate")
        circus.do("stop", "web")
        assert circus.pids("web") == []
        service.mood("good")
        circus.do("start", "web")
        circus.child.send_signal(signal.SIGTERM)
        assert circus.child.wait(10) == 0


def test_a_process_that_hangs_shows_where_and_is_replaced_alone(tmp_path: Path) -> None:
    service = Service(tmp_path, f"numprocesses = 2\n{READY}\n{LIVE}")
    with circusd(tmp_path, service.ini) as circus:
        eventually(lambda: online(circus, 2), 15, "two that are ready")
        victim = int(service.get("/hang"))
        [other] = set(circus.pids("web")) - {victim}
        hung_at = time.monotonic()
        event = circus.wait_for_event("web", "ended")
        assert 1.5 <= time.monotonic() - hung_at < 10
        assert (event["pid"], event["data"]["cause"]) == (victim, "hung")
        assert "no answer from" in event["data"]["reason"]
        circus.wait_for_line("web-error", "in the_function_that_hangs")
        eventually(lambda: online(circus, 2), 15, "its successor")
        assert other in circus.pids("web")


def test_a_stopped_process_counts_as_hung(tmp_path: Path) -> None:
    service = Service(tmp_path, f"{READY}\n{LIVE}")
    with circusd(tmp_path, service.ini) as circus:
        eventually(lambda: online(circus, 1), 15, "one that is ready")
        [victim] = circus.pids("web")
        eventually(lambda: service.get(), 5, "an answer")
        psutil.Process(victim).suspend()
        assert circus.wait_for_event("web", "ended")["pid"] == victim
        eventually(lambda: online(circus, 1) and circus.pids("web") != [victim], 15, "its successor")


def test_a_singleton_is_never_there_twice(tmp_path: Path) -> None:
    text = (
        "import fcntl, os, signal, time\nfile = open('only-one', 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "signal.signal(signal.SIGTERM, lambda *_: time.sleep(0.5) or os._exit(0))\nprint('up', flush=True)\n"
        "while True: signal.pause()\n"
    )
    with circusd(tmp_path, watcher("alone", program(tmp_path, "alone", text), "singleton = True")) as circus:
        circus.wait_for_line("alone-out", "up")
        circus.do("reload", "alone")
        circus.do("restart", "alone")
        circus.child.send_signal(signal.SIGHUP)  # reloads everything
        circus.wait_for_line("alone-out", "up", 4)
        assert circus.log("alone-error") == ""
        assert len(circus.events("alone", "ended")) == 3


def test_processes_are_replaced_at_their_age_one_at_a_time(tmp_path: Path) -> None:
    ini = watcher("old", program(tmp_path, "old", SLEEPER), "numprocesses = 3\nmax_age = 1\nmax_age_variance = 1")
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("old-out", "up", 3)
        first = set(circus.pids("old"))
        seen = []

        def all_replaced() -> bool:
            pids = circus.pids("old")
            seen.append(len(pids))
            return not first & set(pids)

        eventually(all_replaced, 20, "new ones")
        assert min(seen) >= 3
        assert max(seen) <= 4
        reasons = {event["data"]["reason"] for event in circus.events("old", "ended")}
        assert all("max_age of 1 s" in reason for reason in reasons)


def test_changed_files_reload(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    options = f"watch = {tmp_path / 'code'}\nignore_watch = .*\\.tmp$"
    with circusd(tmp_path, watcher("files", sleeper, options)) as circus:
        circus.wait_for_line("files-out", "up")
        [before] = circus.pids("files")
        eventually(lambda: changed(tmp_path / "code/a.tmp", tmp_path / "code/app.py", circus, before), 20, "a reload")
        assert all("app.py" in event["data"]["reason"] for event in circus.events("files", "reload"))


def changed(ignored: Path, path: Path, circus: Circus, before: int) -> bool:
    """Touches files until the watcher, which begins to look some time after its start, has noticed."""
    ignored.write_text(str(time.monotonic()))
    path.write_text(str(time.monotonic()))
    return circus.pids("files") not in ([before], []) and len(circus.pids("files")) == 1


def test_a_watcher_runs_while_its_file_exists_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    ini = watcher("lazy", sleeper, "start_while = wanted/lazy") + watcher("other", sleeper, "start_while = wanted/lazy")
    with circusd(tmp_path, ini, check_delay_s=0.5) as circus:
        wanted = tmp_path / "var/run/wanted/lazy"
        wanted.parent.mkdir()
        assert circus.state("lazy") == "stopped"
        circus.do("stop", "lazy")
        wanted.touch()
        eventually(lambda: circus.state("other") == "active", 5, "the one that nobody stopped")
        assert circus.state("lazy") == "stopped"
        circus.do("start", "lazy")
        wanted.unlink()
        eventually(lambda: (circus.state("lazy"), circus.state("other")) == ("stopped", "stopped"), 5, "both stopped")
        circus.do("start", "lazy")
        wanted.touch()
        eventually(lambda: circus.state("other") == "active", 5, "a look")
        assert circus.state("lazy") == "active"
        wanted.unlink()
        eventually(lambda: circus.state("other") == "stopped", 5, "a look")


def test_scale_and_stopped_states_are_kept_over_a_restart_once_saved(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    ini = watcher("scaled", sleeper) + watcher("stopped", sleeper) + watcher("plain", sleeper)
    with circusd(tmp_path, ini) as circus:
        circus.do("incr", "scaled", nb=2)
        circus.do("stop", "stopped")
        assert circus.call("save")["saved"]["scaled"] == {"numprocesses": 3, "stopped": False}
        circus.do("decr", "scaled", nb=2)
        circus.do("start", "stopped")
        assert circus.call("resurrect", 30, waiting=True)["resurrected"] == ["plain", "scaled", "stopped"]
        assert len(circus.pids("scaled")) == 3
        assert circus.state("stopped") == "stopped"
        psutil.Process(circus.pid).kill()
        circus.child.wait(20)
    with circusd(tmp_path, ini) as circus:
        eventually(lambda: len(circus.pids("scaled")) == 3, 10, "the saved scale")
        assert circus.state("stopped") == "stopped"
        assert circus.state("plain") == "active"
        circus.call("save", forget=True)
        assert not (tmp_path / "var/supervisor.json").exists()


def test_a_policy_that_cannot_be_obeyed_stops_the_start_and_names_itself(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    ini = watcher("one", sleeper, "restart_delay = 5") + watcher("two", sleeper, "max_memory_restrat = 1G")
    with circusd(tmp_path, ini) as circus:
        assert circus.child.wait(20) == 1
        said = (tmp_path / "output.log").read_text()
        assert "[watcher:one] restart_delay = 5: wants a number with its unit" in said
        assert "[watcher:two] max_memory_restrat: no such option; did you mean max_memory_restart?" in said
        assert not (tmp_path / "var/run/circus.sock").exists()


@pytest.mark.alone
def test_two_crash_loops_leave_a_third_watchers_latency_as_it_was(tmp_path: Path) -> None:
    service = Service(tmp_path, READY)
    crasher = program(tmp_path, "crasher", "raise SystemExit(3)\n")
    loops = "numprocesses = 2\nmax_restarts = 100000\nautostart = False"
    ini = service.ini + watcher("one", crasher, loops) + watcher("two", crasher, loops)
    with circusd(tmp_path, ini) as circus:
        eventually(lambda: online(circus, 1), 15, "the one that serves")
        before_s = median_latency_s(service)
        for name in ("one", "two"):
            circus.call("start", name=name)
        circus.wait_for_event("two", "ended", 8)
        during_s = median_latency_s(service)
        assert circus.state("one") in ("active", "waiting restart")
        # Two milliseconds for the machine: a request here takes less than one.
        assert during_s < 2 * before_s + 0.002, (before_s, during_s)


def median_latency_s(service: Service) -> float:
    """Of requests over some seconds, a start of each crash loop within them."""
    seconds = []
    until = time.monotonic() + 2
    while time.monotonic() < until:
        began_at = time.monotonic()
        service.get()
        seconds.append(time.monotonic() - began_at)
    return sorted(seconds)[len(seconds) // 2]


def test_a_full_minute_reloads_what_says_so(clockwork: Circus) -> None:
    reload = clockwork.wait_for_event("clock", "reload", deadline_s=70)
    assert "cron_restart" in reload["data"]["reason"]
    assert reload["at"][17:19] in ("00", "01"), "at the begin of a minute"
    ended = clockwork.wait_for_event("clock", "ended")
    assert ended["data"]["cause"] == "replaced"
    assert len(clockwork.pids("clock")) == 1

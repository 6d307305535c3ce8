"""However circusd dies, nothing that it started lives on: no process, no port, no lock; and the next start serves."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from circus.client import CircusClient

from tests.fixtures.eventually import eventually
from tests.fixtures.services import end, family_of, free_port, gone

#: Graceful ends and SIGKILL of the rest after five seconds, on a loaded machine.
ALL_GONE_S = 9.0
#: What obeys SIGTERM is gone long before that.
SOON_S = 1.8
UP_S = 20.0

#: One program that does what its first argument says; its notes are files that hold its pid.
CHILD = """
import os, signal, socket, subprocess, sys, time

kind = sys.argv[1]

def note(word):
    with open(f"{kind}.{word}.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{kind}.{word}.new", f"{kind}.{word}")

def at(number, act):
    signal.signal(number, lambda *_: act())

def finish():
    time.sleep(0.7)
    if not os.path.exists("database.up") or not os.path.exists("database.ended"):
        note("finished")
    os._exit(0)

def overwrite_environment():  # as Valkey and nginx do with their title
    with open("/proc/self/stat") as stat, open("/proc/self/mem", "r+b", 0) as memory:
        begin, end = stat.read().split()[49:51]
        memory.seek(int(begin))
        memory.write(bytes(int(end) - int(begin)))

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    if kind == "stubborn" or (kind, number) == ("patient", signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
if kind == "graceful":
    at(signal.SIGTERM, finish)
if kind == "database":
    overwrite_environment()
    at(signal.SIGTERM, lambda: (note("ended"), os._exit(0)))
if kind == "patient":
    at(signal.SIGINT, lambda: (note("interrupted"), os._exit(0)))
if kind == "parent":  # its child has a session and an environment of its own
    subprocess.Popen([sys.executable, __file__, "grandchild"], start_new_session=True, env={})
if kind == "listening":
    listener = socket.socket(fileno=int(sys.argv[2]))
    listener.setblocking(True)
note("up")
while True:
    if kind == "printing":
        print("still here", flush=True)
        time.sleep(0.02)
    elif kind == "listening":
        connection, _ = listener.accept()
        connection.sendall(str(os.getpid()).encode())
        connection.close()
    else:
        signal.pause()
"""

CIRCUS = """
[circus]
endpoint = ipc://var/run/circus.sock
pubsub_endpoint = ipc://var/run/circus-events.sock
multicast_endpoint =
pidfile = var/run/circusd.pid
check_delay = 30
"""


class Home:
    """A folder with a configuration, and what its processes noted."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        self.folder = folder
        self.kinds = kinds
        self.port = free_port()
        (folder / "child.py").write_text(CHILD)
        ini = CIRCUS
        for kind in kinds:
            ini += f"[watcher:{kind}]\ncopy_env = True\ngraceful_timeout = 3\n"
            if kind == "database":
                ini += "priority = 100\n"
            if kind == "listening":
                ini += "use_sockets = True\ncmd = python child.py listening $(circus.sockets.web)\n"
                ini += f"[socket:web]\nhost = 127.0.0.1\nport = {self.port}\n"
            else:
                ini += f"cmd = python child.py {kind}\n"
        (folder / "circus.ini").write_text(ini)

    def start(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output.log").open("ab") as output:
            command = [sys.executable, "-m", "bisnes_supervisor.circusd", "circus.ini", *options]
            variables = os.environ | environment
            return subprocess.Popen(command, cwd=self.folder, env=variables, stdout=output, stderr=output)

    @contextmanager
    def running(self, *options: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        child = self.start(*options, **environment)
        try:
            self.wait_until_up()
            yield child
        finally:
            end(child)

    @property
    def output(self) -> str:
        return (self.folder / "output.log").read_text()

    def note(self, name: str) -> Path:
        return self.folder / name

    def wait_until_up(self) -> None:
        kinds = [*self.kinds, *(["grandchild"] if "parent" in self.kinds else [])]
        eventually(lambda: all(self.pid_of(kind) for kind in kinds), UP_S, "all processes to be up")

    def pid_of(self, kind: str) -> int:
        """Of the living process of that kind, 0 if there is none."""
        try:
            pid = int(self.note(f"{kind}.up").read_text())
        except FileNotFoundError:
            return 0
        return pid if alive([psutil.Process(pid)] if psutil.pid_exists(pid) else []) else 0

    def process(self, kind: str) -> psutil.Process:
        return psutil.Process(self.pid_of(kind))

    @property
    def circusd(self) -> psutil.Process:
        return psutil.Process(int((self.folder / "var/run/circusd.pid").read_text()))

    def answer(self) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            return connection.recv(100).decode()

    def status(self) -> str:
        client = CircusClient(endpoint=f"ipc://{self.folder}/var/run/circus.sock", timeout=5)
        try:
            return str(client.call({"command": "status", "properties": {}})["status"])
        finally:
            client.stop()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_nothing_of_a_killed_circusd_is_left_and_the_next_one_serves_at_once(tmp_path: Path) -> None:
    kinds = ("silent", "printing", "stubborn", "graceful", "patient", "parent", "listening")
    home = Home(tmp_path, *kinds)
    with home.running() as first:
        family = family_of(first.pid)
        assert home.process("grandchild") in family
        obedient = [
            process for process in family if process.pid not in {home.pid_of("stubborn"), home.pid_of("patient")}
        ]
        home.circusd.kill()
        assert gone([process for process in obedient if process.pid != first.pid], SOON_S) == []
        assert home.note("graceful.finished").exists(), "a process may finish what it does"
        assert gone(family, ALL_GONE_S) == []
        assert home.note("patient.interrupted").exists(), "PostgreSQL that waits for its clients stops in order, too"
        assert first.wait(5) == 128 + signal.SIGKILL
    with home.running():
        assert home.answer() == str(home.pid_of("listening"))
        assert home.status() == "ok"


def test_when_the_warden_is_killed_circusd_stops_everything_in_order(tmp_path: Path) -> None:
    home = Home(tmp_path, "silent", "graceful", "parent", "listening")
    with home.running() as warden:
        family = family_of(warden.pid)
        warden.kill()
        assert gone(family, ALL_GONE_S) == []
        assert home.note("graceful.finished").exists()
        assert not (tmp_path / "var/run/circusd.pid").exists(), "as after every orderly stop"


def test_what_a_killed_circusd_leaves_ends_in_order_of_priority_so_that_workers_can_finish(tmp_path: Path) -> None:
    home = Home(tmp_path, "graceful", "database", "silent")
    with home.running() as warden:
        family = family_of(warden.pid)
        home.circusd.kill()
        assert gone(family, SOON_S) == []
        assert home.note("graceful.finished").exists(), "before the database ended"
        assert home.note("database.ended").exists()


def test_the_next_start_ends_what_is_left_when_both_were_killed(tmp_path: Path) -> None:
    home = Home(tmp_path, "silent", "graceful", "database", "parent", "listening")
    with home.running() as warden:
        family = [process for process in family_of(warden.pid) if process.pid not in (warden.pid, home.circusd.pid)]
        circusd = home.circusd
        warden.send_signal(signal.SIGSTOP)  # it does not see circusd's end before its own
        circusd.kill()
        warden.kill()
        assert gone([circusd], 5) == []
        assert warden.wait(5) == -signal.SIGKILL
    assert home.answer() == str(home.pid_of("listening")), "orphans serve"
    assert len(alive(family)) == len(family)
    with_another_mark = {"SUPERVISED_BY": f"{tmp_path}/var/run/circusd.pid@0:1"}
    bystander = subprocess.Popen(
        [sys.executable, "child.py", "other"], cwd=tmp_path, env=os.environ | with_another_mark
    )
    try:
        second = home.start()
        assert gone(family, ALL_GONE_S) == []
        home.wait_until_up()
        assert home.answer() == str(home.pid_of("listening"))
        assert home.note("graceful.finished").exists()
        assert "ending what an earlier circusd left behind" in home.output
        assert bystander.poll() is None
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
    finally:
        bystander.kill()
        bystander.wait(5)
        end(second)


def test_of_several_starts_at_once_one_runs_and_the_others_say_so_and_end_nobody(tmp_path: Path) -> None:
    home = Home(tmp_path, "silent")
    starts = [home.start() for _ in range(3)]
    try:
        eventually(lambda: [start.poll() for start in starts].count(1) == 2, UP_S, "two to give up")
        home.wait_until_up()
        chosen = next(start for start in starts if start.poll() is None)
        family = family_of(chosen.pid)
        assert home.start().wait(10) == 1
        refusal = "^A circusd runs this configuration already: it holds .*circusd.pid.lock.$"
        assert len(re.findall(refusal, home.output, re.MULTILINE)) == 3
        assert "Traceback" not in home.output
        assert family_of(chosen.pid) == family
        assert home.status() == "ok"
        chosen.send_signal(signal.SIGTERM)
        assert chosen.wait(10) == 0
    finally:
        for start in starts:
            end(start)


def test_a_pid_file_from_before_a_reboot_stops_nobody_but_that_of_a_plain_circusd_does(tmp_path: Path) -> None:
    home = Home(tmp_path, "silent")
    pid_file = tmp_path / "var/run/circusd.pid"
    pid_file.parent.mkdir(parents=True, mode=0o700)
    pid_file.write_text(f"{os.getpid()}\n")
    os.utime(pid_file, (1e9, 1e9))  # written before the process that has its number now was started
    with home.running() as child:
        assert home.circusd.ppid() == child.pid
    pid_file.write_text(f"{os.getpid()}\n")
    assert home.start().wait(10) == 1
    assert f"A circusd runs this configuration already: pid {os.getpid()} in {pid_file}.\n" in home.output


def test_ctrl_c_reaches_warden_and_circusd_and_they_stop_once_and_in_order(tmp_path: Path) -> None:
    home = Home(tmp_path, "graceful", "silent")
    terminal, its_end = os.openpty()
    command = [sys.executable, "-m", "bisnes_supervisor.circusd", "circus.ini"]
    child = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, preexec_fn=lambda: os.login_tty(its_end))
    try:
        os.close(its_end)
        home.wait_until_up()
        family = family_of(child.pid)
        os.write(terminal, b"\x03\x03")
        assert child.wait(ALL_GONE_S) == 0
        assert gone(family, 1) == []
        assert home.note("graceful.finished").exists()
    finally:
        os.close(terminal)
        end(child)


def test_requests_to_stop_that_come_again_and_again_disturb_no_stop(tmp_path: Path) -> None:
    home = Home(tmp_path, "graceful")
    with home.running() as warden:
        family = family_of(warden.pid)

        def ended() -> bool:
            if warden.poll() is None:
                warden.send_signal(signal.SIGTERM)
            return warden.poll() is not None

        eventually(ended, ALL_GONE_S, "its end")
        assert warden.returncode == 0
        assert gone(family, 0) == []
        assert home.note("graceful.finished").exists()


def test_in_the_background_it_has_its_warden_too(tmp_path: Path) -> None:
    home = Home(tmp_path, "silent", "parent")
    assert home.start("--daemon").wait(10) == 0
    home.wait_until_up()
    eventually((tmp_path / "var/run/circusd.pid").exists, UP_S, "the pid file")
    warden = home.circusd.parent()
    assert warden is not None
    try:
        family = family_of(warden.pid)
        assert home.process("silent") in family
        assert os.getsid(warden.pid) not in (os.getsid(0), warden.pid)
        home.circusd.kill()
        assert gone(family, ALL_GONE_S) == []
    finally:
        for process in alive(family_of(warden.pid)):
            process.kill()


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--nonsense"], 2), (["absent.ini"], 1)])
def test_it_exits_as_circusd_does(tmp_path: Path, arguments: list[str], code: int) -> None:
    command = [sys.executable, "-m", "bisnes_supervisor.circusd", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=20, check=False)
    assert done.returncode == code


class Manager:
    """The half of systemd that a service speaks to."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(b"\0bisnes-test-%d" % os.getpid())
        self._socket.setblocking(False)
        self.said: list[str] = []

    def close(self) -> None:
        self._socket.close()

    def environment(self, watchdog_s: float) -> dict[str, str]:
        name = self._socket.getsockname()[1:].decode()
        return {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(watchdog_s * 1e6)), "WATCHDOG_PID": "1"}

    def heard(self, word: str) -> int:
        while True:
            try:
                self.said += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.said.count(word)


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.close()


def test_systemd_hears_that_it_is_ready_and_alive_and_a_restart_serves_again_in_time(
    tmp_path: Path, manager: Manager
) -> None:
    home = Home(tmp_path, "silent", "parent", "listening", "stubborn")
    environment = manager.environment(watchdog_s=0.4)
    with home.running(**environment) as first:
        eventually(lambda: manager.heard("READY=1"), 5, "READY")
        eventually(lambda: manager.heard("WATCHDOG=1") >= 3, 5, "signs of life")
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & home.process("silent").environ().keys()
        family = family_of(first.pid)
        home.circusd.kill()
        killed_at = time.monotonic()
        first.wait(ALL_GONE_S)
        assert alive(family) == []
    with home.running(**environment) as second:
        eventually(lambda: manager.heard("READY=1") == 2, 5, "READY again")
        assert home.answer() == str(home.pid_of("listening"))
        assert time.monotonic() - killed_at + 1 < 10, "Restart=always waits for a second, too"
        home.process("stubborn").kill()
        second.send_signal(signal.SIGTERM)
        eventually(lambda: manager.heard("STOPPING=1"), 5, "STOPPING")
        assert second.wait(10) == 0
        assert manager.said.count("STOPPING=1") == 1


@pytest.mark.parametrize("frozen", [False, True])
def test_the_watchdogs_signal_ends_a_circusd_that_hangs_and_the_rest_gracefully(
    tmp_path: Path, *, frozen: bool
) -> None:
    home = Home(tmp_path, "graceful", "silent")
    with home.running() as warden:
        family = family_of(warden.pid)
        if frozen:
            home.circusd.suspend()
        warden.send_signal(signal.SIGABRT)
        assert warden.wait(ALL_GONE_S) == 128 + (signal.SIGKILL if frozen else signal.SIGABRT)
        assert alive(family) == []
        assert home.note("graceful.finished").exists()
        assert frozen or "Fatal Python error: Aborted" in home.output

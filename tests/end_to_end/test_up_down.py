"""`bisnes up` starts everything, says so, and leaves nothing behind; a second run is quick and keeps the data."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import PORTS
from tests.fixtures.services import end, family_of, free_port, gone

READY_S = 90.0
STOP_S = 60.0


@dataclass
class Up:
    """A `bisnes up` with what it printed."""

    home: Path
    child: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return (self.home / "up.log").read_text()

    def wait_until_ready(self) -> None:
        eventually(lambda: "\nready after" in self.output or self.child.poll() is not None, READY_S, self.output)
        assert self.child.poll() is None, self.output

    def line(self, word: str) -> str:
        found = re.search(rf"^{word} +(.+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]

    def stop(self, number: signal.Signals) -> None:
        family = family_of(self.child.pid)
        self.child.send_signal(number)
        assert gone(family, STOP_S) == [], self.output
        self.child.wait(5)


@contextmanager
def up(home: Path, *options: str, ports: bool = True) -> Iterator[Up]:
    variables = {name: str(free_port()) for name in PORTS} if ports else {}
    variables |= {"BISNES_HOME": str(home), "BISNES_RUN_DIR": str(home / "run")}
    with (home / "up.log").open("wb") as log:
        command = [sys.executable, "-m", "bisnes_cli", "up", *options]
        child = subprocess.Popen(
            command, cwd=home, env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield Up(home, child)
    finally:
        end(child)


def bisnes(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"BISNES_HOME": str(home), "BISNES_RUN_DIR": str(home / "run")} | variables
    return subprocess.run(
        [sys.executable, "-m", "bisnes_cli", *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_curl(line: str) -> tuple[int, Any]:
    """Does what a printed curl line says; a fresh machine may have no curl."""
    words = shlex.split(line)
    assert words.pop(0) == "curl"
    method, headers, body, url = "GET", {}, None, ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0)
        else:
            url = word
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        connection.request(method, place.path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def delivered(read_line: str, old_id: str, message_id: str) -> bool:
    status, message = run_curl(read_line.replace(old_id, message_id))
    return status == 200 and message["status"] == "delivered"


def last_part(read_line: str) -> str:
    return urlsplit(shlex.split(read_line)[1]).path.rpartition("/")[2]


def test_a_demo_prints_lines_that_work_and_a_second_run_is_quick_and_keeps_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with up(tmp_path, "--demo") as first:
        first.wait_until_ready()
        assert re.search(r"^  meta +port \d+ +pid \d+, \d+$", first.output, re.MULTILINE), first.output
        assert re.search(r"^  loopback +port \d+ +pid \d+$", first.output, re.MULTILINE), first.output
        key, read = first.line("key"), first.line("read")
        status, sent = run_curl(first.line("send"))
        assert status == 202
        sent_at = time.monotonic()
        eventually(lambda: delivered(read, last_part(read), sent["messageId"]), 10, "the printed line's message")
        assert time.monotonic() - sent_at < 2.0
        command = shlex.split(first.line("look"))
        assert "graph: active" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert (tmp_path / "var/demo.json").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "var/secrets.env").stat().st_mode & 0o777 == 0o600
        first.stop(signal.SIGINT)
        assert first.child.returncode == 0
        assert "stopped" in first.output
    # How quick a run is, is promised of the product, not of the product under a coverage tracer.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    began_at = time.monotonic()
    with up(tmp_path, "--demo") as second:
        second.wait_until_ready()
        assert time.monotonic() - began_at < 10
        assert second.line("key") == key
        read = second.line("read")
        assert delivered(read, last_part(read), sent["messageId"]), "the first run's message"
        second.stop(signal.SIGTERM)


def test_the_demos_phone_on_whatsapp_web_shows_its_qr_and_is_paired_by_the_telephone(tmp_path: Path) -> None:
    with up(tmp_path, "--demo") as first:
        first.wait_until_ready()
        picture = eventually(lambda: picture_at(first.line("qr")), 30, "a QR")
        assert picture is not None
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 200
        scanned = bisnes(tmp_path, "demo", "scan")
        assert scanned.returncode == 0, scanned.stderr
        assert "is ready" in scanned.stdout
        send = first.line("send").replace('"Hello"', '"Hello", "phoneIndex": 2')
        status, sent = run_curl(send)
        assert status == 202
        read = first.line("read")
        eventually(lambda: delivered(read, last_part(read), sent["messageId"]), 20, "the message on WhatsApp Web")
        first.stop(signal.SIGINT)
    with up(tmp_path, "--demo") as second:
        second.wait_until_ready()
        again = bisnes(tmp_path, "demo", "scan")
        assert (again.returncode, "scanned" in again.stdout) == (0, False), "the login outlived the restart"
        second.stop(signal.SIGINT)


def picture_at(line: str) -> bytes | None:
    """What a printed curl line with `-o` would write into its file."""
    words = shlex.split(line)
    url = next(word for word in words if word.startswith("http"))
    name, _, value = words[words.index("-H") + 1].partition(": ")
    answer = httpx.get(url, headers={name: value}, timeout=20)
    return answer.content if answer.status_code == 200 else None


def test_two_demos_run_side_by_side(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    with up(homes[0], "--demo", ports=False) as one:
        one.wait_until_ready()
        with up(homes[1], "--demo", ports=False) as two:
            two.wait_until_ready()
            assert "is in use: taking" in two.output
            for demo in (one, two):
                status, sent = run_curl(demo.line("send"))
                assert status == 202
                read = demo.line("read")
                eventually(lambda: delivered(read, last_part(read), sent["messageId"]), 15, "both deliver")  # noqa: B023 - called now
            two.stop(signal.SIGINT)
        one.stop(signal.SIGINT)


@pytest.mark.parametrize("stage", ["circusd.pid", ".s.PGSQL.5432"])
def test_a_stop_in_the_middle_of_the_start_leaves_nothing(tmp_path: Path, stage: str) -> None:
    with up(tmp_path) as starting:
        place = tmp_path / "run" / stage
        eventually(lambda: place.is_symlink() or place.exists(), 30, stage)
        starting.stop(signal.SIGTERM)
        assert starting.child.returncode == 0, starting.output


def test_a_killed_command_takes_its_gateway_along(tmp_path: Path) -> None:
    with up(tmp_path) as killed:
        killed.wait_until_ready()
        family = family_of(killed.child.pid)
        killed.child.kill()
        assert gone(family, STOP_S) == []


def test_a_killed_circusd_leaves_no_orphan_and_the_command_says_so(tmp_path: Path) -> None:
    with up(tmp_path) as orphaned:
        orphaned.wait_until_ready()
        family = family_of(orphaned.child.pid)
        circusd = int((tmp_path / "run/circusd.pid").read_text())
        psutil.Process(circusd).kill()
        assert gone(family, STOP_S) == []
        assert orphaned.child.wait(5) == 1
        assert "circusd ended" in orphaned.output


def test_detached_it_is_looked_at_and_stopped_by_commands(tmp_path: Path) -> None:
    ports = {name: str(free_port()) for name in PORTS}
    assert bisnes(tmp_path, "status").returncode == 4
    started = bisnes(tmp_path, "up", "--detach", **ports)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        status = json.loads(bisnes(tmp_path, "status", "--json").stdout)
        states = {row["process"]: (row["state"], bool(row["pid"])) for row in status["processes"]}
        assert {states[name] for name in ("api", "relay", "events")} == {("online", True)}
        assert {states[name] for name in ("meta", "loopback")} == {("stopped", False)}, "no phone, no channel"
        family = family_of(status["circusd"])
        again = bisnes(tmp_path, "up", **ports)
        assert again.returncode == 3
        assert "already runs" in again.stderr
        assert "2 wanted" in bisnes(tmp_path, "scale", "loopback", "2").stdout
        for command in ("restart", "reload", "stop", "start"):
            done = bisnes(tmp_path, command, "loopback")
            assert done.returncode == 0, done.stderr
        unknown = bisnes(tmp_path, "restart", "nothing")
        assert unknown.returncode == 1
        assert "there are: api" in unknown.stderr
        assert "relay-out | " in bisnes(tmp_path, "logs", "relay").stdout
    finally:
        stopped = bisnes(tmp_path, "down")
    assert stopped.returncode == 0
    assert gone(family, 1) == []
    assert bisnes(tmp_path, "down").returncode == 4


def test_a_taken_port_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        refused = bisnes(tmp_path, "up", BISNES_API_PORT=str(taken.getsockname()[1]))
    assert refused.returncode == 1
    assert "BISNES_API_PORT" in refused.stderr


def test_a_misspelled_setting_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    refused = bisnes(tmp_path, "status", BISNES_API_PROT="3000")
    assert refused.returncode == 2
    assert "did you mean BISNES_API_PORT" in refused.stderr

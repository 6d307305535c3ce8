"""`circusctl` does what it says, and restarting the API costs no request."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import COMPANY, Gateway

#: Requests per second while the API is restarted.
RATE_PER_S = 50


def circusctl(gateway: Gateway, *arguments: str) -> str:
    """The command as an operator types it, once."""
    program = Path(sys.executable).with_name("circusctl")
    done = subprocess.run(
        [program, "--timeout", "60", "--endpoint", gateway.endpoint, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "already running" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_status_list_and_stats_show_every_process(gateway: Gateway) -> None:
    states = dict(line.split(": ") for line in circusctl(gateway, "status").splitlines())
    running = ("api", "events", "loopback", "meta", "postgres", "relay", "valkey")
    assert states == {**dict.fromkeys(running, "active"), "wwebjs": "stopped"}, "it has no phone"
    assert {int(pid) for pid in circusctl(gateway, "list", "meta").split(",")} == set(gateway.pids("meta"))
    stats = circusctl(gateway, "stats")
    for name in running:
        assert f"{name}:" in stats
        assert all(str(pid) in stats for pid in gateway.pids(name))


def test_incr_and_decr_add_and_remove_a_sender(gateway: Gateway) -> None:
    circusctl(gateway, "incr", "meta")
    eventually(lambda: len(gateway.pids("meta")) == 3, 15, "a third sender")
    gateway.wait_for_status(gateway.send("with three"), "delivered")
    circusctl(gateway, "decr", "meta")
    eventually(lambda: len(gateway.pids("meta")) == 2, 30, "two senders")
    gateway.wait_for_status(gateway.send("with two again"), "delivered")


def test_messages_wait_for_a_stopped_channel(gateway: Gateway) -> None:
    circusctl(gateway, "stop", "meta", "--waiting")
    assert circusctl(gateway, "status", "meta").strip() == "stopped"
    message_id = gateway.send("patience")
    through_another = gateway.send("meanwhile", phone=1)
    gateway.wait_for_status(through_another, "sent", "delivered", "read")
    assert gateway.message(message_id)["status"] == "queued"
    circusctl(gateway, "start", "meta", "--waiting")
    gateway.wait_for_status(message_id, "delivered")
    assert len(gateway.pids("meta")) == 2


@pytest.mark.parametrize("command", ["restart", "reload"])
def test_new_api_processes_take_over_without_a_failed_request(gateway: Gateway, command: str) -> None:
    before = set(gateway.pids("api"))
    with _Load(gateway, RATE_PER_S) as load:
        eventually(lambda: load.answered > RATE_PER_S, 20, "a steady load")
        circusctl(gateway, command, "api", "--waiting")
        eventually(lambda: len(pids := set(gateway.pids("api"))) == 2 and not pids & before, 30, "two new ones")
        answered = load.answered
        eventually(lambda: load.answered > answered + RATE_PER_S, 30, "a second of load on the new ones")
    assert load.failures == []


class _Load:
    """Texts posted at a fixed rate, whatever becomes of them, each on a connection of its own."""

    def __init__(self, gateway: Gateway, rate_per_s: float) -> None:
        self._gateway = gateway
        self._pause_s = 1 / rate_per_s
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(200)
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.failures: list[str] = []

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        number = 0
        due_at = time.monotonic()
        while not self._over.wait(max(0.0, due_at - time.monotonic())):
            due_at += self._pause_s
            number += 1
            self._pool.submit(self._post, number).add_done_callback(self._count)

    def _post(self, number: int) -> str:
        place = urlsplit(self._gateway.base_url)
        connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            body = json.dumps({"message": f"load {number}", "phoneIndex": 1})
            headers = {"Authorization": f"Bearer {self._gateway.key}", "Content-Type": "application/json"}
            connection.request("POST", f"/api/v2/messages/text/{COMPANY}/601{number % 50:08}", body, headers)
            response = connection.getresponse()
            answer = response.read().decode()
            return "" if response.status == 202 else f"{response.status} {answer}"
        finally:
            connection.close()

    def _count(self, done: Future[str]) -> None:
        self.answered += 1
        error = done.exception()
        if error is not None:
            self.failures.append(repr(error))
        elif done.result():
            self.failures.append(done.result())

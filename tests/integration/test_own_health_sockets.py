"""Each process answers for itself on a socket of its own, and shows on SIGABRT where it hangs."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.fixtures.api import Api, running_api
from tests.fixtures.eventually import eventually
from tests.fixtures.hanging_channel import HUNG_FILE, NAME, install_hanging_channel
from tests.fixtures.services import end, places_of, running
from tests.fixtures.stores import MakeSender, Stores


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, target: str, timeout_s: float = 2.0) -> tuple[int, Any] | None:
    """Status and body, or None when nobody answers."""
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except OSError:
        return None
    finally:
        connection.close()


def is_private_socket(path: Path) -> bool:
    mode = path.stat().st_mode
    return stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


@contextmanager
def api_with_socket(stores: Stores, **options: Any) -> Iterator[tuple[Api, Path]]:
    """An API process and its socket, which is there."""
    folder = stores.settings.run_dir
    others = set(folder.glob("health-api-*.sock"))
    with running_api(stores.settings, **options) as api:
        [path] = eventually(lambda: set(folder.glob("health-api-*.sock")) - others, 10, "its socket")
        eventually(lambda: ask(path, "/health/live"), 10, "an answer")
        yield api, path


def worker_of(master: int) -> psutil.Process | None:
    """The worker of a gunicorn; None between two."""
    return next(iter(psutil.Process(master).children()), None)


def test_an_api_process_answers_on_its_own_socket_until_its_end(stores: Stores) -> None:
    with api_with_socket(stores) as (api, path):
        assert is_private_socket(path)
        status, body = ask(path, "/health/live") or (0, {})
        assert (status, body["process"]) == (200, "api")
        assert ask(path, "/health/ready") == (200, {"status": "ready"})
        assert api.client.get("/health/ready").status_code == 200, "and the shared one still serves"
        worker = worker_of(api.pids[0])
        assert worker is not None
        worker.kill()
        eventually(lambda: worker_of(api.pids[0]) not in (None, worker), 10, "gunicorn to start another")
        eventually(lambda: ask(path, "/health/ready"), 20, "its successor on the same path")
        assert is_private_socket(path)
    assert not path.exists()


@pytest.mark.parametrize("environment", [{}, {"PYTHONFAULTHANDLER": "1"}], ids=["plain", "as in circus.ini"])
def test_an_api_process_that_hangs_shows_where_on_sigabrt(
    stores: Stores, capfd: pytest.CaptureFixture[str], environment: dict[str, str]
) -> None:
    app = "tests.fixtures.hanging_app:create_hanging_app()"
    with api_with_socket(stores, app=app, environment=environment) as (api, path), ThreadPoolExecutor(1) as caller:
        worker = worker_of(api.pids[0])
        assert worker is not None
        caller.submit(_call, f"{api.url}/_hang")
        eventually(lambda: ask(path, "/health/live", 0.5) is None, 10, "silence")
        worker.send_signal(signal.SIGABRT)
        eventually(lambda: not worker.is_running(), 10, "its end")
        eventually(lambda: ask(path, "/health/live"), 20, "its successor")
    said = capfd.readouterr().err
    assert "Fatal Python error: Aborted" in said
    assert "in a_pattern_that_never_ends" in said
    assert "was sent SIGABRT" in said


def _call(url: str) -> None:
    with suppress(httpx.TransportError):
        httpx.get(url, timeout=30)


def test_a_channel_that_hangs_shows_where_on_sigabrt(stores: Stores, make_sender: MakeSender, tmp_path: Path) -> None:
    environment = {**places_of(stores.settings), "BISNES_INSTANCE": "9"}
    environment |= install_hanging_channel(tmp_path / "plug-in")
    (stores.settings.home / HUNG_FILE).unlink(missing_ok=True)
    path = stores.settings.run_dir / f"health-{NAME}-9.sock"
    command = [sys.executable, "-m", "bisnes_workers"]
    with (
        running([*command, "relay"], tmp_path / "relay", environment),
        running([*command, "channel", NAME], tmp_path / "channel", environment) as channel,
    ):
        eventually(lambda: path.exists() and ask(path, "/health/ready"), 20, "the channel to be ready")
        sender = make_sender(NAME)
        sender.accept("60111111111@c.us")
        eventually(lambda: ask(path, "/health/live", 0.5) is None, 20, "silence")
        channel.send_signal(signal.SIGABRT)
        assert channel.wait(10) == -signal.SIGABRT
    said = (tmp_path / "channel" / "output.log").read_text()
    assert "Fatal Python error: Aborted" in said
    assert "in wait_where_nobody_may_wait" in said
    # Nobody else has this channel: what it left must not occupy the relays of other tests.
    for table in ("messages", "phone_configs"):
        stores.sql(f"DELETE FROM {table} WHERE company_id = %s", sender.lane.company_id)


def test_a_worker_replaces_the_socket_of_a_killed_one_and_leaves_a_successors_alone(
    stores: Stores, tmp_path: Path
) -> None:
    path = stores.settings.run_dir / "health-events-8.sock"
    environment = {**places_of(stores.settings), "BISNES_INSTANCE": "8"}
    command = [sys.executable, "-m", "bisnes_workers", "events"]

    def answers(process: subprocess.Popen[bytes]) -> bool:
        answer = ask(path, "/health/live") if path.exists() else None
        return answer is not None and answer[1]["pid"] == process.pid

    with running(command, tmp_path / "one", environment) as one:
        eventually(lambda: answers(one), 20, "the first")
        assert is_private_socket(path)
        one.kill()
        one.wait(5)
        assert path.exists(), "nobody took it away"
        with running(command, tmp_path / "two", environment) as two:
            eventually(lambda: answers(two), 20, "the second")
            with running(command, tmp_path / "three", environment) as three:
                eventually(lambda: answers(three), 20, "the third")
                end(two)
                assert answers(three)
            assert not path.exists()

"""PostgreSQL away: every endpoint answers 503 within 2 s, threads do not pile up, and it goes on by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from db.migrate import ensure_schema
from tests.fixtures.api import Company, running_api, sign
from tests.fixtures.eventually import eventually
from tests.fixtures.services import embedded, settings_at

#: What the API promises.
PROMISED_S = 2.0
#: What this machine may add while other tests run on it.
MACHINE_S = 0.5


class Site:
    """An API with a PostgreSQL of its own."""

    def __init__(self, home: Path, databases: ExitStack, stack: ExitStack) -> None:
        self._home = home
        self._databases = databases
        self._settings = settings_at(home)
        self.start_postgres()
        self.api = stack.enter_context(running_api(self._settings))
        self.company = self.api.company()

    def start_postgres(self) -> None:
        """Starts PostgreSQL, the first time or again."""
        self.postgres = psutil.Process(self._databases.enter_context(embedded("postgres", self._home)).pid)
        ensure_schema(self._settings.database_conninfo, deadline_s=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # The API goes first, whichever PostgreSQL came last: that would wait for its clients.
    with ExitStack() as databases, ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("away"), databases, stack)


@contextmanager
def silent(process: psutil.Process) -> Iterator[None]:
    """PostgreSQL and all its processes stand still."""
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            member.resume()


def requests(company: Company) -> list[tuple[str, str, dict[str, str], bytes]]:
    """One request for each endpoint that needs the database."""
    phone = b'{"connectionType": "loopback"}'
    return [
        ("POST", f"/api/v2/messages/text/{company.id}/60123456789", {}, b'{"message": "x"}'),
        ("POST", f"/api/v2/messages/text/{company.id}/60123456789", {"Prefer": "wait=5"}, b'{"message": "x"}'),
        ("POST", f"/api/messages/react/{company.id}/wamid.x", {}, b'{"reaction": "x"}'),
        ("POST", f"/api/v2/messages/read/{company.id}/wamid.x", {}, b"{}"),
        ("GET", f"/api/v2/messages/{company.id}/wamid.x", {}, b""),
        ("GET", f"/api/v2/messages/{company.id}", {}, b""),
        ("GET", f"/api/v2/phones/{company.id}", {}, b""),
        ("GET", f"/api/v2/phones/{company.id}/0", {}, b""),
        ("POST", f"/api/v2/phones/{company.id}", {}, phone),
        ("PUT", f"/api/v2/phones/{company.id}/0", {}, phone),
        ("DELETE", f"/api/v2/phones/{company.id}/5", {}, b""),
        ("POST", "/webhooks/meta", sign(b"{}"), b"{}"),
        ("GET", "/health", {}, b""),
        ("GET", "/health/ready", {}, b""),
    ]


def ask_all(company: Company, times: int) -> list[tuple[float, httpx.Response]]:
    """Everything at once, several times over, so that more ask than there are threads and connections."""

    def ask(request: tuple[str, str, dict[str, str], bytes]) -> tuple[float, httpx.Response]:
        method, path, headers, content = request
        began = time.monotonic()
        headers = {"Content-Type": "application/json"} | headers
        answer = company.ask(method, path, headers=headers, content=content)
        return time.monotonic() - began, answer

    todo = requests(company) * times
    with ThreadPoolExecutor(len(todo)) as callers:
        return list(callers.map(ask, todo))


def assert_away(company: Company) -> None:
    for _ in range(2):  # not known to be away, then known
        for taken_s, answer in ask_all(company, times=5):
            assert (answer.status_code, answer.json()["code"]) == (503, "database_away"), answer.request
            assert answer.headers["Retry-After"]
            assert taken_s < PROMISED_S + MACHINE_S, answer.request
    assert company.api.client.get("/health/live").status_code == 200


def assert_back(company: Company) -> None:
    eventually(lambda: company.send().status_code == 202, 3, "an accepted message")
    # And on every connection.
    assert "database_away" not in {
        answer.json().get("code") for _, answer in ask_all(company, times=2) if answer.text != "OK"
    }


def test_a_silent_database_is_answered_503_in_time(site: Site) -> None:
    assert site.company.send().status_code == 202
    with silent(site.postgres):
        assert_away(site.company)
    assert_back(site.company)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_stopped_database_is_answered_503_in_time(site: Site, how: signal.Signals) -> None:
    assert site.company.send().status_code == 202
    site.postgres.send_signal(how)
    site.postgres.wait(20)
    assert_away(site.company)
    site.start_postgres()
    assert_back(site.company)


def test_an_api_that_starts_without_a_database_answers_503(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    with running_api(settings, wait=False) as api:
        eventually(lambda: api.client.get("/health/live", timeout=20).status_code == 200, 20, "the API")
        answer = api.client.get("/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_away")

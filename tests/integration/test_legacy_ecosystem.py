"""The old server's PM2 plan, imported as it is: an app that dies or grows past its limit costs the others nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

import psutil
import pytest

from tests.fixtures.circusd import Circus
from tests.fixtures.eventually import eventually
from tests.fixtures.services import ROOT, family_of, free_port, running

pytestmark = pytest.mark.alone

#: What each of the three apps is here: a server that answers with its pid, and grows on request, fast.
APP = """
const held = []
const grow = () => { held.push(Buffer.alloc(128 * 1024 * 1024, 1)); setTimeout(grow, 50) }
require('http').createServer((request, response) => {
  response.setHeader('Connection', 'close')
  response.end(String(process.pid))
  if (request.url === '/grow') grow()
}).listen(process.env.PORT, () => console.log('listening', process.pid))
"""

#: Instances of each app, its limit in GB, and its delay before a restart.
APPS = {"api": (2, 2, 0.0), "wwebjs": (1, 4, 5.0), "meta": (2, 1, 1.0)}


@dataclass
class Apps:
    """The three apps under circusd."""

    circus: Circus
    ports: dict[str, int]

    def get(self, name: str, path: str = "/") -> int:
        """Pid of the process that answers."""
        connection = HTTPConnection("127.0.0.1", self.ports[name], timeout=10)
        try:
            connection.request("GET", path)
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def pids(self, *names: str) -> dict[str, list[int]]:
        return {name: self.circus.pids(name) for name in names}

    def owner(self, name: str, answering: int) -> int | None:
        """The instance that an answer came from: `node` may be a program that starts another."""
        trees = {pid: family_of(pid) for pid in self.circus.pids(name)}
        return next((pid for pid, tree in trees.items() if answering in [one.pid for one in tree]), None)

    def ends(self, name: str, pid: int) -> list[dict[str, Any]]:
        """What the journal says of the end of a process."""
        return [event for event in self.circus.events(name, "ended") if event["pid"] == pid]

    def complete(self, name: str) -> bool:
        """Whether all instances of an app are ready, and one of them answers."""
        if [row["state"] for row in self.circus.rows(name)] != ["online"] * APPS[name][0]:
            return False
        try:
            return self.owner(name, self.get(name)) is not None
        except (OSError, HTTPException):
            return False


class Visitor:
    """Asks apps again and again, on a connection of its own each time, and notes how long that takes."""

    def __init__(self, apps: Apps, names: list[str]) -> None:
        self._apps, self._names = apps, names
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            for name in self._names:
                began_at = time.monotonic()
                try:
                    self._apps.get(name)
                except (OSError, HTTPException) as failure:
                    self.failures.append(f"{name}: {failure!r}")
                self.seconds.append(time.monotonic() - began_at)

    @property
    def median_s(self) -> float:
        return sorted(self.seconds)[len(self.seconds) // 2]


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    """The plan, imported with the command and started; its ports alone are the test's."""
    home = tmp_path_factory.mktemp("legacy")
    ports = {name: free_port() for name in APPS}
    plan = (ROOT / "tests/fixtures/legacy_ecosystem.config.js").read_text()
    for old, name in ((3000, "api"), (3001, "wwebjs"), (3002, "meta")):
        plan = re.sub(rf"PORT: {old}\b", f"PORT: {ports[name]}", plan)
    (home / "ecosystem.config.js").write_text(plan)
    (home / "dist").mkdir()
    for name in APPS:
        (home / f"dist/{name}.js").write_text(APP)
    done = subprocess.run(
        [sys.executable, "-m", "bisnes_cli", "import", "pm2", "ecosystem.config.js"],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    journal = "[supervisor]\njournal = var/process-events.jsonl\n"
    (home / "circus.ini").write_text((home / "circus.ini").read_text() + journal)
    with running([sys.executable, "-m", "bisnes_supervisor.circusd", "circus.ini"], home) as child:
        started = Apps(Circus(home, child), ports)
        eventually(lambda: (home / "var/run/circus.sock").exists(), 20, "circusd")
        for name in APPS:
            eventually(lambda: started.complete(name), 30, f"all of {name}")  # noqa: B023 - called now
        yield started


@pytest.mark.parametrize("victim", APPS)
def test_a_killed_app_is_back_after_its_delay_and_the_others_notice_nothing(apps: Apps, victim: str) -> None:
    others = [name for name in APPS if name != victim]
    with Visitor(apps, others) as calm:
        eventually(lambda: len(calm.seconds) > 100, 20, "the usual latency")
    before = apps.pids(*others)
    with Visitor(apps, others) as visitor:
        killed, killed_at = apps.circus.pids(victim)[0], time.monotonic()
        psutil.Process(killed).kill()
        eventually(lambda: killed not in apps.circus.pids(victim) and apps.complete(victim), 20, "its successor")
        took_s = time.monotonic() - killed_at
        eventually(lambda: len(visitor.seconds) > 100, 20, "enough visits")
    delay_s = APPS[victim][2]
    assert delay_s <= took_s < delay_s + 5
    assert apps.pids(*others) == before
    assert visitor.failures == []
    assert visitor.median_s < 2 * calm.median_s + 0.002


@pytest.mark.parametrize("victim", APPS)
def test_an_app_that_grows_past_its_limit_is_ended_and_the_others_notice_nothing(apps: Apps, victim: str) -> None:
    others = [name for name in APPS if name != victim]
    with Visitor(apps, others) as calm:
        eventually(lambda: len(calm.seconds) > 100, 20, "the usual latency")
    before = apps.pids(*others)
    with Visitor(apps, others) as visitor:
        grower = apps.get(victim, "/grow")
        owner = apps.owner(victim, grower)
        assert owner is not None
        eventually(lambda: not psutil.pid_exists(grower), 40, f"the end of the one that grew: {grower}")
        # What answered may be gone before its parent, the process of the watcher, is.
        [ended] = eventually(lambda: apps.ends(victim, owner), 20, f"the end of {owner} in the journal")
        eventually(lambda: apps.complete(victim), 30, "its successor")
    assert ended["data"]["cause"] in ("memory", "replaced")
    assert "memory" in ended["data"]["reason"]
    largest = max(used for _, used in ended["data"]["memory"])
    assert 0.85 * APPS[victim][1] < largest / 1024**3
    assert apps.pids(*others) == before
    assert visitor.failures == []
    assert visitor.median_s < 2 * calm.median_s + 0.002

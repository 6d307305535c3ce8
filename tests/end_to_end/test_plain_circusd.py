"""`circusd circus.ini`, without our entry, runs the same processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.fixtures.eventually import eventually
from tests.fixtures.services import ROOT, end, family_of, free_port, gone


def test_a_plain_circusd_starts_everything_and_stops_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "circus.d", tmp_path / "circus.d")
    ports: dict[str, int] = {}
    for ini in (ROOT / "circus.ini", ROOT / "circus.d" / "loopback.ini"):
        text = re.sub(
            r"^port = (\d+)",
            lambda found: f"port = {ports.setdefault(found[1], free_port())}",
            ini.read_text(),
            flags=re.MULTILINE,
        )
        (tmp_path / ini.relative_to(ROOT)).write_text(text)
    (tmp_path / "var/run").mkdir(parents=True)
    own = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "BISNES_HOME": str(tmp_path)}
    environment |= {"ENCRYPTION_KEY": "ab" * 32}
    with (tmp_path / "circusd.log").open("wb") as log:
        child = subprocess.Popen([own / "circusd", "circus.ini"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{ports['3000']}/health/ready"
        eventually(lambda: _status(url) == 200, 60, "the API to be ready")
        said = [line for line in (tmp_path / "circusd.log").read_text().splitlines() if "policies are off" in line]
        assert len(said) == 1
        assert "[WARNING]" in said[0]
        assert "bisnes-circusd" in said[0]
        family = family_of(child.pid)
        child.send_signal(signal.SIGTERM)
        assert gone(family, 60) == []
    finally:
        end(child)


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return None

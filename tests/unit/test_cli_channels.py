"""`bisnes channel check` as an author runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bisnes_cli", "channel", "check", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("spec", ["plugins.meta.spec:SPEC", "plugins.loopback.spec:SPEC"])
def test_the_built_in_channels_have_no_defects(tmp_path: Path, spec: str) -> None:
    done = check(tmp_path, spec)
    assert (done.returncode, done.stdout) == (0, "no defects\n"), done.stderr


def test_an_authors_defects_are_named_and_end_the_command_with_one(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('not written yet')\n")
    done = check(tmp_path, "broken:SPEC", "--json")
    assert done.returncode == 1, done.stderr
    assert "not written yet" in json.loads(done.stdout)[0]["words"]

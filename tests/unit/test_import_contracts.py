"""The import contracts of pyproject.toml hold, and each of them breaks when it is violated."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: dict[str, str] = {contract["id"]: contract["name"] for contract in LINTER["contracts"]}

#: For each contract one violation that no other contract forbids: where it is planted, and what is imported there.
VIOLATIONS = {
    "layers": ("bisnes_workers", "bisnes_api"),
    "core-does-no-io": ("bisnes_core", "subprocess"),
    "sql-only-in-db": ("bisnes_workers", "psycopg"),
    "api-knows-postgresql-only": ("bisnes_api", "redis"),
    "channels-know-core-only": ("plugins/meta", "dramatiq"),
    "channels-apart": ("plugins/meta", "plugins.loopback"),
    "supervisor-alone": ("bisnes_supervisor", "bisnes_core"),
    "simulators-alone": ("simulators/graph", "bisnes_core"),
    "embedded-knows-settings": ("bisnes_embedded", "db"),
    "programs-are-not-libraries": ("bisnes_workers", "bisnes_embedded"),
    "commands-speak-protocols": ("bisnes_cli", "redis"),
    "commands-outside-circusd": ("bisnes_supervisor/cli", "bisnes_supervisor.watcher"),
}


def lint_imports(tree: Path) -> dict[str, str]:
    """Runs the linter on a tree; answers each contract's verdict by name."""
    lint = Path(sys.executable).with_name("lint-imports")
    wide = os.environ | {"COLUMNS": "200"}  # a wrapped line would part a name from its verdict
    report = subprocess.run([lint, "--no-logo"], cwd=tree, env=wide, capture_output=True, text=True, check=False)
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", report.stdout, re.MULTILINE))
    assert set(verdicts) == set(CONTRACTS.values()), report.stdout + report.stderr
    assert (report.returncode == 0) == ("BROKEN" not in verdicts.values()), report.stdout
    return verdicts


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages to plant in."""
    copy = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in LINTER["root_packages"]:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_every_contract_is_kept() -> None:
    assert set(lint_imports(ROOT).values()) == {"KEPT"}


def test_every_contract_has_a_violation_to_plant() -> None:
    assert VIOLATIONS.keys() == CONTRACTS.keys()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_planted_violation_breaks_its_contract_and_no_other(contract: str, tree: Path) -> None:
    package, imported = VIOLATIONS[contract]
    planted = tree / package / "planted.py"
    planted.write_text(f"import {imported}\n")
    try:
        verdicts = lint_imports(tree)
    finally:
        planted.unlink()
    assert [name for name, verdict in verdicts.items() if verdict == "BROKEN"] == [CONTRACTS[contract]]

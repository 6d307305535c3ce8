"""What is installed is this tree, as pyproject.toml declares it.

Two hazards: `db` and `plugins` are names that another distribution may bring along, and a changed entry point does
nothing until the next installation.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


PACKAGES: list[str] = PYPROJECT["tool"]["importlinter"]["root_packages"]


def imported_packages(source: Path) -> Iterator[str]:
    """Top-level names of what a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_resolve_inside_our_tree_from_anywhere(package: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"import {package}; print({package}.__file__)"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(answer.stdout.strip()).is_relative_to(ROOT)


def test_installed_entry_points_are_the_declared_ones() -> None:
    declared = {("console_scripts", *item) for item in PYPROJECT["project"]["scripts"].items()}
    for group, members in PYPROJECT["project"]["entry-points"].items():
        declared |= {(group, *item) for item in members.items()}
    installed = {(point.group, point.name, point.value) for point in distribution("bisnes").entry_points}
    assert installed == declared, "run `make install`"


def test_every_entry_point_loads() -> None:
    for point in distribution("bisnes").entry_points:
        assert point.load() is not None


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", []), ("requirements-dev.lock", ["dev"])])
def test_locks_pin_every_declared_dependency_and_name_no_registry(lock: str, extras: list[str]) -> None:
    text = (ROOT / lock).read_text()
    declared = list(PYPROJECT["project"]["dependencies"])
    for extra in extras:
        declared += PYPROJECT["project"]["optional-dependencies"][extra]
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) ", text, re.MULTILINE))
    for requirement in map(Requirement, declared):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), (
            f"run `make lock`: {requirement}"
        )
    assert "://" not in text


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_what_is_imported_is_declared(folder: str) -> None:
    declared = set(PYPROJECT["project"]["dependencies"])
    if folder == "tests":
        declared |= set(PYPROJECT["project"]["optional-dependencies"]["dev"])
    declared = {canonicalize_name(Requirement(line).name) for line in declared}
    imported = {name for source in (ROOT / folder).rglob("*.py") for name in imported_packages(source)}
    distributions = packages_distributions()
    for name in imported - sys.stdlib_module_names - {*PACKAGES, "tests", "benchmarks"}:
        providers = {canonicalize_name(provider) for provider in distributions.get(name, [])}
        assert providers & declared, f"{folder} imports {name} of {sorted(providers)}: declare it in pyproject.toml"

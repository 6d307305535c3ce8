"""Every folder of tests is run: pyproject.toml names them in the order in which they are best started."""

from __future__ import annotations

import tomllib

from tests.fixtures.services import ROOT


def test_every_folder_with_tests_is_named() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    folders = {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(options["testpaths"]) == folders

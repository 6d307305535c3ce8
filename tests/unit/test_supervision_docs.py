"""docs/supervision.md names every option, and its example is one that can be obeyed."""

from __future__ import annotations

import re
from pathlib import Path

from bisnes_supervisor.environment import read_configuration
from bisnes_supervisor.policy import POLICY_OPTIONS, read_policy

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/supervision.md").read_text()


def test_every_option_has_its_row_and_every_row_its_option() -> None:
    table = DOCS[DOCS.index("## Options of a watcher") : DOCS.index("`wait_ready` and `live` are")]
    rows = {name for line in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)}
    assert rows == {*POLICY_OPTIONS, "max_age", "max_age_variance", "autostart"}


def test_the_example_has_ten_lines_and_is_obeyed(tmp_path: Path) -> None:
    text = (ROOT / "examples/supervision/circus.ini").read_text()
    assert len(text.splitlines()) == 10
    (tmp_path / "circus.ini").write_text(text.replace("ipc://run", f"ipc://{tmp_path}/run"))
    [watcher] = read_configuration(str(tmp_path / "circus.ini"))["watchers"]
    policy = read_policy(watcher)
    assert policy.memory_hard_bytes == 200 * 1024**2
    assert policy.wait_ready is not None

"""An ecosystem file is read as PM2 reads it. Where node is needed: tests/integration/test_pm2_import.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bisnes_supervisor.ecosystem import UnreadableEcosystem, read_ecosystem


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ('{"apps": [{"script": "a.js"}], "deploy": {"p": {}}}', {"deploy": {"p": {}}}),
        ('{"pm2": [{"script": "a.js"}]}', {}),
        ('[{"script": "a.js"}]', {}),
        ('{"script": "a.js"}', {}),
        ('{"apps": {"script": "a.js"}}', {}),
    ],
)
def test_applications_stand_under_apps_under_pm2_in_a_list_or_alone(
    tmp_path: Path, text: str, others: dict[str, Any]
) -> None:
    ecosystem = read_ecosystem(written(tmp_path, "ecosystem.json", text), node="no-node-is-needed")
    assert ecosystem.apps == [{"script": "a.js"}]
    assert ecosystem.others == others


@pytest.mark.parametrize("ending", ["yaml", "yml"])
def test_yaml_means_what_it_says(tmp_path: Path, ending: str) -> None:
    text = """
apps:
  - script: a.js
    instances: 2
    autorestart: false
    max_memory_restart: 1G
    env: {COUNTRY: NO, SPAN: 10:30, MODE: 0755, DAY: 2026-11-24, RATIO: 1.5, MASK: 0x1F, EMPTY: , YES: yes}
"""
    (app,) = read_ecosystem(written(tmp_path, f"ecosystem.{ending}", text)).apps
    assert app == {
        "script": "a.js",
        "instances": 2,
        "autorestart": False,
        "max_memory_restart": "1G",
        "env": {
            "COUNTRY": "NO",
            "SPAN": "10:30",
            "MODE": 755,
            "DAY": "2026-11-24",
            "RATIO": 1.5,
            "MASK": 31,
            "EMPTY": None,
            "YES": "yes",
        },
    }


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("app.toml", "", "app.toml: an ecosystem file ends in .js, .cjs, .mjs, .json, .yaml, .yml."),
        ("e.yaml", "apps: [", "e.yaml: expected the node content, but found '<stream end>' (line 1)."),
        ("e.yaml", "apps: !!python/object:os.system {}", "e.yaml: could not determine a constructor for the tag"),
        ("e.yaml", "- a\n- b\n", "e.yaml: it declares no applications; PM2 wants {apps: [{script: …}]}."),
        ("e.json", "{}", "e.json: it declares no applications; PM2 wants {apps: [{script: …}]}."),
        ("e.json", "[]", "e.json: it declares no applications; PM2 wants {apps: [{script: …}]}."),
        ("e.json", "{a: 1,}", "e.json is not plain JSON (PM2 reads it as JavaScript), and there is no `no-node` to"),
        ("e.config.js", "", "e.config.js is JavaScript, and there is no `no-node` to evaluate it: install Node.js, or"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(UnreadableEcosystem) as refused:
        read_ecosystem(written(tmp_path, name, text), node="no-node")
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_told_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableEcosystem, match=f"e.json: there is no such file in {tmp_path}"):
        read_ecosystem(tmp_path / "e.json")

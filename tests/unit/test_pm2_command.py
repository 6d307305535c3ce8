"""An application of PM2's is started with the command, as often and under the name that PM2 would use."""

from __future__ import annotations

from typing import Any

import pytest

from bisnes_supervisor.pm2 import Outcome
from bisnes_supervisor.policy import read_policy
from tests.fixtures.pm2 import options, outcome, sections, translated


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ({"script": "app.js"}, "node app.js"),
        ({"script": "app.mjs", "node_args": ["--inspect"], "args": "a 'b c'"}, "node --inspect app.mjs a 'b c'"),
        ({"script": "app.js", "args": ["--x=1", 2]}, "node app.js --x=1 2"),
        ({"script": "app.js", "source_map_support": True}, "node --enable-source-maps app.js"),
        ({"script": "app.py"}, "python app.py"),
        ({"script": "app.sh"}, "bash app.sh"),
        ({"script": "app.rb", "interpreter": "/opt/ruby"}, "/opt/ruby app.rb"),
        ({"script": "app.js", "interpreter": "node@18.1.0"}, "node app.js"),
        ({"script": "bin/program", "interpreter": "none"}, "bin/program"),
        ({"script": "program"}, "./program"),
        ({"script": "text"}, "node text"),
        ({"script": "npm", "args": "start"}, "npm start"),
        ({"script": "./gone"}, "node ./gone"),
        ({"script": "npm start ; true", "args": "lost"}, "\nbash -c 'npm start ; true'"),
        ({"script": "npm start; true"}, "bash -c 'npm start; true'"),
        (
            {"script": "app.py", "args": "$(circus.wid) ((circus.x))"},
            "python app.py '$''(circus.wid)' '(''(circus.x))'",
        ),
        ({"script": "app.js", "filter_env": "TOKEN"}, "env -u TOKEN node app.js"),
    ],
)
def test_the_command_is_what_pm2_would_run(app: dict[str, Any], command: str) -> None:
    assert sections(translated({"name": "app", **app}))["watcher:app"]["cmd"] == command


@pytest.mark.parametrize(
    ("app", "count", "singleton"),
    [
        ({}, "1", True),
        ({"instances": 3, "exec_mode": "fork"}, "3", False),
        ({"instances": "max", "exec_mode": "fork"}, "4", False),
        ({"instances": 0, "exec_mode": "fork"}, "4", False),
        ({"instances": -1, "exec_mode": "fork"}, "3", False),
        ({"instances": "2", "exec_mode": "fork"}, "2", False),
        ({"instances": -9, "exec_mode": "fork"}, "1", True),
        ({"instances": 1, "exec_mode": "fork"}, "1", True),
        ({"instances": 1}, "1", False),
        ({"instances": 1, "exec_mode": "cluster", "execute_command": True}, "1", True),
    ],
)
def test_so_many_processes_run(app: dict[str, Any], count: str, singleton: bool) -> None:
    found = options(app)
    assert (found["numprocesses"], found.get("singleton") == "True") == (count, singleton)


@pytest.mark.parametrize(
    ("app", "address"),
    [
        ({"instances": 2, "env": {"PORT": 3000}}, ("0.0.0.0", "3000")),
        ({"instances": 2, "port": 3000, "env": {"HOST": "127.0.0.1"}}, ("127.0.0.1", "3000")),
        ({"exec_mode": "cluster", "args": "--port 3000"}, ("0.0.0.0", "3000")),
        ({"exec_mode": "cluster_mode", "args": ["-p=3000"]}, ("0.0.0.0", "3000")),
        ({"instances": 2, "env": {"PORT": "/run/app.sock"}}, None),
        ({"instances": 2, "env": {"PORT": 3000}, "exec_mode": "fork"}, None),
        ({"instances": 2, "env": {"PORT": 3000}, "interpreter": "python"}, None),
    ],
)
def test_node_in_cluster_mode_shares_a_socket_of_circusd(app: dict[str, Any], address: tuple[str, str] | None) -> None:
    translation = translated({"script": "app.js", **app})
    socket = sections(translation).get("socket:app")
    assert (socket and (socket["host"], socket["port"])) == address
    command = sections(translation)["watcher:app"]["cmd"]
    assert ("CIRCUS_LISTEN=3000=$(circus.sockets.app)" in command) == (address is not None)
    assert ("use_sockets" in sections(translation)["watcher:app"]) == (address is not None)


def test_two_applications_on_one_port_share_its_socket() -> None:
    app = {"script": "app.js", "instances": 2, "port": 3000}
    found = sections(translated({**app, "name": "One"}, {**app, "name": "one"}))
    assert [name for name in found if name.startswith("socket:")] == ["socket:one"]
    assert "$(circus.sockets.one)" in found["watcher:one-2"]["cmd"]


def test_instances_with_a_variable_of_their_own_become_watchers() -> None:
    app = {"script": "app.js", "name": "app", "instances": 3, "increment_var": "PORT", "env": {"PORT": 3000}}
    found = sections(translated(app))
    assert [name for name in found if name.startswith("watcher:")] == [f"watcher:app-{number}" for number in range(3)]
    numbers = [(found[f"env:app-{n}"]["PORT"], found[f"env:app-{n}"]["NODE_APP_INSTANCE"]) for n in range(3)]
    assert numbers == [("3000", "0"), ("3001", "1"), ("3002", "2")]
    assert found["socket:app-2"]["port"] == "3002"


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ({"wait_ready": True}, ["CIRCUS_READY_MESSAGE=./var/run/app-$(circus.wid).ready", "--require"]),
        ({"shutdown_with_message": True}, ["CIRCUS_SHUTDOWN_MESSAGE=1", "--require"]),
        ({"instances": 2}, ["CIRCUS_INSTANCE=NODE_APP_INSTANCE=$(circus.wid)", "CIRCUS_LISTEN="]),
        ({"instances": 2, "port": 1, "cwd": "x"}, ["CIRCUS_READY_LISTENING=/srv/app/var/run/app-$(circus.wid).ready"]),
        ({"instances": 2, "exec_mode": "fork", "interpreter": "ruby"}, ["NODE_APP_INSTANCE=$(circus.wid)"]),
    ],
)
def test_node_programs_get_what_they_need_from_a_part_of_ours(app: dict[str, Any], words: list[str]) -> None:
    found = options(app)
    assert [word for word in words if word not in found["cmd"].split()] == []
    if "READY" in found["cmd"]:
        assert found["wait_ready"] == "unix:app-$(circus.wid).ready"
    read_policy({"wait_ready": found["wait_ready"]} if "wait_ready" in found else {})


@pytest.mark.parametrize("app", [{"interpreter": "python"}, {"uid": "www-data"}])
def test_no_ready_message_is_awaited_that_cannot_come(app: dict[str, Any]) -> None:
    assert outcome({"wait_ready": True, **app}, "wait_ready") is Outcome.NOT_MAPPED
    assert "wait_ready" not in options({"wait_ready": True, **app})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Shop.API v2", "shop-api-v2"), ("shop_1", "shop_1"), ("[*]", "app"), ("ünïcode", "n-code"), (7, "7")],
)
def test_a_name_is_one_that_circus_can_bear(name: Any, expected: str) -> None:
    translation = translated({"script": "a.js", "name": name}, {"script": "a.js", "name": name})
    assert translation.watchers == (expected, f"{expected}-2")


def test_a_name_is_taken_from_the_script_and_may_carry_the_environment() -> None:
    app = {"script": "dist/shop.main.js", "append_env_to_name": True, "env_test": {}}
    assert translated(app, chosen="test").watchers == ("shop-main-test",)
    assert translated(app).watchers == ("shop-main",)


@pytest.mark.parametrize(
    "app",
    [{"name": "x"}, {"script": "serve"}, {"script": "a.py", "args": ["x\n\ny"]}, {"script": "a.py", "cwd": "a ;b"}],
)
def test_an_application_that_cannot_run_gets_no_watcher_and_a_reason(app: dict[str, Any]) -> None:
    translation = translated(app, {"script": "b.js"})
    assert translation.watchers == ("b",)
    assert any(line.option == "script" and line.text.startswith("no watcher: ") for line in translation.lines)

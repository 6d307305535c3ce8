"""Every attribute of PM2's becomes an option or a line that says why not, and Circus reads back what was meant."""

from __future__ import annotations

import configparser
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest
from circus.config import get_config
from circus.process import Process
from circus.util import parse_env_dict, replace_gnu_args
from hypothesis import given, settings
from hypothesis import strategies as st

from bisnes_supervisor.ecosystem import Ecosystem
from bisnes_supervisor.environment import expand_references
from bisnes_supervisor.pm2 import Line, Outcome, Place, Translation, translate
from bisnes_supervisor.pm2.attributes import ATTRIBUTES
from bisnes_supervisor.policy import read_policy

FOLDER = Path("/srv/app")

#: Attributes of PM2 with a value that asks for something. Source: pm2 7.0.4 (2026-08-24), lib/API/schema.json.
SCHEMA: dict[str, Any] = {
    "script": "app.js",
    "name": "shop",
    "name_prefix": "x",
    "filter_env": ["SECRET"],
    "namespace": "front",
    "install_url": "https://example.com",
    "cwd": "packages/shop",
    "args": "--verbose",
    "exec_interpreter": "python",
    "node_args": "--inspect",
    "out_file": "out.log",
    "error_file": "error.log",
    "log_file": "all.log",
    "disable_logs": True,
    "log_type": "json",
    "log_date_format": "YYYY-MM-DD",
    "time": True,
    "env": {"A": "b"},
    "env_production": {"A": "c"},
    "max_memory_restart": "300M",
    "pid_file": "app.pid",
    "restart_delay": 4000,
    "exp_backoff_restart_delay": 100,
    "source_map_support": True,
    "disable_source_map_support": True,
    "wait_ready": True,
    "instances": 2,
    "kill_timeout": 3000,
    "shutdown_with_message": True,
    "listen_timeout": 8000,
    "cron_restart": "0 3 * * *",
    "merge_logs": True,
    "vizion": False,
    "autostart": False,
    "autorestart": False,
    "stop_exit_codes": [0],
    "watch_delay": 1000,
    "watch": True,
    "ignore_watch": ["logs"],
    "watch_options": {"followSymlinks": False},
    "min_uptime": "5s",
    "max_restarts": 10,
    "execute_command": True,
    "exec_mode": "cluster",
    "force": True,
    "append_env_to_name": True,
    "post_update": ["npm install"],
    "trace": True,
    "disable_trace": True,
    "v8": True,
    "event_loop_inspector": True,
    "deep_monitoring": True,
    "increment_var": "PORT",
    "instance_var": "INSTANCE",
    "pmx": False,
    "automation": False,
    "treekill": False,
    "port": 3000,
    "username": "deploy",
    "uid": "www-data",
    "gid": "www-data",
    "windowsHide": True,
    "kill_retry_time": 100,
    "write": True,
    "io": {},
}


def kind(file: Path) -> Literal["program", "text", "missing"]:
    return {"program": "program", "text": "text"}.get(file.name, "missing")  # type: ignore[return-value]


def translated(*apps: dict[str, Any], chosen: str | None = None, others: dict[str, Any] | None = None) -> Translation:
    place = Place(FOLDER, FOLDER, processors=4, kind=kind)
    return translate(Ecosystem(list(apps), others or {}), place, chosen=chosen, source="e.config.js")


def sections(translation: Translation) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(delimiters=("=",), default_section="none")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(translation.ini)
    return {name: dict(parser[name]) for name in parser.sections()}


def options(app: dict[str, Any], name: str = "app", chosen: str | None = None) -> dict[str, str]:
    return sections(translated({"script": "app.js", **app}, chosen=chosen))[f"watcher:{name}"]


def lines(app: dict[str, Any], option: str, chosen: str | None = None) -> list[Line]:
    said = translated({"script": "app.js", **app}, chosen=chosen).lines
    return [line for line in said if line.option == option]


def outcome(app: dict[str, Any], option: str) -> Outcome:
    (line,) = lines(app, option)
    return line.outcome


# -- nothing is dropped silently ---------------------------------------------------------------------------------------


def test_every_attribute_of_pm2s_schema_is_known_here() -> None:
    assert set(SCHEMA) - {"env_production"} == set(ATTRIBUTES)


@pytest.mark.parametrize("attribute", SCHEMA)
def test_every_attribute_has_a_line_that_explains_it(attribute: str) -> None:
    (line,) = lines({attribute: SCHEMA[attribute]}, attribute)
    assert line.text not in ("", "has no counterpart", "PM2 knows no such attribute either")


def test_all_attributes_at_once_have_a_line_each() -> None:
    translation = translated(SCHEMA)
    said = Counter(line.option for line in translation.lines)
    assert {attribute: said[attribute] for attribute in SCHEMA} == dict.fromkeys(SCHEMA, 1)


def test_lines_come_in_the_order_of_the_file() -> None:
    said = [line.option for line in translated({"max_restarts": 3, "script": "a.js", "autorestart": True}).lines]
    assert said[:3] == ["max_restarts", "script", "autorestart"]


@pytest.mark.parametrize(
    ("alias", "attribute"),
    [
        *(("exec", "script"), ("cmd", "script"), ("command", "script"), ("interpreter", "exec_interpreter")),
        *(("interpreter_args", "node_args"), ("interpreterArgs", "node_args"), ("nodeArgs", "node_args")),
        *(("out", "out_file"), ("output", "out_file"), ("out_log", "out_file"), ("outFile", "out_file")),
        *(("error", "error_file"), ("err", "error_file"), ("err_file", "error_file"), ("err_log", "error_file")),
        *(("log", "log_file"), ("pid", "pid_file"), ("cron", "cron_restart"), ("combine_logs", "merge_logs")),
        *(("user", "uid"), ("maxMemoryRestart", "max_memory_restart"), ("execMode", "exec_mode")),
        *(("expBackoffRestartDelay", "exp_backoff_restart_delay"), ("killTimeout", "kill_timeout")),
    ],
)
def test_an_alias_means_the_attribute_and_is_reported_as_written(alias: str, attribute: str) -> None:
    app = {"script": "app.js", attribute: SCHEMA[attribute]}
    by_alias = {name: value for name, value in app.items() if name != attribute} | {alias: app[attribute]}
    assert sections(translated(by_alias)) == sections(translated(app))
    assert [line.option for line in translated(by_alias).lines].count(alias) == 1


def test_an_unknown_attribute_is_reported_by_its_name() -> None:
    (line,) = lines({"max_memory_restrat": "1G"}, "max_memory_restrat")
    assert (line.outcome, line.value) == (Outcome.NOT_MAPPED, "1G")
    (line,) = lines({"out_file": "a.log", "output": "b.log"}, "output")
    assert (line.outcome, line.text) == (Outcome.NOT_MAPPED, "said twice: another name of it was taken")


def test_what_stands_beside_the_applications_is_reported() -> None:
    said = translated({"script": "a.js"}, others={"deploy": {}, "static": [], "appz": []}).lines
    assert [(line.option, line.outcome) for line in said if line.app == ""][:3] == [
        ("deploy", Outcome.NOT_MAPPED),
        ("static", Outcome.NOT_MAPPED),
        ("appz", Outcome.NOT_MAPPED),
    ]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        *(("restart_delay", "soon"), ("restart_delay", True), ("restart_delay", "Infinity"), ("max_restarts", -1)),
        *(("max_memory_restart", "lots"), ("kill_timeout", {}), ("autorestart", "maybe"), ("instances", "few")),
        *(("stop_exit_codes", ["x"]), ("cron_restart", "* * *"), ("cron_restart", "30 0 3 * * *"), ("port", "x")),
        *(("watch", ["src/**/*.js"]), ("watch", ["my files"]), ("ignore_watch", [{"$javascript": "a function"}])),
        *(("env", "A=b"), ("exec_mode", "thread")),
    ],
)
def test_a_value_that_cannot_be_understood_is_reported_and_left_out(attribute: str, value: Any) -> None:
    app = {"watch": True} if attribute == "ignore_watch" else {}
    assert outcome({**app, attribute: value}, attribute) is Outcome.NOT_MAPPED
    assert attribute not in options({**app, attribute: value})


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        ({"restart_delay": 5000}, {"restart_delay": "5s"}),
        ({"restart_delay": "1500"}, {"restart_delay": "1500ms"}),
        ({"restart_delay": 0}, {"restart_delay": "0s"}),
        ({"min_uptime": 10000}, {"min_uptime": "10s"}),
        ({"min_uptime": "2m"}, {"min_uptime": "2m"}),
        ({"min_uptime": "90m"}, {"min_uptime": "90m"}),
        ({"min_uptime": "1h"}, {"min_uptime": "1h"}),
        ({"exp_backoff_restart_delay": 100}, {"exp_backoff_restart_delay": "100ms"}),
        ({"max_restarts": 10}, {"max_restarts": "10"}),
        ({"max_restarts": 0}, {"respawn": "False"}),
        ({"listen_timeout": 8000}, {"listen_timeout": "8s"}),
        ({"max_memory_restart": "2G"}, {"max_memory_restart": "2G"}),
        ({"max_memory_restart": 314572800}, {"max_memory_restart": "300M"}),
        ({"max_memory_restart": "1000000"}, {"max_memory_restart": "1000000"}),
        ({"autorestart": False}, {"respawn": "False"}),
        ({"autostart": False}, {"autostart": "False"}),
        ({"stop_exit_codes": [0, "3"]}, {"stop_exit_codes": "0 3"}),
        ({"stop_exit_codes": 0}, {"stop_exit_codes": "0"}),
        ({"kill_timeout": 3000}, {"graceful_timeout": "3", "stop_signal": "SIGINT"}),
        ({}, {"graceful_timeout": "1.6", "stop_signal": "SIGINT", "stop_children": "True", "copy_env": "True"}),
        ({"treekill": False}, {"stop_children": "False"}),
        ({"uid": "www-data", "gid": 33}, {"uid": "www-data", "gid": "33"}),
        ({"cwd": "packages/shop"}, {"working_dir": "packages/shop"}),
        ({"cwd": "/opt/shop"}, {"working_dir": "/opt/shop"}),
        ({"filter_env": True}, {"copy_env": "False"}),
        ({"watch": True}, {"watch": "."}),
        ({"watch": ["src", "/etc/app"], "cwd": "shop"}, {"watch": "shop/src /etc/app"}),
    ],
)
def test_a_rule_becomes_an_option(app: dict[str, Any], expected: dict[str, str]) -> None:
    found = options(app)
    assert {name: found.get(name) for name in expected} == expected
    read_policy({name: value for name, value in found.items() if "." not in name})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("0 0 3 * * *", "0 3 * * *"),
        ("*/5 8-18 * * mon-fri", "*/5 8-18 * * mon-fri"),
        ("@daily", "0 0 * * *"),
        (0, None),
    ],
)
def test_a_cron_expression_has_five_fields(said: Any, expected: str | None) -> None:
    assert options({"cron_restart": said}).get("cron_restart") == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["node_modules"], r"(^|/)node_modules(/|$)"),
        (["./logs/", "*.log"], r"(^|/)logs(/|$) (^|/).*\.log(/|$)"),
        ("**/cache/**", r"(^|/)cache(/|$)"),
        ([{"$regexp": "\\/tmp$"}], "/tmp$"),
    ],
)
def test_what_is_not_watched_becomes_regular_expressions(said: Any, expected: str) -> None:
    assert options({"watch": True, "ignore_watch": said})["ignore_watch"] == expected


def test_a_backoff_takes_the_place_of_a_delay_as_with_pm2() -> None:
    app = {"restart_delay": 5000, "exp_backoff_restart_delay": 100}
    assert "restart_delay" not in options(app)
    assert outcome(app, "restart_delay") is Outcome.IGNORED


# -- the command -------------------------------------------------------------------------------------------------------


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


# -- logs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "out", "error"),
    [
        ({}, "logs/app-out.log", "logs/app-error.log"),
        ({"out_file": "a.log", "error_file": "/var/log/b.log"}, "a.log", "/var/log/b.log"),
        ({"out_file": "../a.log", "cwd": "x/y"}, "x/a.log", "logs/app-error.log"),
        ({"out_file": "/dev/null", "error_file": "NULL"}, None, None),
        ({"disable_logs": True}, None, None),
        ({"out_file": "NULL", "error_file": "NULL", "log_file": "all.log"}, "all.log", "all.log"),
        ({"out_file": "NULL", "error_file": "NULL", "log_file": True}, "logs/app-all.log", "logs/app-all.log"),
    ],
)
def test_output_goes_to_rotated_files_or_nowhere(app: dict[str, Any], out: str | None, error: str | None) -> None:
    found = options(app)
    assert (found.get("stdout_stream.filename"), found.get("stderr_stream.filename")) == (out, error)
    assert ("close_child_stdout" in found, "close_child_stderr" in found) == (out is None, error is None)
    assert found.get("stdout_stream.max_bytes") == (None if out is None else "10485760")


@pytest.mark.parametrize(
    ("app", "option", "expected"),
    [
        ({"time": True}, "time", Outcome.APPROXIMATED),
        ({"log_date_format": "HH:mm"}, "log_date_format", Outcome.APPROXIMATED),
        ({"log_file": "all.log"}, "log_file", Outcome.NOT_MAPPED),
        ({"log_file": "/dev/null"}, "log_file", Outcome.IGNORED),
        ({"instances": 2}, "merge_logs", Outcome.APPROXIMATED),
        ({"instances": 2, "merge_logs": True}, "merge_logs", Outcome.MAPPED),
        ({"merge_logs": False}, "merge_logs", Outcome.MAPPED),
        ({"namespace": "default"}, "namespace", Outcome.IGNORED),
    ],
)
def test_a_difference_in_logs_is_told(app: dict[str, Any], option: str, expected: Outcome) -> None:
    assert outcome(app, option) is expected


def test_lines_get_their_time_where_pm2_gave_it() -> None:
    assert options({"time": True})["stdout_stream.stamp"] == "all"
    assert "stdout_stream.stamp" not in options({})


# -- the environment ---------------------------------------------------------------------------------------------------


def environment(app: dict[str, Any], chosen: str | None = None, others: dict[str, Any] | None = None) -> dict[str, str]:
    found = sections(translated({"script": "app.js", "name": "app", **app}, chosen=chosen, others=others))["env:app"]
    return {name: value for name, value in found.items() if name != "NODE_APP_INSTANCE"}


def test_a_chosen_environment_wins_over_the_common_one_and_that_over_the_deployments() -> None:
    app = {"env": {"A": 1, "B": 1}, "env_test": {"B": 2}, "env_production": {"B": 3}}
    others = {"deploy": {"test": {"env": {"A": 0, "C": 0}}}}
    assert environment(app, "test", others) == {"A": "1", "B": "2", "C": "0"}
    assert environment(app) == {"A": "1", "B": "1"}
    assert outcome(app, "env_production") is Outcome.IGNORED


@pytest.mark.parametrize(
    ("value", "text"),
    [(3000, "3000"), (1.5, "1.5"), (2.0, "2"), (True, "true"), ("", ""), ({"a": [1, "ö"]}, '{"a":[1,"ö"]}')],
)
def test_a_value_is_what_javascript_makes_of_it(value: Any, text: str) -> None:
    assert environment({"env": {"A": value}}) == {"A": text}


def test_an_unset_value_is_not_set_and_a_function_is_reported() -> None:
    app = {"env": {"A": None, "B": {"$javascript": "a function"}, "C": 1}}
    assert environment(app) == {"C": "1"}
    assert (outcome(app, "env.A"), outcome(app, "env.B")) == (Outcome.IGNORED, Outcome.NOT_MAPPED)


def test_no_value_of_a_variable_is_in_the_report() -> None:
    secret = "hunter$PASS"
    app = {"env": {"A": secret}, "env_test": {"A": secret}, "env_live": {"A": secret}}
    assert secret not in repr(translated({"script": "a.js", **app}, chosen="test").lines)


def test_a_port_is_a_variable() -> None:
    assert environment({"port": 3000, "env": {"PORT": 1}}) == {"PORT": "3000"}
    assert environment({"port": 3000, "env_test": {"PORT": 2}}, "test") == {"PORT": "2"}


# -- Circus reads back what was meant --------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [*"aZ0 _-$;#%'\"\\()=:{}[]\n\t", "$(circus.wid)", "((circus.wid))", "$HOME", "$WID", "rem ", '""', "ö", " ;", "$$A"]
)
TEXT = st.lists(PIECES, max_size=8).map("".join)
NAMES = st.sampled_from(["A", "path_2", "a.b", "REM", "__name__", "x-y", "a b", "[x", "a:b", "#c"])


def runs(ini: Path, name: str) -> tuple[list[str], dict[str, str]]:
    """Command and own environment of a watcher's process, as Circus makes them."""
    (watcher,) = (watcher for watcher in get_config(str(ini))["watchers"] if watcher["name"] == name)
    stock = parse_env_dict(dict(watcher["env"]))
    ours = expand_references(dict(watcher["env"]))
    changed = {key: value for key, value in ours.items() if stock.get(key) != value}
    assert not {key for key in changed if key in ("A", "path_2", "a.b", "x-y")}
    command = replace_gnu_args(watcher["cmd"], env=ours)
    words = Process(name, 7, command, env=ours, spawn=False).format_args()
    if words[0] == "env":
        rest = next(place for place, word in enumerate(words[1:], 1) if "=" not in word)
        ours |= dict(word.split("=", 1) for word in words[1:rest])
        words = words[rest:]
    return words, ours


@settings(deadline=None, max_examples=300)
@given(values=st.dictionaries(NAMES, TEXT, max_size=4), arguments=st.lists(TEXT, max_size=4))
def test_circus_reads_back_every_word_and_value(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], arguments: list[str]
) -> None:
    app = {"script": "app.py", "name": "app", "interpreter": "interpret", "args": arguments, "env": values}
    translation = translated(app)
    lossy = [line.option for line in translation.lines if line.outcome is Outcome.NOT_MAPPED]
    if "script" in lossy:
        assert any("\n" in argument for argument in arguments)
        return
    ini = tmp_path_factory.getbasetemp() / "circus.ini"
    ini.write_text(translation.ini)
    words, found = runs(ini, "app")
    assert words == ["interpret", "app.py", *arguments]
    kept = {name: value for name, value in values.items() if f"env.{name}" not in lossy}
    assert {name: found.get(name) for name in kept} == kept
    assert all("\n" in values[name] for name in values if name not in kept)

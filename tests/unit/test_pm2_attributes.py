"""Every attribute of PM2's becomes an option or a line that says why not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bisnes_supervisor.pm2 import Outcome
from bisnes_supervisor.pm2.attributes import ATTRIBUTES
from tests.fixtures.pm2 import lines, options, outcome, sections, translated

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

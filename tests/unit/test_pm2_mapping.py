"""PM2's rules and logs become options of ours."""

from __future__ import annotations

from typing import Any

import pytest

from bisnes_supervisor.pm2 import Outcome
from bisnes_supervisor.policy import read_policy
from tests.fixtures.pm2 import options, outcome

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

"""What a watcher's options mean, and which are refused."""

from __future__ import annotations

import re

import pytest

from bisnes_supervisor.policy import POLICY_OPTIONS, BadPolicy, Policy, duration_s, read_policy, size_bytes
from bisnes_supervisor.probe import parse_address
from bisnes_supervisor.settings import read_settings


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("5s", 5), ("1.5 s", 1.5), ("10m", 600), ("2h", 7200), ("1d", 86400)]
)
def test_durations_carry_their_unit(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1G", 1024**3), ("300M", 300 * 1024**2), ("64k", 65536), ("1000", 1000), ("1.5GB", 1.5 * 1024**3)],
)
def test_sizes_are_powers_of_1024_as_in_pm2(text: str, size: float) -> None:
    assert size_bytes(text) == size


def test_without_options_the_defaults_hold() -> None:
    policy = read_policy({"cmd": "app", "numprocesses": 2, "copy_env": True, "stdout_stream.class": "X"})
    assert policy == Policy()
    assert policy.restart_window_s == policy.max_restarts * policy.min_uptime_s


def test_the_designs_rule_for_wwebjs() -> None:
    options = {"restart_delay": "5s", "max_restarts": "10", "min_uptime": "10s", "max_memory_restart": "4G"}
    policy = read_policy(options)
    assert (policy.restart_delay_s, policy.max_restarts, policy.min_uptime_s) == (5, 10, 10)
    assert policy.restart_window_s == 10 * (10 + 5), "ten lives and the delays between them fit in"
    assert policy.memory_hard_bytes == 4 * 1024**3
    assert policy.memory_soft_bytes == int(0.9 * 4 * 1024**3)


def test_off_and_never() -> None:
    options = {"soft_memory_restart": "off", "max_memory_restart": "1G", "errored_retry": "never"}
    policy = read_policy(options | {"exp_backoff_restart_delay": "off"})
    assert policy.memory_soft_bytes is None
    assert policy.errored_retry_s is None
    assert policy.backoff_first_s == 0


@pytest.mark.parametrize(
    ("name", "value", "wants"),
    [
        ("restart_delay", "5000", "its unit"),
        ("min_uptime", "-1s", "its unit"),
        ("max_restarts", "0", "whole number"),
        ("max_restarts", "many", "whole number"),
        ("max_memory_restart", "lots", "K, M or G"),
        ("nice", "-5", "0 to 19"),
        ("nice", "20", "0 to 19"),
        ("stop_exit_codes", "0 300", "exit codes"),
        ("cron_restart", "61 * * * *", "cron expression"),
        ("wait_ready", "3000", "http://"),
        ("live", "unix:a.sock:health", "http://"),
        ("kill_timeout", "1600", "its unit"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_with_what_is_wanted(name: str, value: str, wants: str) -> None:
    with pytest.raises(BadPolicy, match=f"{name} = {re.escape(value)}: .*{wants}"):
        read_policy({name: value})


def test_a_misspelled_option_is_refused_and_a_foreign_one_is_not() -> None:
    with pytest.raises(BadPolicy, match="did you mean restart_delay"):
        read_policy({"restart_dealy": "5s"})
    assert read_policy({"start_unless_set": "X", "team": "payments", "max_retry": 5, "max_age": "60"}) == Policy()


def test_no_option_of_ours_resembles_another_so_much_that_it_would_be_refused() -> None:
    for name in POLICY_OPTIONS:
        with pytest.raises(BadPolicy, match=rf"^{name} ="):
            read_policy({name: "\0"}) if name not in ("watch", "ignore_watch", "start_while") else _refuse(name)


def _refuse(name: str) -> None:
    read_policy({name: "x"})
    raise BadPolicy(f"{name} = takes any words")


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "target"),
    [
        ("http://127.0.0.1:3000/health/ready", "127.0.0.1", 3000, "", "/health/ready"),
        ("http://localhost", "localhost", 80, "", "/"),
        ("tcp:127.0.0.1:3000", "127.0.0.1", 3000, "", None),
        ("unix:app-1.sock", None, 0, "app-1.sock", None),
        ("unix:/run/app-1.sock:/live?x=1", None, 0, "/run/app-1.sock", "/live?x=1"),
        ("unix:app-$(circus.wid).sock:/ready", None, 0, "app-$(circus.wid).sock", "/ready"),
    ],
)
def test_addresses_of_readiness(text: str, host: str | None, port: int, path: str, target: str | None) -> None:
    address = parse_address(text)
    assert (address.host, address.port, address.path, address.target) == (host, port, path, target)


def test_the_common_section_is_checked_as_well() -> None:
    settings = read_settings({"restart_budget": "30", "sample_every": "500ms", "journal": "var/events.jsonl"})
    assert settings.restarts_per_s == 0.5
    assert settings.sample_every_s == 0.5
    assert settings.journal is not None
    assert settings.journal.is_absolute()
    for options in ({"restart_budget": "0"}, {"sample_every": "2"}, {"jurnal": "x"}):
        with pytest.raises(BadPolicy, match=r"\[supervisor\]"):
            read_settings(options)

"""The systemd unit: systemd itself finds nothing wrong with it, and takes every value as it was meant."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bisnes_supervisor import startup
from bisnes_supervisor.startup import unit_text

OWN_USER = pwd.getpwuid(os.getuid()).pw_name


def unit(home: Path, *start: str, **options: object) -> str:
    return unit_text(start or (sys.executable, "-m", "x"), user=OWN_USER, home=home, **options)  # type: ignore[arg-type]


def lines_of(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("name", ["plain", "with space", "100% 'odd' \"home\" \\ $HOME"])
def test_systemd_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    text = unit(
        home,
        prepare=[sys.executable, "-c", f"print({name!r})"],
        environment={"GREETING": "100% of $HOME"},
        environment_file=home / "variables",
    )
    path = tmp_path / "gateway.service"
    path.write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_it_comes_back_however_it_ends_and_a_hung_one_is_restarted() -> None:
    text = unit(Path("/srv/gateway"))
    for line in ("Type=notify", "NotifyAccess=all", "Restart=always", "StartLimitIntervalSec=0", "KillMode=mixed"):
        assert line in text.splitlines()
    assert int(lines_of(text, "TimeoutStopSec")[0]) > 40, "the longest graceful_timeout of circus.ini, and the services"
    assert int(lines_of(text, "WatchdogSec")[0]) > 0


def test_values_with_a_meaning_for_systemd_lose_it() -> None:
    text = unit(Path("/srv/50% of it"), "/bin/x", "a b", "$HOME", 'say "hi"', "", environment={"A": "1 % 2"})
    assert lines_of(text, "ExecStart") == [r'/bin/x "a b" $$HOME "say \"hi\"" ""']
    assert lines_of(text, "WorkingDirectory") == ["/srv/50%% of it"]
    assert lines_of(text, "ReadWritePaths") == ['"/srv/50%% of it"']
    assert lines_of(text, "Environment") == ['"A=1 %% 2"']


def test_no_value_can_add_a_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        unit(Path("/srv"), environment={"A": "1\nUser=root"})


def test_the_command_prints_a_unit_for_the_owner_of_the_home(tmp_path: Path) -> None:
    printed = CliRunner().invoke(startup.startup, ["systemd", "--home", str(tmp_path), "--name", "gate"])
    assert printed.exit_code == 0, printed.output
    assert lines_of(printed.output, "User") == [OWN_USER]
    assert lines_of(printed.output, "WorkingDirectory") == [str(tmp_path)]
    assert lines_of(printed.output, "ExecStart")[0].endswith("/bisnes-circusd circus.ini")
    other = ["--exec", "/bin/x 'a b'", "--user", "daemon", "--env-file", "/etc/gate.env", "--output", "-"]
    printed = CliRunner().invoke(startup.startup, ["systemd", "--home", str(tmp_path), *other])
    assert lines_of(printed.output, "ExecStart") == ['/bin/x "a b"']
    assert lines_of(printed.output, "User") == ["daemon"]
    assert lines_of(printed.output, "EnvironmentFile") == ["-/etc/gate.env"]


def test_installing_writes_it_where_systemd_looks_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "UNITS", tmp_path)
    done = CliRunner().invoke(startup.startup, ["systemd", "--home", str(tmp_path), "--name", "gate", "--install"])
    assert done.exit_code == 0, done.output
    assert "[Install]" in (tmp_path / "gate.service").read_text()
    assert done.output.splitlines()[1:] == ["  systemctl daemon-reload", "  systemctl enable --now gate"]

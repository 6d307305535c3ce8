"""What `bisnes` makes of settings: ports, secrets, addresses."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bisnes_cli.errors import USAGE, Refused
from bisnes_cli.installation import PORT_STEP, Installation, is_free, next_free
from bisnes_core.settings import Settings


def installation(home: Path, **settings: object) -> Installation:
    return Installation(Settings(home=home, **settings))  # type: ignore[arg-type]  # the model checks them


def test_secrets_are_made_once_and_kept_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = installation(tmp_path)
    here.make_folders()
    made = here.secrets()
    assert set(made) == {"ENCRYPTION_KEY", "META_APP_SECRET", "META_WEBHOOK_VERIFY_TOKEN"}
    assert len(bytes.fromhex(made["ENCRYPTION_KEY"])) == 32
    assert (tmp_path / "var/secrets.env").stat().st_mode & 0o777 == 0o600
    again = installation(tmp_path)
    assert again.secrets() == made
    assert again.settings.encryption_key is not None, "every process in this folder finds them by itself"
    assert again.settings.encryption_key.get_secret_value() == made["ENCRYPTION_KEY"]


def test_a_given_secret_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = installation(tmp_path, meta_app_secret="given")
    here.make_folders()
    assert "META_APP_SECRET" not in here.secrets()
    assert "given" not in (tmp_path / "var/secrets.env").read_text()


def test_folders_of_sockets_and_logs_are_closed_to_others(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o755)
    installation(tmp_path, socket_dir=run_dir).make_folders()
    assert run_dir.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
        ("gateway.example", "http://gateway.example:3000"),
    ],
)
def test_the_api_is_called_at_an_address_of_this_machine(tmp_path: Path, host: str, url: str) -> None:
    assert installation(tmp_path, api_host=host).api_url == url


def test_the_next_free_port_keeps_its_last_digits() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        if port + 2 * PORT_STEP > 65_535:
            pytest.skip("too near to the end of the range")
        assert not is_free(port)
        assert next_free(port, set()) % PORT_STEP == port % PORT_STEP
        assert next_free(port, {port + PORT_STEP}) > port + PORT_STEP


def test_chosen_ports_are_told_from_defaults_in_the_environment_and_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("BISNES_RELAY_PORT=4003\n")
    monkeypatch.setenv("API_PORT", "4000")
    assert installation(tmp_path).given_ports() == {"api", "relay"}


def test_variables_of_this_folders_env_file_reach_circusd_below_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://file\nREDIS_URL=redis://file\n")
    monkeypatch.setenv("REDIS_URL", "redis://caller")
    here = installation(tmp_path)
    here.make_folders()
    environment = here.environment()
    assert environment["DATABASE_URL"] == "postgresql://file"
    assert environment["REDIS_URL"] == "redis://caller"
    assert environment["BISNES_HOME"] == str(tmp_path)
    assert environment["PATH"] == os.environ["PATH"]


def test_a_malformed_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BISNES_API_PORT", "three thousand")
    with pytest.raises(Refused, match="BISNES_API_PORT") as refused:
        Installation.find()
    assert refused.value.exit_code == USAGE


def test_a_home_may_bring_its_own_ini(tmp_path: Path) -> None:
    here = installation(tmp_path)
    assert here.configuration("circus.ini").parent != tmp_path
    (tmp_path / "circus.ini").write_text("[circus]\n")
    assert here.configuration("circus.ini").parent == tmp_path

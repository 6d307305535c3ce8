"""The gateway's processes: what the supervisor's commands are told of this installation, and `down`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import click

from bisnes_cli.errors import NOT_RUNNING, Refused
from bisnes_cli.installation import Installation
from bisnes_core.settings import Settings
from bisnes_supervisor.cli.project import Columns, LogFile, Project, Stream

if TYPE_CHECKING:
    from db.pool import Pool

#: A person waits for a table that is worth reading without the database as well.
DATABASE_PATIENCE_S = 1.0


def project() -> Project:
    """This installation, for the supervisor's commands."""
    installation = Installation.find()
    workloads = Workloads(installation.settings)
    click.get_current_context().find_root().call_on_close(workloads.close)
    return Project(
        installation.supervisor,
        lambda: _log_files(installation),
        Columns(("phones", "queue"), workloads.read),
    )


def _log_files(installation: Installation) -> list[LogFile]:
    """Every `<process>-out.log` and `<process>-error.log` that is there."""
    streams: tuple[Stream, ...] = ("out", "error")
    files = [
        LogFile(path, path.stem.removesuffix(f"-{stream}"), stream)
        for stream in streams
        for path in installation.logs.glob(f"*-{stream}.log")
    ]
    return sorted(files, key=lambda file: file.path)


class Workloads:
    """Phones and waiting messages of each channel, straight from the database.

    Args:
        settings: say where it is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: Pool | None = None

    def read(self) -> Mapping[str, Mapping[str, int]]:
        """By channel; empty while the database does not answer."""
        from bisnes_core.channel import ENTRY_POINT_GROUP
        from db.pool import DatabaseAway
        from db.workload import workload

        try:
            with self._opened().connection() as connection:
                found = workload(connection)
        except DatabaseAway:
            return {}
        idle = {name: {"phones": 0, "queue": 0} for name in entry_points(group=ENTRY_POINT_GROUP).names}
        return idle | {name: {"phones": one.phones, "queue": one.queued} for name, one in found.items()}

    def _opened(self) -> Pool:
        """The pool, opened when it is first asked for; what it logs would stand in the middle of the table."""
        if self._pool is None:
            import structlog

            from db.pool import Pool

            logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
            self._pool = Pool(self._settings, patience_s=DATABASE_PATIENCE_S)
            self._pool.open()
        return self._pool

    def close(self) -> None:
        """Ends the connections."""
        if self._pool is not None:
            self._pool.close()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def down(as_json: bool) -> None:
    """Stop the gateway, detached or not, and leave no process behind.

    Example: down
    """
    from bisnes_cli.gateway import stop_by_pid_file

    supervisor = Installation.find().supervisor
    circusd = supervisor.process()
    if circusd is None or not stop_by_pid_file(supervisor, lambda line: click.echo(line, err=as_json)):
        raise Refused("No gateway runs here.", NOT_RUNNING)
    click.echo(
        json.dumps({"command": "down", "circusd": circusd.pid}) if as_json else "stopped; the data stays in var/"
    )

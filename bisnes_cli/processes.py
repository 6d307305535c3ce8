"""`status`, `logs`, `restart`, `reload`, `scale`, `stop`, `start`: what an operator does with processes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from bisnes_cli.control import Supervisor
from bisnes_cli.errors import NOT_RUNNING, Refused
from bisnes_cli.gateway import last_lines
from bisnes_cli.installation import Installation

#: Between two looks at growing log files; a reader does not notice it.
FOLLOW_S = 0.2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def status(as_json: bool) -> None:
    """Show every process: state, pid, age, memory and CPU."""
    supervisor = Installation.find().supervisor
    states = supervisor.statuses()
    figures = supervisor.stats()
    rows = [row for name in sorted(states) for row in _rows(name, states[name], figures.get(name, {}))]
    if as_json:
        circusd = supervisor.process()
        click.echo(json.dumps({"circusd": circusd and circusd.pid, "endpoint": supervisor.endpoint, "processes": rows}))
        return
    click.echo(f"{'process':<12}{'state':<10}{'pid':>8}{'up':>10}{'cpu %':>8}{'memory':>10}")
    for row in rows:
        age = "" if row["age_s"] is None else f"{row['age_s']:.0f} s"
        click.echo(
            f"{row['process']:<12}{row['state']:<10}{row['pid'] or '':>8}{age:>10}"
            f"{'' if row['cpu_percent'] is None else row['cpu_percent']:>8}{row['memory'] or '':>10}"
        )


def _rows(name: str, state: str, figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    running = {pid: figure for pid, figure in figures.items() if isinstance(figure, dict) and "age" in figure}
    for pid, figure in running.items():
        yield {
            "process": name,
            "state": state,
            "pid": int(pid),
            "age_s": round(figure["age"], 1),
            "cpu_percent": figure["cpu"],
            "memory": figure["mem_info1"],
        }
    if not running:
        yield {"process": name, "state": state, "pid": None, "age_s": None, "cpu_percent": None, "memory": None}


@click.command()
@click.argument("process", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on printing until Ctrl-C.")
@click.option("-n", "--lines", default=20, show_default=True, help="Last lines of each file to begin with.")
def logs(process: str | None, follow: bool, lines: int) -> None:
    """Print the logs of PROCESS, or of all processes, output and errors.

    The files are logs/PROCESS-out.log and logs/PROCESS-error.log, rotated as .1, .2 and so on.
    """
    folder = Installation.find().logs
    files = sorted(folder.glob(f"{process or '*'}-*.log"))
    if not files:
        known = sorted({path.name.rpartition("-")[0] for path in folder.glob("*-*.log")})
        raise Refused(
            f"{folder} holds no logs of {process or 'any process'}; there are: {', '.join(known) or 'none yet'}"
        )
    width = max(len(path.stem) for path in files)
    for path in files:
        for line in last_lines(path, lines):
            click.echo(f"{path.stem:<{width}} | {line}")
    if follow:
        for path, line in _follow(files):
            click.echo(f"{path.stem:<{width}} | {line}")


def _follow(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Lines as they are written, also across rotation."""
    readers: dict[Path, tuple[BinaryIO, bytes]] = {path: (_at_end(path), b"") for path in paths}
    while True:
        for path, (file, rest) in readers.items():
            *whole, rest = (rest + file.read()).split(b"\n")
            for line in whole:
                yield path, line.decode("utf-8", "replace")
            if path.exists() and path.stat().st_ino != Path(f"/proc/self/fd/{file.fileno()}").stat().st_ino:
                file.close()
                file = path.open("rb")
            readers[path] = (file, rest)
        time.sleep(FOLLOW_S)  # noqa: TID251 - a growing file sends no event


def _at_end(path: Path) -> BinaryIO:
    file = path.open("rb")
    file.seek(0, 2)
    return file


def _known(supervisor: Supervisor, process: str) -> str:
    known = supervisor.statuses()
    if process not in known:
        raise Refused(f"There is no process {process!r}; there are: {', '.join(sorted(known))}")
    return process


def _act(command: str, process: str, done: str, **properties: Any) -> None:
    supervisor = Installation.find().supervisor
    supervisor.act(command, _known(supervisor, process), **properties)
    click.echo(f"{process}: {done}; pids {', '.join(map(str, supervisor.pids(process))) or 'none'}")


@click.command()
@click.argument("process")
def restart(process: str) -> None:
    """Stop all instances of PROCESS and start them anew. No connection to the API is refused meanwhile."""
    _act("restart", process, "restarted")


@click.command()
@click.argument("process")
def reload(process: str) -> None:
    """Start new instances of PROCESS and stop the old ones."""
    _act("reload", process, "reloaded")


@click.command()
@click.argument("process")
def start(process: str) -> None:
    """Start PROCESS after a `stop`."""
    _act("start", process, "started")


@click.command()
@click.argument("process")
def stop(process: str) -> None:
    """Stop PROCESS until a `start`. What waits for it stays in PostgreSQL."""
    _act("stop", process, "stopped")


@click.command()
@click.argument("process")
@click.argument("instances", type=click.IntRange(min=0))
def scale(process: str, instances: int) -> None:
    """Run that many INSTANCES of PROCESS until the gateway is stopped; circus.ini says how many to begin with."""
    supervisor = Installation.find().supervisor
    supervisor.call("set", name=_known(supervisor, process), options={"numprocesses": instances}, waiting=True)
    click.echo(f"{process}: {instances} wanted; pids {', '.join(map(str, supervisor.pids(process))) or 'none'}")


@click.command()
def down() -> None:
    """Stop the gateway, detached or not, and leave no process behind."""
    from bisnes_cli.gateway import stop_by_pid_file

    if not stop_by_pid_file(Installation.find().supervisor, click.echo):
        raise Refused("No gateway runs here.", NOT_RUNNING)
    click.echo("stopped; the data stays in var/")

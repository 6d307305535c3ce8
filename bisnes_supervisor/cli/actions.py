"""`start`, `stop`, `restart`, `reload`, `scale`, `reset`, `save`, `resurrect`, `quit`: what changes processes.

Each waits until what it asked for is done, and says what came of it. Ctrl-C ends the waiting, not the work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any

import click
import psutil

from bisnes_supervisor.cli.control import ACTION_S, Supervisor
from bisnes_supervisor.cli.errors import FAILED, NOT_RUNNING, Refused
from bisnes_supervisor.cli.project import Project, pass_project

#: Given as a name: every process.
ALL = "all"

#: An orderly stop of everything; the largest `graceful_timeout`s, one priority after another, fit in.
QUIT_S = 300.0

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@as_json_option
@pass_project
def start(project: Project, names: tuple[str, ...], as_json: bool) -> None:
    """Start what is stopped or errored.

    It is waited for until it is ready. `all` means every process.

    Example: start web mailer
    """
    _do(project.supervisor, "start", names, "started", as_json)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@as_json_option
@pass_project
def stop(project: Project, names: tuple[str, ...], as_json: bool) -> None:
    """Stop processes until a `start`.

    `all` means every process, lower priorities first.

    Example: stop mailer
    """
    _do(project.supervisor, "stop", names, "stopped", as_json)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@as_json_option
@pass_project
def restart(project: Project, names: tuple[str, ...], as_json: bool) -> None:
    """Stop processes and start them anew.

    They are waited for until they are ready; connections to a socket that circusd holds wait meanwhile. `all` means
    every process that is not stopped.

    Example: restart web
    """
    _do(project.supervisor, "restart", names, "restarted", as_json)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@as_json_option
@pass_project
def reload(project: Project, names: tuple[str, ...], as_json: bool) -> None:
    """Replace instances without a gap.

    One after another, each when its successor is ready. A new version that does not get ready stops the roll, and the
    old instances go on serving. `all` means every process that is not stopped.

    Example: reload web
    """
    _do(project.supervisor, "reload", names, "reloaded", as_json)


@click.command()
@click.argument("name")
@click.argument("instances", type=click.IntRange(min=0))
@as_json_option
@pass_project
def scale(project: Project, name: str, instances: int, as_json: bool) -> None:
    """Run so many INSTANCES of a process.

    `save` keeps that for the next start of circusd.

    Example: scale web 4
    """
    supervisor = project.supervisor
    [name] = supervisor.known([name])
    supervisor.act("set", name, options={"numprocesses": instances})
    pids = supervisor.pids(name)
    if as_json:
        click.echo(json.dumps({"command": "scale", "process": name, "wanted": instances, "pids": pids}))
    else:
        click.echo(f"{name}: {instances} wanted; {_said(pids)}")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@as_json_option
@pass_project
def reset(project: Project, names: tuple[str, ...], as_json: bool) -> None:
    """Forget restarts; errored instances start.

    Without a name those of every process.

    Example: reset mailer
    """
    supervisor = project.supervisor
    chosen = _chosen(supervisor, names or (ALL,))
    for name in chosen:
        supervisor.call("reset", name=name)
    click.echo(json.dumps({"command": "reset", "processes": chosen}) if as_json else f"reset: {', '.join(chosen)}")


@click.command()
@click.option("--forget", is_flag=True, help="Drop what was saved: the next start goes by the configuration alone.")
@as_json_option
@pass_project
def save(project: Project, forget: bool, as_json: bool) -> None:
    """Keep scale and stopped states.

    The next start of circusd applies them.

    Example: save
    """
    saved = project.supervisor.call("save", forget=forget)["saved"]
    if as_json:
        click.echo(json.dumps({"command": "save", "saved": saved}))
    elif forget:
        click.echo("forgotten: the next start goes by the configuration alone")
    else:
        kept = (f"{name} {'stopped' if one['stopped'] else one['numprocesses']}" for name, one in sorted(saved.items()))
        click.echo(f"saved for the next start: {', '.join(kept)}")


@click.command()
@as_json_option
@pass_project
def resurrect(project: Project, as_json: bool) -> None:
    """Apply what was saved to what runs.

    Example: resurrect
    """
    names = project.supervisor.call("resurrect", ACTION_S, waiting=True)["resurrected"]
    if as_json:
        click.echo(json.dumps({"command": "resurrect", "processes": names}))
    else:
        click.echo(f"as it was saved: {', '.join(names)}" if names else "nothing was saved")


@click.command("quit")
@as_json_option
@pass_project
def quit_circusd(project: Project, as_json: bool) -> None:
    """Stop every process and circusd itself.

    Example: quit
    """
    pid = project.supervisor.pid()
    circusd = _process(pid)
    try:
        project.supervisor.call("quit", QUIT_S, waiting=True)
    except Refused as refused:
        if refused.exit_code != NOT_RUNNING:  # it may end before it answers
            raise
    _until_ended(circusd)
    click.echo(json.dumps({"command": "quit", "circusd": pid}) if as_json else f"circusd {pid} has ended")


def _do(supervisor: Supervisor, command: str, names: Iterable[str], done: str, as_json: bool) -> None:
    chosen = _chosen(supervisor, names, but="stopped" if command in ("restart", "reload") else "")
    results: list[dict[str, Any]] = []
    for together in _rounds(supervisor, command, chosen):
        with ThreadPoolExecutor(len(together)) as pool:
            for result in pool.map(partial(_one, supervisor, command), together):
                results.append(result)
                if not as_json:
                    say = f"{done}; {_said(result['pids'])}" if result["done"] else result["reason"]
                    click.echo(f"{result['process']}: {say}", err=not result["done"])
    if as_json:
        click.echo(json.dumps({"command": command, "processes": results}))
    if not all(result["done"] for result in results):
        raise SystemExit(FAILED)


def _rounds(supervisor: Supervisor, command: str, names: list[str]) -> list[list[str]]:
    """What is done at the same time.

    All is started at once, as one may wait for another. What is stopped has its turn by priority, so that a database
    outlives those that write to it. What is away for a while, or twice there, is so alone.
    """
    if command == "start":
        return [names]
    if command != "stop":
        return [[name] for name in names]
    answers = {name: supervisor.call("get", name=name, keys=["priority"]) for name in names}
    priorities = {name: int(answer["options"]["priority"]) for name, answer in answers.items()}
    return [list(same) for _, same in groupby(sorted(names, key=priorities.__getitem__), priorities.__getitem__)]


def _one(supervisor: Supervisor, command: str, name: str) -> dict[str, Any]:
    reason = None
    try:
        supervisor.act(command, name)
    except Refused as refused:
        if refused.exit_code != FAILED:
            raise
        reason = refused.message.replace(f"{name}: ", "", 1)
    return {"process": name, "done": reason is None, "reason": reason, "pids": supervisor.pids(name)}


def _chosen(supervisor: Supervisor, names: Iterable[str], but: str = "") -> list[str]:
    """The processes with these names; `all` means every one that is not in the state `but`."""
    names = list(names)
    if ALL in names:
        return [name for name, state in sorted(supervisor.statuses().items()) if state != but]
    return supervisor.known(names)


def _said(pids: list[int]) -> str:
    return f"pids {', '.join(map(str, pids)) or 'none'}"


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:  # of another container
        return None


def _until_ended(circusd: psutil.Process | None) -> None:
    try:
        if circusd is not None:
            circusd.wait(QUIT_S)
    except psutil.TimeoutExpired as late:
        raise Refused(f"circusd ({late.pid}) has stopped everything but does not end within {QUIT_S:g} s.") from late

"""`bisnes up`: starts everything, says what it waits for, and tells what runs where."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psutil

from bisnes_cli import demo as demo_company
from bisnes_cli.demo import Demo
from bisnes_cli.errors import ALREADY_RUNNING, Refused
from bisnes_cli.gateway import Interrupted, end_orphans, interrupt_on_request, looks, start, stop
from bisnes_cli.http import Api
from bisnes_cli.installation import PORT_VARIABLES, Installation, is_free, next_free
from bisnes_supervisor.cli.logfile import last_lines

#: A first start creates the database (about 2 s) and compiles every module; a loaded machine takes several times that.
READY_S = 120.0

#: A channel starts within seconds of its first phone; one that an operator has stopped does not.
CHANNELS_S = 15.0

#: Watchers without a heartbeat of their own.
SERVICES = ("postgres", "valkey", *demo_company.SIMULATOR_PORTS)


@click.command()
@click.option("--demo", is_flag=True, help="Also start a simulated WhatsApp, a demo company and a first message.")
@click.option("-d", "--detach", is_flag=True, help="Return once everything is ready; stop it with `bisnes down`.")
def up(demo: bool, detach: bool) -> None:
    """Start the gateway and stay until Ctrl-C, which stops it and leaves no process behind.

    PostgreSQL and Valkey are started as well, unless DATABASE_URL and REDIS_URL name yours. Data is kept in var/, logs
    in logs/. A taken port is an error; with --demo the next free one is used instead.
    """
    began_at = time.monotonic()
    installation = Installation.find()
    running = installation.supervisor.process()
    if running is not None:
        raise Refused(
            f"A gateway already runs here (circusd pid {running.pid}). See: bisnes status. Stop: bisnes down",
            ALREADY_RUNNING,
        )
    installation.make_folders()
    environment = installation.environment()
    kept = Demo.load(installation) if demo else None
    ports = _choose_ports(installation, kept)
    environment |= {PORT_VARIABLES[watcher]: str(port) for watcher, port in ports.items() if watcher in PORT_VARIABLES}
    if kept is not None:
        environment |= demo_company.settings(ports)
        kept.ports = ports
        kept.save()
    installation = _with_ports(installation, ports)

    ini = installation.configuration("circus.demo.ini" if demo else "circus.ini")
    child = start(ini, installation.home, environment, detached=detach)
    run = _Run(installation, child, ports, time.monotonic())
    try:
        interrupt_on_request()
        run.wait_until_ready()
        lines = "" if kept is None else _prepare_demo(run, kept)
        run.show()
        click.echo(f"\n{lines}" if lines else "")
        run.show_commands(time.monotonic() - began_at, detached=detach)
        if detach:
            return
        child.wait()
        run.explain_end()
    except Interrupted:
        run.stop()
    except BaseException:  # whatever ends this command, the gateway that it started ends with it
        run.stop()
        raise


def _choose_ports(installation: Installation, kept: Demo | None) -> dict[str, int]:
    """The settings' ports; in a demo, free ones near them for those that nobody chose.

    Raises:
        Refused: when a port is taken that may not be exchanged for another.
    """
    ports: dict[str, int] = {}
    given = installation.given_ports()
    for watcher, variable in PORT_VARIABLES.items():
        wanted = installation.port(watcher)
        if kept is not None and watcher not in given:
            ports[watcher] = _nearby(watcher, wanted, kept, set(ports.values()))
        elif is_free(wanted):
            ports[watcher] = wanted
        else:
            raise Refused(
                f"Port {wanted} of `{watcher}` is in use: stop what uses it, or set {variable} to another port."
            )
    if kept is not None:
        for simulator, port in demo_company.SIMULATOR_PORTS.items():
            ports[simulator] = _nearby(simulator, port, kept, set(ports.values()))
    return ports


def _nearby(watcher: str, wanted: int, kept: Demo, taken: set[int]) -> int:
    """The last run's port, else the usual one, else the next that is free."""
    last = kept.ports.get(watcher, wanted)
    port = next_free(last, taken)
    if port != last:
        click.echo(f"port {last} of `{watcher}` is in use: taking {port}")
    return port


def _with_ports(installation: Installation, ports: dict[str, int]) -> Installation:
    return Installation(installation.settings.model_copy(update={"api_port": ports["api"]}))


@dataclass
class _Run:
    """The gateway that this command started."""

    installation: Installation
    child: subprocess.Popen[bytes]
    ports: dict[str, int]
    started_at: float

    def wait_until_ready(self) -> None:
        """Waits for the API and for a heartbeat of every process, saying so.

        Raises:
            Refused: when circusd ends or the time is up; the sentence shows where to look.
        """
        said = ""
        for _ in looks(READY_S):
            if self.child.poll() is not None:
                tail = last_lines(self.installation.logs / "circusd-error.log", 3)
                raise Refused("circusd ended at once: " + (" / ".join(tail) or "see logs/circusd.log"))
            missing = self._missing()
            if missing is None:
                return
            if missing != said:
                said = missing
                click.echo(f"waiting for {missing}")
        raise Refused(
            f"Not ready after {READY_S:g} s, still waiting for {said}. See: bisnes logs, and logs/circusd.log"
        )

    def wait_for_channels(self, names: Collection[str]) -> None:
        """Waits until the processes of these channels, which have phones, are there."""
        for _ in looks(CHANNELS_S):
            states = self.installation.supervisor.statuses()
            if all(states.get(name) != "stopped" for name in names) and self._missing() is None:
                return

    def _missing(self) -> str | None:
        """What is not there yet, in words; None when everything is."""
        try:
            states = self.installation.supervisor.statuses()
        except Refused:
            return "circusd"
        if states.get("postgres") == "active" and not (self.installation.run_dir / ".s.PGSQL.5432").exists():
            return "PostgreSQL (the first start creates its data)"
        api = Api(self.installation.api_url)
        try:
            ready = api.get("/health/ready")
        except Refused:
            return f"the API on port {self.ports['api']}"
        if ready.status != 200:
            return "the API to reach the database"
        return self._silent_processes(api, states)

    def _silent_processes(self, api: Api, states: dict[str, str]) -> str | None:
        """Processes whose heartbeat is missing."""
        health = api.get("/health").body
        if "processes" not in health:
            return "the API to reach the database"
        beating = _beating(health, time.monotonic() - self.started_at)
        silent = [
            name
            for name, state in states.items()
            if name not in SERVICES
            and state != "stopped"
            and beating[name] < len(self.installation.supervisor.pids(name))
        ]
        return f"the first heartbeat of {', '.join(sorted(silent))}" if silent else None

    def show(self) -> None:
        """Tells what runs where."""
        supervisor = self.installation.supervisor
        click.echo("\nwhat runs where")
        for name, state in sorted(supervisor.statuses().items()):
            pids = ", ".join(map(str, supervisor.pids(name))) if state != "stopped" else ""
            port = self.ports.get(name)
            where = f"port {port}" if port else ("Unix socket" if name in SERVICES else "")
            click.echo(f"  {name:<14}{where:<13}{f'pid {pids}' if pids else state}")
        home, circusd = self.installation.home, supervisor.process()
        click.echo(f"  {'circusd':<27}pid {circusd.pid if circusd else 'unknown'}")
        click.echo(f"  data in {home / 'var'}, logs in {self.installation.logs}")

    def show_commands(self, took_s: float, *, detached: bool) -> None:
        """Tells how to look and how to stop."""
        endpoint = self.installation.supervisor.endpoint
        click.echo(f"look    {_program('circusctl')} --endpoint {endpoint} status")
        click.echo(f"logs    {_program('bisnes')} logs -f")
        stop_line = f"{_program('bisnes')} down" if detached else "Ctrl-C"
        click.echo(f"stop    {stop_line}; the data stays in var/")
        click.echo(f"\nready after {took_s:.1f} s")

    def explain_end(self) -> None:
        """Tells why circusd ended though nobody asked this command to stop; after `bisnes down` all is well.

        Raises:
            Refused: when it was not told to.
        """
        code = self.child.returncode
        end_orphans(click.echo)
        if code != 0:
            log = self.installation.logs / "circusd.log"
            raise Refused(f"circusd ended with {code}; see {log}. Nothing runs any more.")
        click.echo("circusd was stopped; nothing runs any more")

    def stop(self) -> None:
        """Ends circusd and all below it."""
        click.echo("")
        if self.child.poll() is None:
            stop(psutil.Process(self.child.pid), click.echo)
            self.child.wait()
        end_orphans(click.echo)
        click.echo("stopped; the data stays in var/")


def _beating(health: Any, since_s: float) -> Counter[str]:
    """Instances with a heartbeat of this run, by process name, from the body of `/health`."""
    return Counter(
        name
        for name, process in health["processes"].items()
        for instance in process["instances"]
        if instance["status"] == "healthy" and instance["heartbeatAgeS"] <= since_s
    )


def _program(name: str) -> str:
    """A command of this .venv as it can be typed here."""
    own = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(own):
        return name
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _prepare_demo(run: _Run, kept: Demo) -> str:
    """Sets the demo up and sends its first message; answers the lines to show."""
    click.echo("creating the demo company, its phones and a key")
    api = demo_company.set_up(run.installation, kept)
    click.echo("sending a first message")
    message_id = demo_company.send_first_message(api)
    click.echo("the simulated WhatsApp has delivered it")
    run.wait_for_channels(demo_company.CHANNELS)
    url, company, scanned = run.installation.api_url, demo_company.COMPANY, demo_company.SCANNED_PHONE
    authorization = f"-H 'Authorization: Bearer {kept.key}'"
    return (
        f"key     {kept.key}\n"
        f"send    curl -X POST {url}/api/v2/messages/text/{company}/{demo_company.CHAT} {authorization} "
        "-H 'Content-Type: application/json' -d '{\"message\": \"Hello\"}'\n"
        f"read    curl {url}/api/v2/messages/{company}/{message_id} {authorization}\n"
        f"scan    {_program('bisnes')} demo scan   # pairs phone {scanned}, on WhatsApp Web; its QR:\n"
        f"qr      curl '{url}/api/v2/phones/{company}/{scanned}/qr?format=png' {authorization} -o qr.png"
    )

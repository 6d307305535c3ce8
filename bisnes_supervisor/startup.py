"""How the machine starts circusd when it boots, and again when it ends: a systemd unit, and the command that writes it.

The unit runs `bisnes-circusd` itself rather than a command that starts it: systemd then watches the warden, which turns
a hung circusd's SIGABRT into a graceful end of everything else, and no third process stays between them.
"""

from __future__ import annotations

import pwd
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

#: Where units of this machine's own are. Source: systemd.unit(5) of systemd 252, read 2026-11-24.
UNITS = Path("/etc/systemd/system")

#: An orderly stop of everything; longer than the largest `graceful_timeout` and those of the services after it.
STOP_S = 90

UNIT = """\
# Written by: {command}
[Unit]
Description={description}
Documentation=https://circus.readthedocs.io/
Wants=network-online.target
# Servers of this machine, where they are used: started before, stopped after.
After=network-online.target postgresql.service redis-server.service valkey.service
StartLimitIntervalSec=0

[Service]
# The main process is the warden; circusd, its child, says when it is ready and that it is alive.
Type=notify
NotifyAccess=all
User={user}
WorkingDirectory={home}
{environment}{prepare}ExecStart={start}

# However it ends, it comes back. The warden has ended everything by then; what it could not end, systemd kills.
Restart=always
RestartSec=1
# From a circusd that hangs to SIGABRT. The warden passes that on and ends the rest gracefully.
WatchdogSec=30
# SIGTERM to the warden alone: circusd stops its processes in order.
KillMode=mixed
TimeoutStopSec={stop_s}
# A process that the kernel kills for its memory is circusd's to start again.
OOMPolicy=continue
LimitNOFILE=65536

# What the processes may do. Left out:
#   MemoryDenyWriteExecute: Chromium and node compile JavaScript to machine code while it runs;
#   RestrictNamespaces, PrivateUsers, SystemCallFilter: Chromium's sandbox makes user namespaces and calls chroot;
#   PrivateDevices: noexec on /dev reaches Chromium's shared memory in /dev/shm;
#   CapabilityBoundingSet: a circusd that runs as root may start watchers as other users (`uid`);
#   ProtectHome: the home may be below /home, and nothing else there can be written to anyway;
#   ProtectProc: the supervisor weighs and finds its processes in /proc.
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={writable}
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def unit_text(
    start: Sequence[str],
    *,
    user: str,
    home: Path,
    description: str = "Processes under Circus",
    prepare: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    environment_file: Path | None = None,
    stop_s: int = STOP_S,
    command: str = "bisnes_supervisor.startup",
) -> str:
    """A unit for systemd.

    Args:
        start: the command line that becomes, or starts, `bisnes-circusd` in the foreground; an absolute program.
        user: whom it runs as.
        home: absolute; its working directory, and the only folder that it may write to, apart from a /tmp of its own.
        description: one line.
        prepare: a command line that is run before it.
        environment: variables. No secrets: whoever may ask systemd reads them.
        environment_file: more of them, if the file exists. Not for a `.env` that the programs read themselves: systemd
            takes `NAME=value # comment` as a value with a comment in it.
        stop_s: longer than everything's graceful stop.
        command: how the unit was made.

    Raises:
        ValueError: when a value does not fit into one line.
    """
    lines = [f"Environment={_quoted(f'{name}={value}')}\n" for name, value in (environment or {}).items()]
    if environment_file is not None:
        lines.append(f"EnvironmentFile=-{_escaped(str(environment_file))}\n")
    return UNIT.format(
        command=_escaped(command),
        description=_escaped(description),
        user=_escaped(user),
        home=_escaped(str(home)),
        environment="".join(lines),
        prepare=f"ExecStartPre={_command_line(prepare)}\n" if prepare else "",
        start=_command_line(start),
        stop_s=stop_s,
        writable=_quoted(str(home)),
    )


def _escaped(text: str) -> str:
    """Text without meaning for systemd, which replaces `%x` nearly everywhere."""
    if not text.isprintable():
        raise ValueError(f"{text!r} cannot stand in a unit: it must be one line of text")
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word of a list."""
    text = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if set(text) & set(" ;'\\") or not text else text


def _command_line(words: Sequence[str]) -> str:
    """Words of a command, in which systemd would also replace `$NAME`."""
    return " ".join(_quoted(word).replace("$", "$$") for word in words)


@click.group()
def startup() -> None:
    """Let the machine start everything when it boots."""


@startup.command()
@click.option("--user", help="Whom it runs as. Default: the owner of the home folder.")
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    default=".",
    help="Working directory, the only folder that it writes to. Default: this one.",
)
@click.option("--name", default="bisnes", show_default=True, help="Name of the unit.")
@click.option("--exec", "line", help="Command line that starts it. Default: bisnes-circusd circus.ini.")
@click.option("--env-file", type=click.Path(resolve_path=True, path_type=Path), help="File of further variables.")
@click.option("--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="File; - prints it.")
@click.option("--install", is_flag=True, help="Write it where systemd looks, and say how to go on.")
def systemd(
    user: str | None, home: Path, name: str, line: str | None, env_file: Path | None, output: str, install: bool
) -> None:
    """Write a systemd unit: everything is started at boot, and again within seconds should it ever end."""
    default = [str(Path(sys.executable).with_name("bisnes-circusd")), "circus.ini"]
    text = unit_text(
        shlex.split(line) if line else default,
        user=user or _owner(home),
        home=home,
        description=name,
        environment_file=env_file,
        command=f"startup systemd --name {name} --home {shlex.quote(str(home))}",
    )
    if install:
        install_unit(name, text)
        return
    with click.open_file(output, "w", atomic=output != "-") as file:
        file.write(text)


def install_unit(name: str, text: str) -> None:
    """Writes a unit where systemd looks, and says how to go on."""
    path = UNITS / f"{name}.service"
    with click.open_file(str(path), "w", atomic=True) as file:
        file.write(text)
    click.echo(f"{path} is written. To start it now and at every boot:")
    click.echo(f"  systemctl daemon-reload\n  systemctl enable --now {name}")


def _owner(folder: Path) -> str:
    uid = folder.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

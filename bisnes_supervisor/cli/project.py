"""What the commands are about: a circusd, its log files, and columns that only this project has.

Whoever mounts the commands puts a function that answers a `Project` into click's `ctx.obj`; it is called once a command
really runs, so that `--help` needs no project.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Mapping
from configparser import Error as MalformedIni
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import click

from bisnes_supervisor.cli.control import Supervisor
from bisnes_supervisor.cli.errors import USAGE, Refused

#: Replaces the ini file's endpoint, here as in circusd.
ENDPOINT_VARIABLE = "CIRCUSD_ENDPOINT"

Stream = Literal["out", "error"]

#: Options of `[watcher:x]` that name log files; of a file for both streams, the last counts.
_STREAMS: dict[str, Stream] = {"stderr_stream.filename": "error", "stdout_stream.filename": "out"}

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class LogFile:
    """Where the output of one watcher goes."""

    path: Path
    process: str
    stream: Stream

    @property
    def label(self) -> str:
        """For the begin of each line."""
        return f"{self.process}-{self.stream}"


@dataclass(frozen=True)
class Columns:
    """Columns of the project's own.

    Attributes:
        names: in order.
        read: answers their values by process and name; what is missing is shown as `-`.
    """

    names: tuple[str, ...] = ()
    read: Callable[[], Mapping[str, Mapping[str, int]]] = dict


@dataclass(frozen=True)
class Project:
    """See above.

    Attributes:
        log_files: answers those that may be there; asked again and again while they are followed.
    """

    supervisor: Supervisor
    log_files: Callable[[], list[LogFile]]
    columns: Columns = field(default_factory=Columns)

    def rows(self) -> list[dict[str, Any]]:
        """Every instance, with the project's own columns."""
        rows = self.supervisor.table()
        own = self.columns.read()
        return [row | {name: own.get(row["process"], {}).get(name) for name in self.columns.names} for row in rows]


def of_configuration(path: Path, endpoint: str | None = None) -> Project:
    """The project of an ini file.

    Args:
        path: the file; without an endpoint it must exist.
        endpoint: of circusd, if not the file's or the environment's.
    """
    parser = _read(path, needed=endpoint is None)
    endpoint = endpoint or _variable(ENDPOINT_VARIABLE) or parser.dget("circus", "endpoint", "tcp://127.0.0.1:5555")
    scheme, separator, place = str(endpoint).partition("://")
    if scheme == "ipc":
        endpoint = f"{scheme}{separator}{_found(place, path.parent)}"
    supervisor = Supervisor(str(endpoint), start=f"bisnes-circusd {path}")
    return Project(supervisor, lambda: _log_files(parser, path.parent))


def _read(path: Path, *, needed: bool) -> Any:
    from circus.config import DefaultConfigParser, read_config

    logging.getLogger("circus").setLevel(logging.ERROR)  # an `include` without files is circusd's business
    if not path.exists():
        if needed and not _variable(ENDPOINT_VARIABLE):
            raise Refused(
                f"There is no {path}: name the ini file (--config) or the address of circusd (--endpoint).", USAGE
            )
        return DefaultConfigParser()
    try:
        return read_config(str(path))[0]
    except (OSError, UnicodeDecodeError, MalformedIni) as unreadable:
        raise Refused(f"{path} cannot be read: {unreadable}", USAGE) from unreadable


def _variable(name: str) -> str | None:
    """As circusd finds it: in the environment, else in `.env`."""
    from dotenv import dotenv_values

    return os.environ.get(name) or dotenv_values(".env").get(name)


def _found(place: str, beside: Path) -> Path:
    """A relative path is relative to circusd's working directory: most likely this one, or that of the ini file."""
    return next(
        (folder / place for folder in (Path.cwd(), beside.absolute()) if (folder / place).exists()),
        Path(place).absolute(),
    )


def _log_files(parser: Any, beside: Path) -> list[LogFile]:
    names: dict[str, tuple[str, Stream]] = {}
    for section in parser.sections():
        kind, _, process = section.partition(":")
        if kind != "watcher":
            continue
        for option, stream in _STREAMS.items():
            name = parser.dget(section, option)
            if name:
                names[name] = (process, stream)
    files = [LogFile(_found(name, beside), process, stream) for name, (process, stream) in names.items()]
    return sorted(files, key=lambda file: file.label)


def pass_project(command: Callable[Concatenate[Project, P], R]) -> Callable[P, R]:
    """Decorates a click command whose first argument is the project."""

    @functools.wraps(command)
    def with_project(*arguments: P.args, **options: P.kwargs) -> R:
        find: Callable[[], Project] = click.get_current_context().find_root().obj
        return command(find(), *arguments, **options)

    return with_project

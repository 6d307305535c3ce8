"""The table of instances, and how anything rich becomes text: colours on a terminal only, and no value ever cut."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from bisnes_supervisor.cli.figures import rough, size

if TYPE_CHECKING:  # imported where something is drawn: commands that draw nothing start sooner
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

#: What is not there, or not known.
NOTHING = "-"

COLOURS = {
    "online": "green",
    "active": "green",
    "starting": "yellow",
    "stopping": "yellow",
    "waiting restart": "yellow",
    "errored": "bold red",
    "stopped": "bright_black",
}

_HEADINGS = ("id", "name", "pid", "uptime", "↺", "status", "cpu", "memory")
_RIGHT = ("id", "pid", "uptime", "↺", "cpu")

#: No line is broken for want of room; a terminal does that better.
_WIDE = 10_000


def draw(*parts: RenderableType) -> str:
    """As text for standard output."""
    from rich.console import Console, Group

    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    console = Console(width=_WIDE, force_terminal=coloured, color_system="standard" if coloured else None)
    with console.capture() as capture:
        console.print(Group(*parts), soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def columns(headings: Sequence[str], right: Iterable[str] = ()) -> Table:
    """An empty table without lines, as it can be read by people and by `awk`."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True, overflow="ignore")
    return table


def instances(rows: Sequence[dict[str, Any]], own: Sequence[str] = ()) -> Table:
    """The table of `status`.

    Args:
        rows: see `bisnes_supervisor.commands`.
        own: names of the project's own columns. They tell something of the whole process, once.
    """
    from rich.text import Text

    table = columns((*_HEADINGS, *own), (*_RIGHT, *own))
    told: set[str] = set()
    for row in rows:
        again = row["process"] in told
        told.add(row["process"])
        table.add_row(
            _or_nothing(row["instance"]),
            Text(row["process"]),
            _or_nothing(row["pid"]),
            NOTHING if row["uptime_s"] is None else rough(row["uptime_s"]),
            str(row["restarts"]),
            Text(state(row), COLOURS.get(row["state"], "")),
            NOTHING if row["cpu_percent"] is None else f"{row['cpu_percent']:.1f}%",
            _memory(row),
            *("" if again else _or_nothing(row.get(name)) for name in own),
        )
    return table


def state(row: dict[str, Any]) -> str:
    """The state in words, with what comes next."""
    if row["starts_in_s"] is None:
        return str(row["state"])
    soon = rough(math.ceil(row["starts_in_s"]))
    return f"errored, retry in {soon}" if row["state"] == "errored" else f"{row['state']} in {soon}"


def complaints(rows: Sequence[dict[str, Any]]) -> list[Text]:
    """A line for each kind of end that made an instance errored."""
    from rich.text import Text

    program = click.get_current_context().find_root().info_name
    ends = dict.fromkeys((row["process"], row["last_end"]) for row in rows if row["state"] == "errored")
    return [
        Text.assemble((f"{process} is errored", "bold red"), f": {end}. See: {program} describe {process}")
        for process, end in ends
    ]


def _memory(row: dict[str, Any]) -> str:
    if row["memory_bytes"] is None:
        return NOTHING
    limit = row["memory_max_bytes"]
    return f"{size(row['memory_bytes'])} / {NOTHING if limit is None else size(limit)}"


def _or_nothing(value: Any) -> str:
    return NOTHING if value is None else str(value)

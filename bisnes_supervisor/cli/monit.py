"""`monit`: the table, and the last events and log lines of one process, again each second."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from bisnes_supervisor.cli.describe import ask, event_lines
from bisnes_supervisor.cli.logfile import last_lines
from bisnes_supervisor.cli.project import LogFile, Project, pass_project

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Events below the table.
EVENTS = 6
#: Log lines of each stream, where the height of a terminal does not say how many.
LINES = 6
#: Lines of headings between the parts.
_HEADINGS = 5


@click.command()
@click.argument("name", required=False)
@click.option("--once", is_flag=True, help="Print one picture and end, as is done where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and end.")
@pass_project
def monit(project: Project, name: str | None, once: bool, as_json: bool) -> None:
    """Watch all processes, and one more closely.

    Its last events and log lines are shown below the table: those of NAME, else of the first errored process, else of
    the first. Arrows choose another, q or Ctrl-C ends.

    Example: monit web
    """
    view = _View(project, project.supervisor.known([name])[0] if name else None)
    if as_json:
        click.echo(json.dumps(view.as_json()))
    elif once or not sys.stdout.isatty():
        from bisnes_supervisor.cli.table import draw

        click.echo(draw(*view.picture()))
    else:
        from bisnes_supervisor.cli.live import show

        show(lambda: view.picture(shutil.get_terminal_size().lines), view.on_key)


class _View:
    """What is looked at.

    Args:
        project: whose processes.
        chosen: the process that is looked at more closely.
    """

    def __init__(self, project: Project, chosen: str | None) -> None:
        self._project = project
        self._chosen = chosen
        self._names: list[str] = []

    def on_key(self, key: str) -> None:
        """Arrows choose."""
        step = {"up": -1, "down": 1}.get(key, 0)
        if step and self._chosen in self._names:
            self._chosen = self._names[(self._names.index(self._chosen) + step) % len(self._names)]

    def picture(self, height: int | None = None) -> list[RenderableType]:
        """The parts, from top to bottom; as many log lines as fit."""
        from rich.text import Text

        from bisnes_supervisor.cli.table import instances

        rows = self._look()
        parts: list[RenderableType] = [instances(rows, self._project.columns.names)]
        if self._chosen is None:
            return parts
        events = ask(self._project, self._chosen, EVENTS)["events"]
        parts += [Text(f"\nevents of {self._chosen}", "bold"), *event_lines(events, briefly=True)]
        files = self._files()
        free = LINES * len(files) if height is None else height - len(rows) - len(events) - _HEADINGS
        if files:
            parts.append(Text(f"\nlog of {self._chosen}", "bold"))
        for file in files:
            lines = last_lines(file.path, max(1, free // len(files)))
            parts += [Text.assemble("  ", (f"{file.stream:<5}", "bright_black"), f" | {line}") for line in lines]
        return parts

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        rows = self._look()
        chosen = self._chosen
        log = {file.stream: last_lines(file.path, LINES) for file in self._files()}
        return {"processes": rows, "chosen": chosen and ask(self._project, chosen, EVENTS), "log": log}

    def _look(self) -> list[dict[str, Any]]:
        rows = self._project.rows()
        self._names = list(dict.fromkeys(row["process"] for row in rows))
        if self._chosen not in self._names:
            errored = [row["process"] for row in rows if row["state"] == "errored"]
            self._chosen = next(iter(errored + self._names), None)
        return rows

    def _files(self) -> list[LogFile]:
        return [file for file in self._project.log_files() if file.process == self._chosen]

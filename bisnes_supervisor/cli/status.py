"""`status`: every process at a glance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from bisnes_supervisor.cli.project import Project, pass_project

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--watch", is_flag=True, help="Show it again each second until Ctrl-C.")
@pass_project
def status(project: Project, as_json: bool, watch: bool) -> None:
    """Show every process in a table.

    Processor and memory are those of the whole process tree, memory against its limit.

    Example: status --json
    """
    if watch:
        from bisnes_supervisor.cli.live import show

        show(lambda: [_as_json(project)] if as_json else _picture(project), plain=as_json)
    elif as_json:
        click.echo(_as_json(project))
    else:
        from bisnes_supervisor.cli.table import draw

        click.echo(draw(*_picture(project)))


def _as_json(project: Project) -> str:
    supervisor = project.supervisor
    return json.dumps({"circusd": supervisor.pid(), "endpoint": supervisor.endpoint, "processes": project.rows()})


def _picture(project: Project) -> list[RenderableType]:
    from bisnes_supervisor.cli.table import complaints, instances

    rows = project.rows()
    return [instances(rows, project.columns.names), *complaints(rows)]

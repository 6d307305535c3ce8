"""`logs`: the last lines of every process's output, and those to come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing

import click

from bisnes_supervisor.cli.errors import Refused
from bisnes_supervisor.cli.logfile import Follower, tail
from bisnes_supervisor.cli.project import LogFile, Project, pass_project

#: Between two looks at growing files; a reader does not notice it.
FOLLOW_S = 0.2


@click.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on printing until Ctrl-C.")
@click.option("-n", "--lines", default=20, show_default=True, help="Last lines of each file to begin with.")
@click.option("--out", "stream", flag_value="out", help="Standard output only.")
@click.option("--err", "stream", flag_value="error", help="Errors only.")
@click.option("--json", "as_json", is_flag=True, help="Print each line as a JSON object.")
@pass_project
def logs(project: Project, name: str | None, follow: bool, lines: int, stream: str | None, as_json: bool) -> None:
    """Print the logs of one process, or of all.

    Example: logs web --err -f
    """

    def chosen() -> list[LogFile]:
        return [
            file
            for file in project.log_files()
            if name in (None, file.process) and stream in (None, file.stream) and file.path.exists()
        ]

    files = chosen()
    if not files and not (follow and name is None):
        known = sorted({file.process for file in project.log_files()})
        raise Refused(f"There are no logs of {name or 'any process'}; there are: {', '.join(known) or 'none yet'}")
    width = max((len(file.label) for file in files), default=0)

    def say(file: LogFile, line: str) -> None:
        if as_json:
            click.echo(json.dumps({"process": file.process, "stream": file.stream, "line": line}, ensure_ascii=False))
        else:
            colour = "red" if file.stream == "error" else "green"
            click.echo(f"{click.style(f'{file.label:<{width}}', fg=colour)} | {line}")

    begin = {}
    for file in files:
        end = tail(file.path, lines)
        begin[file.path] = end.whole_bytes
        for line in end.lines if follow or not end.unfinished else [*end.lines, end.unfinished][-lines:]:
            say(file, line)
    if follow:
        with closing(Follower(chosen, begin)) as follower:
            _follow(follower, say)


def _follow(follower: Follower, say: Callable[[LogFile, str], None]) -> None:
    try:
        while True:
            for file, line in follower.new_lines():
                say(file, line)
            time.sleep(FOLLOW_S)  # noqa: TID251 - a growing file sends no event
    except KeyboardInterrupt:
        return

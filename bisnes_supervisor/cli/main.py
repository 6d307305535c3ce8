"""The `bisnes-supervisor` command: the operator's side of any Circus project, and the commands that others mount."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from bisnes_supervisor.cli import actions, project
from bisnes_supervisor.cli.describe import describe
from bisnes_supervisor.cli.logs import logs
from bisnes_supervisor.cli.monit import monit
from bisnes_supervisor.cli.status import status
from bisnes_supervisor.import_command import import_group
from bisnes_supervisor.startup import startup

#: Whoever mounts them puts a function that answers a `Project` into `ctx.obj`.
COMMANDS: tuple[click.Command, ...] = (
    status,
    describe,
    logs,
    monit,
    actions.start,
    actions.stop,
    actions.restart,
    actions.reload,
    actions.scale,
    actions.reset,
    actions.save,
    actions.resurrect,
    import_group,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bisnes")
@click.option("--endpoint", help="Address of circusd. Default: $CIRCUSD_ENDPOINT, else that of the ini file.")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("circus.ini"),
    show_default=True,
    help="The ini file that circusd was started with.",
)
@click.pass_context
def main(context: click.Context, endpoint: str | None, config: Path) -> None:
    """Look at the processes of a Circus project, and change what runs.

    \b
    Exit codes: 0 done; 1 failed, the sentence says why; 2 wrong usage; 4 no circusd answers.

    Example: bisnes-supervisor --config /srv/shop/circus.ini status
    """  # noqa: D301 - click wants the backspace itself
    context.obj = partial(project.of_configuration, config, endpoint)


for command in (*COMMANDS, actions.quit_circusd, startup):
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="bisnes-supervisor")

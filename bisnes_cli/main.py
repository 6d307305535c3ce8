"""The `bisnes` command."""

from __future__ import annotations

import click

from bisnes_cli import accounts, channels, prepare, processes, telephone
from bisnes_cli.up import up
from bisnes_supervisor.cli.main import COMMANDS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bisnes")
@click.pass_context
def main(context: click.Context) -> None:
    """Start, stop and use a Bisnes gateway.

    The gateway of the working directory is meant, or the one of $BISNES_HOME; settings come from the environment and
    from .env (docs/settings.md).

    \b
    Exit codes: 0 done; 1 failed, the sentence says why; 2 wrong usage or setting;
    3 a gateway already runs here; 4 no gateway runs here.
    """  # noqa: D301 - click wants the backspace itself
    context.obj = processes.project


for command in (
    up,
    processes.down,
    *COMMANDS,
    prepare.prepare,
    prepare.startup,
    accounts.migrate,
    accounts.keys,
    accounts.phones,
    channels.channel,
    telephone.demo,
):
    main.add_command(command)

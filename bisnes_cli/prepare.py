"""`bisnes prepare` and `bisnes startup`: what a machine needs to start the gateway by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bisnes_cli.installation import Installation
from bisnes_supervisor.startup import install_unit, unit_text


@click.command()
def prepare() -> None:
    """Create folders and secrets that are missing. `bisnes up` does so by itself; a systemd unit runs this first."""
    installation = Installation.find()
    installation.make_folders()
    installation.secrets()


@click.group()
def startup() -> None:
    """Let the machine start the gateway when it boots."""


@startup.command()
@click.option("--user", help="Whom it runs as. Default: the owner of the home folder.")
@click.option("--name", default="bisnes", show_default=True, help="Name of the unit.")
@click.option("--install", is_flag=True, help="Write it where systemd looks, and say how to go on; else print it.")
def systemd(user: str | None, name: str, install: bool) -> None:
    """Write a systemd unit for the gateway of this folder: started at boot, and again within seconds if it ever ends.

    Then `systemctl stop` stops it; after `bisnes down` systemd would start it again.
    """
    installation = Installation.find()
    programs = Path(sys.executable).parent
    text = unit_text(
        [str(programs / "bisnes-circusd"), str(installation.configuration("circus.ini"))],
        user=user or installation.home.owner(),
        home=installation.home,
        description="Bisnes messaging gateway",
        prepare=[str(programs / "bisnes"), "prepare"],
        environment=installation.addresses(),
        command=f"bisnes startup systemd --name {name}",
    )
    if install:
        install_unit(name, text)
    else:
        click.echo(text, nl=False)

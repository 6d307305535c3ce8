"""`bisnes channel check`: tells the author of a channel what is missing."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

import click

from bisnes_cli.errors import FAILED
from bisnes_core.conformance import check_channel


@click.group()
def channel() -> None:
    """Channel plug-ins."""


@channel.command()
@click.argument("spec", metavar="PACKAGE.MODULE:NAME")
@click.option("--json", "as_json", is_flag=True, help="Print the defects as JSON.")
def check(spec: str, as_json: bool) -> None:
    """Check a channel's spec, such as my_pkg.spec:SPEC; exit code 1 when something is missing."""
    sys.path.insert(0, os.getcwd())  # an author's package need not be installed yet
    defects = check_channel(spec)
    if as_json:
        click.echo(json.dumps([asdict(defect) for defect in defects]))
    else:
        for defect in defects:
            click.echo(str(defect))
        click.echo(f"{len(defects)} defects" if defects else "no defects")
    if defects:
        raise SystemExit(FAILED)

"""How commands end, and how they say what went wrong."""

from __future__ import annotations

from typing import Any

import click

#: Exit codes of every command, shown by `--help`.
OK = 0
FAILED = 1
USAGE = 2
ALREADY_RUNNING = 3
NOT_RUNNING = 4


class Refused(click.ClickException):
    """Ends the command with one sentence that says what to do."""

    def __init__(self, sentence: str, exit_code: int = FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads the instance's, though it declares the class's

    def show(self, file: Any = None) -> None:
        """Prints the sentence without click's prefix."""
        click.echo(self.format_message(), err=True, file=file)

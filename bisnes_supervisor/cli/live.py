"""Pictures that are drawn again each second, and keys that change them."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bisnes_supervisor.cli.errors import Refused

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Between two pictures.
EVERY_S = 1.0


def show(
    picture: Callable[[], Sequence[RenderableType]],
    on_key: Callable[[str], None] = lambda key: None,
    *,
    plain: bool = False,
) -> None:
    """Draws until Ctrl-C or `q`, on a terminal in place, elsewhere one below the other.

    A circusd that goes away is said in the picture's place: it may come back.

    Args:
        picture: its parts, from top to bottom.
        on_key: told which key was pressed; `up` and `down` are the arrows.
        plain: the parts are text, for programs to read.
    """
    try:
        if sys.stdout.isatty() and not plain:
            _draw_in_place(picture, on_key)
        else:
            _draw_below(picture, plain=plain)
    except KeyboardInterrupt:
        return


def _draw_in_place(picture: Callable[[], Sequence[RenderableType]], on_key: Callable[[str], None]) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with _keys() as next_key, Live(screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            try:
                parts = picture()
            except Refused as refused:
                parts = [Text(refused.message, "bold red")]
            live.update(Group(*parts), refresh=True)
            key = next_key()
            if key == "q":
                return
            if key:
                on_key(key)


def _draw_below(picture: Callable[[], Sequence[RenderableType]], *, plain: bool) -> None:
    from bisnes_supervisor.cli.table import draw

    while True:
        parts = picture()
        click.echo("\n".join(map(str, parts)) if plain else f"{draw(*parts)}\n")
        _pause()


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Answers the next key, or nothing after `EVERY_S`; the terminal is as before afterwards."""
    if not sys.stdin.isatty():
        yield _pause
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield lambda: _next_key(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _pause() -> str:
    select.select([], [], [], EVERY_S)
    return ""


def _next_key(terminal: int) -> str:
    if not select.select([terminal], [], [], EVERY_S)[0]:
        return ""
    pressed = os.read(terminal, 8).decode("utf-8", "replace")
    return {"\x1b[A": "up", "\x1b[B": "down", "k": "up", "j": "down", "": "q"}.get(pressed, pressed)

"""One application on its way to a watcher."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bisnes_supervisor.pm2.attributes import Unusable
from bisnes_supervisor.pm2.report import Line, Outcome

#: Beside the control socket of circusd; relative sockets of `wait_ready` are meant there.
RUN_FOLDER = Path("var/run")


@dataclass(frozen=True)
class Place:
    """Where things are.

    Attributes:
        folder: where PM2 was started, that is, where the ecosystem file is.
        ini_folder: where circusd is going to be started, that is, where the ini file goes.
        processors: of this machine, for `instances: "max"`.
        kind: of a file: whether it can be executed without an interpreter.
    """

    folder: Path
    ini_folder: Path
    processors: int
    kind: Callable[[Path], Literal["program", "text", "missing"]]

    def shown(self, path: Path) -> str:
        """A path as the ini file writes it: relative where it is below the ini file."""
        return str(path.relative_to(self.ini_folder)) if path.is_relative_to(self.ini_folder) else str(path)


@dataclass
class Draft:
    """Collects what a watcher's sections say, and the report on it.

    Attributes:
        name: of the watcher.
        pm2_name: of the application.
        values: its attributes by PM2's names.
        spelled: how the file spells each.
        place: where things are.
        ports: the names of sockets in circusd by their ports, shared by all drafts of a file.
        instance: number of this watcher where each instance has its own; None: one watcher for all.
        options: of `[watcher:x]`.
        environment: of `[env:x]`.
        command_environment: set by the command, since `[env:x]` cannot hold it or it differs between instances.
        command_unset: variables that the command takes away.
        socket: host and port of its socket in circusd.
        needs_node_part: whether its command preloads `node_under_circus.cjs`.
        lines: the report.
    """

    name: str
    pm2_name: str
    values: dict[str, Any]
    spelled: dict[str, str]
    place: Place
    ports: dict[int, str]
    instance: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    command_environment: dict[str, str] = field(default_factory=dict)
    command_unset: list[str] = field(default_factory=list)
    socket: tuple[str, int] | None = None
    needs_node_part: bool = False
    lines: list[Line] = field(default_factory=list)

    @property
    def cwd(self) -> Path:
        """Where its processes work. Source: lib/Common.js, prepareAppConf."""
        return Path(os.path.abspath(self.place.folder / str(self.values.get("cwd", "."))))

    def from_cwd(self, path: Path) -> str:
        """A path as its processes can use it: relative where it is below their folder (a folder may be a link)."""
        return f"./{path.relative_to(self.cwd)}" if path.is_relative_to(self.cwd) else str(path)

    def say(self, attribute: str, outcome: Outcome, text: str, *, secret: bool = False) -> None:
        """Reports on an attribute."""
        value = None if secret else self.values.get(attribute)
        self.lines.append(Line(self.name, self.spelled.get(attribute, attribute), value, outcome, text))

    def tell(self, option: str, outcome: Outcome, text: str) -> None:
        """Reports on something that is no attribute of its own, without its value."""
        self.lines.append(Line(self.name, option, None, outcome, text))

    def set(self, attribute: str, option: str, value: str, outcome: Outcome = Outcome.MAPPED, why: str = "") -> None:
        """Writes an option of the watcher and reports it."""
        self.options[option] = value
        self.say(attribute, outcome, f"{option} = {value}" + (f": {why}" if why else ""))

    def read(self, attribute: str, reader: Callable[[Any], Any]) -> Any:
        """A value, understood; None, reported, where it is none. Not given: None as well."""
        if attribute not in self.values:
            return None
        try:
            return reader(self.values[attribute])
        except Unusable as unusable:
            self.say(attribute, Outcome.NOT_MAPPED, f"PM2 {unusable}")
            return None


def watcher_name(name: str, taken: Iterable[str]) -> str:
    """A name that Circus can bear (lower case, no dots, no spaces: it cuts event topics at dots), and no other has."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "app"
    numbered = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(list(taken)) + 2))
    return next(candidate for candidate in numbered if candidate not in taken)

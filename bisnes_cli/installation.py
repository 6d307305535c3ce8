"""One installation: its folders, its ports, its secrets, and the environment that circusd gets from them."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from bisnes_cli.errors import USAGE, Refused
from bisnes_core.settings import SECRETS_FILE, Settings, UnknownSetting, declared_variables, load_settings
from bisnes_supervisor.cli.control import Supervisor

#: Watchers that listen, with the variable that sets their port; as in circus.ini.
PORT_VARIABLES = {
    "api": "BISNES_API_PORT",
    "wwebjs": "BISNES_WWEBJS_PORT",
    "meta": "BISNES_META_PORT",
    "relay": "BISNES_RELAY_PORT",
    "events": "BISNES_EVENTS_PORT",
    "loopback": "BISNES_LOOPBACK_PORT",
}

#: From a taken port to the next one tried, so that two demos keep the same last digits.
PORT_STEP = 100

#: Secrets that are made once when nobody gives them, with their length in bytes.
SECRET_BYTES = {"ENCRYPTION_KEY": 32, "META_APP_SECRET": 16, "META_WEBHOOK_VERIFY_TOKEN": 16}

#: Where circus.ini is, unless the home has one of its own.
SOURCE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Installation:
    """The gateway that lives in one home folder."""

    settings: Settings

    @classmethod
    def find(cls) -> Installation:
        """The installation that the environment and `.env` describe.

        Raises:
            Refused: when a setting is unknown or malformed.
        """
        try:
            return cls(load_settings())
        except UnknownSetting as unknown:
            raise Refused(f"{unknown}. Correct it in the environment or in .env.", USAGE) from unknown
        except ValidationError as malformed:
            details = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in malformed.errors())
            raise Refused(
                f"A setting is malformed: {details}. Correct it in the environment or in .env.", USAGE
            ) from None

    @property
    def home(self) -> Path:
        """Folder that holds var/ and logs/."""
        return self.settings.home.resolve()

    @property
    def run_dir(self) -> Path:
        """Folder of the sockets."""
        return self.settings.run_dir.absolute()

    @property
    def logs(self) -> Path:
        """Folder of the log files."""
        return self.home / "logs"

    @property
    def supervisor(self) -> Supervisor:
        """The installation's circusd, running or not."""
        endpoint = f"ipc://{self.run_dir}/circus.sock"
        return Supervisor(endpoint, start="bisnes up", pid_file=self.run_dir / "circusd.pid")

    @property
    def api_url(self) -> str:
        """Where callers on this machine reach the API."""
        host = _reachable(self.settings.api_host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.api_port}"

    def configuration(self, name: str) -> Path:
        """An ini file of the home's own, else the one that belongs to this code."""
        own = self.home / name
        return own if own.exists() else SOURCE / name

    def make_folders(self) -> None:
        """Creates what is missing; others may enter neither the sockets' nor the logs' folder."""
        (self.home / "var").mkdir(parents=True, exist_ok=True)
        for folder in (self.run_dir, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.run_dir.stat().st_uid != os.geteuid():
            raise Refused(f"{self.run_dir} belongs to another user: set BISNES_RUN_DIR to a folder of your own.", USAGE)
        self.run_dir.chmod(0o700)

    def secrets(self) -> dict[str, str]:
        """The secrets to start with: given ones are left alone, others are made once and kept in var/secrets.env."""
        kept_in = self.home / SECRETS_FILE
        kept = {name: value for name, value in dotenv_values(kept_in).items() if value}
        wanted = [name for name in SECRET_BYTES if self._secret(name) in (None, kept.get(name))]
        missing = [name for name in wanted if name not in kept]
        if missing:
            kept |= {name: secrets.token_hex(SECRET_BYTES[name]) for name in missing}
            write_private(kept_in, "".join(f"{name}={value}\n" for name, value in kept.items()))
        return {name: kept[name] for name in wanted}

    def _secret(self, name: str) -> str | None:
        secret: SecretStr | None = getattr(self.settings, declared_variables()[name])
        return secret.get_secret_value() if secret else None

    def environment(self) -> dict[str, str]:
        """Variables for circusd: the caller's, `.env` of this folder, and what follows from the home."""
        own = {name: value for name, value in dotenv_values(".env").items() if value is not None}
        return {
            **own,
            **os.environ,
            **self.secrets(),
            **self.addresses(),
        }

    def addresses(self) -> dict[str, str]:
        """Variables that tell circusd and what it starts where this installation is."""
        return {
            "BISNES_HOME": str(self.home),
            "BISNES_RUN_DIR": str(self.run_dir),
            "CIRCUSD_ENDPOINT": self.supervisor.endpoint,
            "CIRCUSD_PUBSUB_ENDPOINT": f"ipc://{self.run_dir}/circus-events.sock",
            "CIRCUSD_PIDFILE": f"{self.run_dir}/circusd.pid",
        }

    def port(self, watcher: str) -> int:
        """The port that the settings give a watcher."""
        return int(getattr(self.settings, declared_variables()[PORT_VARIABLES[watcher]]))

    def given_ports(self) -> set[str]:
        """Watchers whose port somebody chose, rather than us."""
        names_of = {
            field: {n for n, f in declared_variables().items() if f == field} for field in declared_variables().values()
        }
        given = {name for name, value in {**dotenv_values(".env"), **os.environ}.items() if value}
        return {
            watcher for watcher, variable in PORT_VARIABLES.items() if names_of[declared_variables()[variable]] & given
        }


def _reachable(host: str) -> str:
    """An address of this machine for a server that listens on `host`."""
    try:
        everywhere = ip_address(host).is_unspecified
    except ValueError:
        return host  # a name
    return ("::1" if ":" in host else "127.0.0.1") if everywhere else host


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether circusd could listen on this port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as circusd does
        try:
            trial.bind((host, port))
            trial.listen(1)
        except OSError:
            return False
        return True


def next_free(port: int, taken: set[int]) -> int:
    """The port itself or, in steps, the next one that is free."""
    while port in taken or not is_free(port):
        port += PORT_STEP
        if port > 65_535:
            raise Refused("No free port was found: set BISNES_API_PORT and the other BISNES_*_PORT yourself.")
    return port

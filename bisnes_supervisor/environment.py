"""Where a configuration meets the environment.

Circus fills `$(circus.env.NAME)` in, but has no default for an unset one, and its `[env]` section *overrides* the real
environment. So our ini files hold the default itself, in plain sight, and name the variables that replace it:

    [socket:api]
    port = 3000
    port_env = BISNES_API_PORT API_PORT

A plain circusd ignores `port_env`. The control sockets and the pid file are replaced by `CIRCUSD_ENDPOINT`,
`CIRCUSD_PUBSUB_ENDPOINT` and `CIRCUSD_PIDFILE`. Variables are looked up in the environment, then in `.env` of the
working directory; `.env` is not passed on, as the programs read it themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from bisnes_supervisor.policy import BadPolicy, read_policy
from bisnes_supervisor.settings import SECTION

#: Options of `[circus]` with the variables that replace them.
CONTROL_VARIABLES = {
    "endpoint": "CIRCUSD_ENDPOINT",
    "pubsub_endpoint": "CIRCUSD_PUBSUB_ENDPOINT",
    "pidfile": "CIRCUSD_PIDFILE",
}

#: Options of `[socket:x]` that `<option>_env` may replace.
SOCKET_OPTIONS = ("host", "port", "path")

_REFERENCE = re.compile(r"\$([A-Z]+[A-Z0-9_]*)")


def look_up(names: Iterable[str]) -> str | None:
    """Value of the first of these variables that is set to something, in the environment or in `.env`."""
    beside = dotenv_values(".env")
    for name in names:
        value = os.environ.get(name) or beside.get(name)
        if value:
            return value
    return None


def read_configuration(path: str) -> dict[str, Any]:
    """Reads circus.ini as Circus does, then lets the environment replace what it names.

    Args:
        path: the ini file.

    Raises:
        BadPolicy: when a watcher's policy cannot be obeyed; Circus would leave the watcher out with a warning.
    """
    from circus.config import get_config

    configuration: dict[str, Any] = get_config(path)
    for option, variable in CONTROL_VARIABLES.items():
        configuration[option] = look_up([variable]) or configuration[option]
    for socket in configuration["sockets"]:
        for option in SOCKET_OPTIONS:
            replacement = look_up(socket.pop(f"{option}_env", "").split())
            if replacement is not None:
                socket[option] = replacement
    _check_policies(configuration["watchers"])
    for endpoint in (configuration["endpoint"], configuration["pubsub_endpoint"]):
        _close_folder_to_others(endpoint)
    return configuration


def _check_policies(watchers: Iterable[dict[str, Any]]) -> None:
    complaints = []
    for watcher in watchers:
        try:
            read_policy(watcher)
        except BadPolicy as bad:
            complaints.append(f"[watcher:{watcher['name']}] {bad}")
    if complaints:
        raise BadPolicy("; ".join(complaints))


def read_supervisor_section(path: str) -> dict[str, str]:
    """The options of `[supervisor]`, which Circus passes over."""
    from circus.config import read_config

    parser, _ = read_config(path)
    parser.set_env(dict(os.environ))
    if not parser.has_section(SECTION):
        return {}
    return {name: value for name, value in parser.items(SECTION) if name != "__name__"}


def expand_references(environment: dict[str, str]) -> dict[str, str]:
    """Replaces `$NAME` in values that come from an ini file, and only in those.

    Circus does so in *every* value of a child's environment, and with nothing when NAME is unset: a password `pa$BCss`
    becomes `pass`. Whatever circusd itself inherited is passed on untouched.
    """
    expanded = {}
    for name, value in environment.items():
        if os.environ.get(name) == value:
            expanded[name] = value
        else:
            expanded[name.strip()] = _REFERENCE.sub(lambda found: os.environ.get(found.group(1), ""), value).strip()
    return expanded


def _close_folder_to_others(endpoint: str) -> None:
    """Whoever may enter the folder of the control socket commands every process: only the owner may."""
    scheme, _, place = endpoint.partition("://")
    if scheme != "ipc":
        return
    folder = Path(place).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077 and folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)

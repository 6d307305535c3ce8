"""PM2's attributes of an application: their names, and the values that it takes for them.

Source of names and aliases: pm2 7.0.4 (2026-08-24), lib/API/schema.json; `cmd` and `command`: lib/Common.js,
verifyConfs; an alias in camel case for each: lib/tools/Config.js, schema; read 2026-11-24.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

#: Every attribute with its aliases, camel case left out.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "script": ("exec", "cmd", "command"),
    "name": (),
    "name_prefix": (),
    "filter_env": (),
    "namespace": (),
    "install_url": (),
    "cwd": (),
    "args": (),
    "exec_interpreter": ("interpreter",),
    "node_args": ("interpreterArgs", "interpreter_args"),
    "out_file": ("out", "output", "out_log"),
    "error_file": ("error", "err", "err_file", "err_log"),
    "log_file": ("log",),
    "disable_logs": (),
    "log_type": (),
    "log_date_format": (),
    "time": (),
    "env": (),
    "max_memory_restart": (),
    "pid_file": ("pid",),
    "restart_delay": (),
    "exp_backoff_restart_delay": (),
    "source_map_support": (),
    "disable_source_map_support": (),
    "wait_ready": (),
    "instances": (),
    "kill_timeout": (),
    "shutdown_with_message": (),
    "listen_timeout": (),
    "cron_restart": ("cron",),
    "merge_logs": ("combine_logs",),
    "vizion": (),
    "autostart": (),
    "autorestart": (),
    "stop_exit_codes": (),
    "watch_delay": (),
    "watch": (),
    "ignore_watch": (),
    "watch_options": (),
    "min_uptime": (),
    "max_restarts": (),
    "execute_command": (),
    "exec_mode": (),
    "force": (),
    "append_env_to_name": (),
    "post_update": (),
    "trace": (),
    "disable_trace": (),
    "v8": (),
    "event_loop_inspector": (),
    "deep_monitoring": (),
    "increment_var": (),
    "instance_var": (),
    "pmx": (),
    "automation": (),
    "treekill": (),
    "port": (),
    "username": (),
    "uid": ("user",),
    "gid": (),
    "windowsHide": (),
    "kill_retry_time": (),
    "write": (),
    "io": (),
}

#: Blocks for `--env NAME`.
ENVIRONMENT = re.compile(r"env_\S*")

#: Source: pm2 7.0.4, lib/tools/Config.js, _valid: how a string becomes an array.
_WORD = re.compile(r"""[^\s"'=]+="[^"]*"|[^\s"'=]+='[^']*'|"[^"]*"|'[^']*'|\S+""")
#: Source: the same, ext_type stime and sbyte; units of one letter.
_TIME = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)?")
_UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, None: 1}
_SIZE = re.compile(r"\d+[GMK]?")


class Unusable(ValueError):
    """A value that PM2 would refuse as well; the text says what it wants."""


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] if len(part) > 1 else part for part in rest)


_CANONICAL = {alias: name for name, aliases in ATTRIBUTES.items() for alias in (name, _camel_case(name), *aliases)}


def canonical(name: str) -> str | None:
    """PM2's own name for an attribute; None: it knows no such attribute."""
    if name in _CANONICAL:
        return _CANONICAL[name]
    return name if ENVIRONMENT.fullmatch(name) else None


def text_of(value: Any) -> str:
    """A value as JavaScript makes a string of it; objects as JSON (lib/Common.js, mergeEnvironmentVariables)."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number(value: Any) -> float:
    """A number, or text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unusable("wants a number")
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found < 0:
        raise Unusable("wants a number")
    return found


def flag(value: Any) -> bool:
    """True or false."""
    if value not in (True, False, "true", "false"):
        raise Unusable("wants true or false")
    return value in (True, "true")


def milliseconds(value: Any) -> float:
    """A number of milliseconds, or text with h, m or s."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * _UNITS_MS[found[2]] if found else number(value)


def duration(value: Any) -> str:
    """A time as our policies write it: the largest unit that holds it whole."""
    found = round(milliseconds(value))
    for unit, factor in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if found % factor == 0 and (found or unit == "s"):
            return f"{found // factor}{unit}"
    return f"{found}ms"


def size(value: Any) -> str:
    """An amount of memory as our policies write it."""
    if isinstance(value, str) and _SIZE.fullmatch(value):
        return value
    found = int(number(value))
    for unit, factor in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if found and found % factor == 0:
            return f"{found // factor}{unit}"
    return str(found)


def words(value: Any) -> list[str]:
    """An array of words, or text that is cut into them."""
    if isinstance(value, list):
        return [text_of(word) for word in value]
    return [_unquoted(word[0]) for word in _WORD.finditer(text_of(value))]


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def given(app: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """Sorts what an application says.

    Returns:
        Values by PM2's own names; how the file spells each; what PM2 does not know. A value of None is not given.
        Of two names for one thing PM2's own wins, then the first.
    """
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    unknown: dict[str, Any] = {}
    for name, value in sorted(app.items(), key=lambda item: item[0] not in ATTRIBUTES):
        own = canonical(name)
        if value is None:
            continue
        if own is None or own in values:
            unknown[name] = value
        else:
            values[own], spelled[own] = value, name
    return values, spelled, unknown

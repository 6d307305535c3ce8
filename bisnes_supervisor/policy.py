"""What a watcher's section may say about restarts, readiness, hangs, memory and age; words of PM2 where it has one.

    [watcher:meta]
    restart_delay = 1s
    max_restarts = 20
    min_uptime = 10s
    max_memory_restart = 1G

Durations carry their unit (`500ms`, `5s`, `10m`, `2h`, `1d`), since PM2 counts in milliseconds and Circus in seconds;
sizes take K, M and G, powers of 1024 as in PM2. A plain circusd ignores all of it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from bisnes_supervisor.niceness import NICENESS_MAX

#: Names that Circus gives meaning to, or that hooks read: close to ours, but not misspelled.
OTHERS_OPTIONS = ("graceful_timeout", "max_retry", "max_age", "max_age_variance", "autostart", "start_unless_set")

#: Asked to recycle at this share of the hard limit, when nothing else is said.
SOFT_SHARE = 0.9

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)B?", re.IGNORECASE)
_UNITS_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class BadPolicy(ValueError):
    """An option of a watcher that cannot be obeyed; the text names option and value and says what is wanted."""


@dataclass(frozen=True)
class Policy:
    """How one watcher's instances are kept.

    Attributes:
        restart_delay_s: before each restart after a death that nobody commanded.
        backoff_first_s: first delay after an unstable death, growing by half each time; 0: none.
        backoff_max_s: largest such delay.
        max_restarts: so many unstable deaths within `restart_window_s` make an instance `errored`.
        min_uptime_s: a shorter life is unstable.
        restart_window_s: length of the sliding window.
        errored_retry_s: an errored instance is tried again this often; None: never.
        stop_exit_codes: exit codes that mean "done": the instance is not started again.
        wait_ready: address that must answer before an instance counts as online (see `probe`).
        listen_timeout_s: how long that may take.
        live: address that must keep answering.
        hang_timeout_s: the longest silence of `live`.
        memory_hard_bytes: proportional memory of the process tree at which it is killed.
        memory_soft_bytes: the same at which it is replaced gracefully.
        cron_restart: when instances are replaced, one after another.
        watch: paths whose change reloads the watcher (development).
        ignore_watch: regular expressions; a path in which one is found does not.
        start_while: the watcher runs while this file exists.
        niceness: added to circusd's own: how willingly its processes leave the processors to others, 0 to 19.
    """

    restart_delay_s: float = 0.0
    backoff_first_s: float = 0.0
    backoff_max_s: float = 15.0
    max_restarts: int = 16
    min_uptime_s: float = 1.0
    restart_window_s: float = 16.0
    errored_retry_s: float | None = 300.0
    stop_exit_codes: frozenset[int] = frozenset()
    wait_ready: str | None = None
    listen_timeout_s: float = 30.0
    live: str | None = None
    hang_timeout_s: float = 30.0
    memory_hard_bytes: int | None = None
    memory_soft_bytes: int | None = None
    cron_restart: str | None = None
    watch: tuple[str, ...] = ()
    ignore_watch: tuple[str, ...] = ()
    start_while: str | None = None
    niceness: int = 0


def duration_s(text: str) -> float:
    """Seconds of `500ms`, `5s`, `10m`, `2h` or `1d`.

    Raises:
        ValueError: for anything else, a bare number included.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("wants a number with its unit: ms, s, m, h or d")
    return float(found[1]) * _UNITS_S[found[2]]


def size_bytes(text: str) -> int:
    """Bytes of `300M`, `1.5G`, `64K` or `1000000`.

    Raises:
        ValueError: for anything else.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("wants a number with K, M or G")
    return int(float(found[1]) * _UNITS_BYTES[found[2].upper()])


def _duration_or(word: str, meaning: Any) -> Callable[[str], Any]:
    return lambda text: meaning if text.strip().lower() == word else duration_s(text)


def _count(text: str) -> int:
    if not text.strip().isdigit() or int(text) < 1:
        raise ValueError("wants a whole number from 1 on")
    return int(text)


def _niceness(text: str) -> int:
    if not text.strip().isdigit() or int(text) > NICENESS_MAX:
        raise ValueError(f"wants a whole number from 0 to {NICENESS_MAX}")
    return int(text)


def _codes(text: str) -> frozenset[int]:
    codes = [code for code in re.split(r"[\s,]+", text.strip()) if code]
    if not all(code.isdigit() and int(code) < 256 for code in codes):
        raise ValueError("wants exit codes, such as `0 3`")
    return frozenset(map(int, codes))


def _cron(text: str) -> str:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        CronSim(text.strip(), datetime.now(UTC))
    except CronSimError as malformed:
        raise ValueError(f"wants a cron expression ({malformed})") from malformed
    return text.strip()


def _address(text: str) -> str:
    from bisnes_supervisor.probe import parse_address

    parse_address(text)
    return text.strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _patterns(text: str) -> tuple[str, ...]:
    for pattern in text.split():
        try:
            re.compile(pattern)
        except re.error as malformed:
            raise ValueError(f"wants regular expressions ({malformed})") from malformed
    return _words(text)


#: Option in the ini file, field of `Policy`, and what reads it.
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "restart_delay": ("restart_delay_s", duration_s),
    "exp_backoff_restart_delay": ("backoff_first_s", _duration_or("off", 0.0)),
    "exp_backoff_max": ("backoff_max_s", duration_s),
    "max_restarts": ("max_restarts", _count),
    "min_uptime": ("min_uptime_s", duration_s),
    "restart_window": ("restart_window_s", duration_s),
    "errored_retry": ("errored_retry_s", _duration_or("never", None)),
    "stop_exit_codes": ("stop_exit_codes", _codes),
    "wait_ready": ("wait_ready", _address),
    "listen_timeout": ("listen_timeout_s", duration_s),
    "live": ("live", _address),
    "hang_timeout": ("hang_timeout_s", duration_s),
    "max_memory_restart": ("memory_hard_bytes", size_bytes),
    "soft_memory_restart": ("memory_soft_bytes", lambda text: None if text.strip() == "off" else size_bytes(text)),
    "cron_restart": ("cron_restart", _cron),
    "watch": ("watch", _words),
    "ignore_watch": ("ignore_watch", _patterns),
    "start_while": ("start_while", str.strip),
    "nice": ("niceness", _niceness),
}

#: Ours, but read by the watcher itself: it sets an option of Circus's own.
KILL_TIMEOUT = "kill_timeout"

POLICY_OPTIONS = (*_OPTIONS, KILL_TIMEOUT)


def read_policy(options: Mapping[str, Any]) -> Policy:
    """The policy that a watcher's options describe; options of others are passed over.

    Raises:
        BadPolicy: when a value has the wrong form, or a name looks like a misspelled one of ours.
    """
    for name in options:
        _refuse_misspelled(name)
    values = {field: _read(name, read, options[name]) for name, (field, read) in _OPTIONS.items() if name in options}
    if options.get(KILL_TIMEOUT) is not None:
        _read(KILL_TIMEOUT, duration_s, options[KILL_TIMEOUT])
    hard = values.get("memory_hard_bytes")
    if hard is not None:
        values.setdefault("memory_soft_bytes", int(hard * SOFT_SHARE))
    policy = Policy(**values)
    if "restart_window_s" not in values:
        longest_s = max(policy.restart_delay_s, policy.backoff_max_s if policy.backoff_first_s else 0.0)
        values["restart_window_s"] = policy.max_restarts * (policy.min_uptime_s + longest_s)
    return Policy(**values)


def _read(name: str, read: Callable[[str], Any], value: Any) -> Any:
    try:
        return read(str(value))
    except ValueError as malformed:
        raise BadPolicy(f"{name} = {value}: {malformed}") from malformed


def _refuse_misspelled(name: str) -> None:
    if name in POLICY_OPTIONS or name in OTHERS_OPTIONS or "." in name:
        return
    near = difflib.get_close_matches(name, POLICY_OPTIONS, n=1, cutoff=0.85)
    if near:
        raise BadPolicy(f"{name}: no such option; did you mean {near[0]}?")


def described(policy: Policy) -> dict[str, Any]:
    """The policy as JSON."""
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}

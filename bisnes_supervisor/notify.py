"""What circusd tells systemd, with the protocol of sd_notify(3): that it is ready, stops, is alive.

Its unit needs `NotifyAccess=all`: systemd knows the warden as the main process, and these messages come from its child.
That holds for the watchdog's pings as well. Without a service manager every function here does nothing.

Source: systemd.service(5), sd_notify(3), sd_watchdog_enabled(3) of systemd 252, read 2026-11-24.
"""

from __future__ import annotations

import os
import socket

from circus import logger

#: The service manager reads its socket all the time: longer than any queue there, shorter than circusd may stand still.
PATIENCE_S = 1.0

_address: str | None = None
_watchdog_s: float | None = None


def take_over() -> None:
    """Makes this process the one that speaks: no child inherits the variables (gunicorn would say READY, too)."""
    global _address, _watchdog_s
    _address = os.environ.pop("NOTIFY_SOCKET", None) or None
    period_us = os.environ.pop("WATCHDOG_USEC", "")
    os.environ.pop("WATCHDOG_PID", None)  # the warden's, not ours
    _watchdog_s = int(period_us) / 1e6 if period_us.isdecimal() else None


def ready(status: str = "") -> None:
    """Everything is started."""
    _tell("READY=1", f"STATUS={status}")


def status(text: str) -> None:
    """What `systemctl status` shows, in one line."""
    _tell(f"STATUS={text}")


def stopping(status: str = "stopping") -> None:
    """The stop has begun; call it once."""
    _tell("STOPPING=1", f"STATUS={status}")


def watchdog_period_s() -> float | None:
    """How often `ping` is due, None if never: twice within the time after which systemd calls circusd hung."""
    return _watchdog_s and _watchdog_s / 2


def ping() -> None:
    """Circusd is alive. Call it from the event loop, whose standstill is what the watchdog is for."""
    _tell("WATCHDOG=1")


def _tell(*assignments: str) -> None:
    if _address is None:
        return
    message = "\n".join(assignment.replace("\n", " ") for assignment in assignments)
    place = f"\0{_address[1:]}" if _address.startswith("@") else _address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.settimeout(PATIENCE_S)
        try:
            speaker.sendto(message.encode(), place)
        except OSError as problem:  # a service manager that is away must not stop the supervisor
            logger.warning("cannot tell the service manager at %s: %s", _address, problem)

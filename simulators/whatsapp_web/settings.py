"""What the simulator does by default and what the control API may change while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from simulators.whatsapp_web.problems import Problem

#: Values that a setting with a choice takes.
CHOICES: dict[str, tuple[str, ...]] = {"keys": ("new", "old"), "chat_ids": ("pn", "lid")}


@dataclass
class Settings:
    """Durations are seconds, 0 means at once.

    Attributes:
        keys: How a message key keeps its string: ``old`` in ``_serialized``, ``new`` in the minified ``$1``
            (WhatsApp builds from 2.3000.1042401057, July 2026).
        version: What ``Debug.VERSION`` says.
        chat_ids: Whether a new chat with a person is ``...@c.us`` (``pn``) or ``...@lid``.
        sync_s: From CONNECTED to ``hasSynced``; below 0.5 whatsapp-web.js misses it, as on the real page.
        ref_lifetime_s: A QR code is replaced after so long.
        refs_max: After so many unscanned QR codes the page goes to UNPAIRED_IDLE.
        ack_s: From a sent message to ack 1 (the server has it).
        delivered: Whether ack 2 comes by itself, ``delivered_s`` after ack 1.
        read: Whether ack 3 comes by itself, ``read_s`` after ack 2.
        history: How many of the latest messages of a chat a page gets at its start.
        logins_max: How many linked devices an account takes.
    """

    keys: str = "new"
    version: str = "2.3000.1043815712"
    chat_ids: str = "pn"
    sync_s: float = 0.7
    ref_lifetime_s: float = 20.0
    refs_max: int = 6
    ack_s: float = 0.0
    delivered: bool = True
    delivered_s: float = 0.2
    read: bool = False
    read_s: float = 0.2
    history: int = 15
    logins_max: int = 4

    def change(self, values: dict[str, Any]) -> None:
        """Set what ``values`` names, all or nothing.

        Raises:
            Problem: When a name is unknown or a value does not fit.
        """
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        checked = {name: _fitting(name, value, known.get(name)) for name, value in values.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Return every setting by name."""
        return asdict(self)


def _fitting(name: str, value: Any, kind: type | None) -> Any:
    if kind is None:
        raise Problem(422, "unknown_setting", f"there is no setting {name!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise Problem(422, "bad_setting", f"{name} must be {kind.__name__}, not {value!r}")
    if isinstance(value, float | int) and value < 0:
        raise Problem(422, "bad_setting", f"{name} must not be negative")
    if name in CHOICES and value not in CHOICES[name]:
        raise Problem(422, "bad_setting", f"{name} must be one of {', '.join(CHOICES[name])}")
    return value

"""A spec's check: what it must refuse before a message is queued."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bisnes_core.channel import ChannelSpec
from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import PAYLOADS, Kind

#: Values of the wrong type for every field of every payload.
_WRONG: Final[tuple[object, ...]] = (None, 7, [], {}, True)
_CHAT: Final = "60123456789@c.us"
#: A good value of every field that some payload needs; whether an id is right only the channel knows.
_GOOD: Final[Mapping[str, Any]] = {
    "text": "hello",
    "url": "https://example.org/hello.webp",
    "latitude": 3,
    "longitude": 101,
    "contacts": [{"name": "Ana", "phone": "60123456789"}],
    "question": "Which day?",
    "options": ["Monday", "Tuesday"],
    "message_id": "hello",
    "emoji": "👍",
    "for_everyone": True,
    "sign": "typing",
}


def check_check(spec: ChannelSpec) -> Iterator[str]:
    """Unknown kinds are unsupported, broken payloads permanent errors, and plain payloads pass."""
    for kind in sorted(set(Kind) - spec.kinds):
        verdict = _verdict(spec, kind, _sample(kind))
        if not isinstance(verdict, Unsupported):
            yield f"check must raise Unsupported for {kind}, which is not among kinds; it {_told(verdict)}"
    for kind in sorted(spec.kinds & PAYLOADS.keys()):
        yield from _check_payloads(spec, kind)


def _check_payloads(spec: ChannelSpec, kind: Kind) -> Iterator[str]:
    """Each required field absent and with values of the wrong type."""
    for name in (name for name in PAYLOADS[kind] if not name.endswith("?")):
        good = _sample(kind)
        values = [value for value in _WRONG if type(value) is not type(good[name]) or not value]
        wrong = [good | {name: value} for value in values] + [{key: good[key] for key in good.keys() - {name}}]
        for payload in wrong:
            verdict = _verdict(spec, kind, payload)
            if not isinstance(verdict, Permanent):
                yield f"check must raise Permanent for {kind} with {payload}; it {_told(verdict)}"
                break
    if "message_id" not in PAYLOADS[kind] and (verdict := _verdict(spec, kind, _sample(kind))) is not None:
        yield f"check must accept a plain {kind}; it {_told(verdict)}"


def _sample(kind: Kind) -> dict[str, Any]:
    """A payload of the right form with what it needs."""
    return {name: copy.deepcopy(_GOOD[name]) for name in PAYLOADS.get(kind, {}) if not name.endswith("?")}


def _verdict(spec: ChannelSpec, kind: Kind, payload: dict[str, Any]) -> BaseException | None:
    """What `check` raises, or None; a payload that it changes counts as a defect of its own."""
    before = copy.deepcopy(payload)
    try:
        spec.check(kind, _CHAT, payload)
    except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
        return error
    return None if payload == before else RuntimeError("check changed the payload")


def _told(verdict: BaseException | None) -> str:
    return "accepts it" if verdict is None else f"raises {type(verdict).__name__}: {verdict}"

"""Faults on demand: rules that say which requests go wrong, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from random import Random
from time import monotonic
from typing import Any

import orjson

from simulators.graph.errors import GraphError
from simulators.graph.http_response import plain_response

#: What a rule may name to be picked; ``on`` is the kind of call.
CALLS = ("messages", "media", "download", "management", "any")

_EDGE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Sorry, something went wrong.</h1>"
    b"<p>We're working on it and we'll get it fixed as soon as we can.</p></body></html>"
)


class BadFault(ValueError):
    """A rule that cannot be understood; the text says why."""


@dataclass
class Effect:
    """What happens to a request that a rule picked.

    Attributes:
        latency_s: Wait so long (a value between both) before anything else.
        code: Answer with this error; with ``asynchronous`` accept and fail later by webhook.
        http: Status for ``code``; the published one when None.
        status: Answer with this status and ``body`` as they are.
        lose_answer: Accept, then reset the connection.
        reset_before: Reset the connection without accepting.
        hang_before_s: Hold the request so long, then close without accepting.
        hang_after_s: Accept at once, answer after so long.
    """

    latency_s: tuple[float, float] = (0.0, 0.0)
    code: int | None = None
    http: int | None = None
    details: str | None = None
    subcode: int | None = None
    asynchronous: bool = False
    status: int | None = None
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    lose_answer: bool = False
    reset_before: bool = False
    hang_before_s: float | None = None
    hang_after_s: float | None = None

    def error(self) -> GraphError | None:
        """Return the synchronous error, if this is one."""
        if self.code is None or self.asynchronous:
            return None
        return GraphError(
            self.code, details=self.details, http=self.http, subcode=self.subcode, headers=dict(self.headers)
        )

    def raw(self) -> bytes | None:
        """Return the whole answer, if this effect dictates it."""
        if self.status is None:
            return None
        return plain_response(self.status, self.body, self.content_type, self.headers)


@dataclass
class Rule:
    """Which requests an effect hits: all conditions that are set must hold, then the dice or the count decide."""

    id: int
    effect: Effect
    spec: dict[str, Any]
    on: str = "messages"
    phone: str | None = None
    recipient: str | None = None
    callback_prefix: str | None = None
    type: str | None = None
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    until: float | None = None
    hits: int = 0

    def matches(self, on: str, phone: str, recipient: str, callback: str, kind: str) -> bool:
        """Tell whether the conditions hold."""
        return (
            self.on in (on, "any")
            and (self.phone is None or self.phone == phone)
            and (self.recipient is None or self.recipient == recipient)
            and (self.callback_prefix is None or callback.startswith(self.callback_prefix))
            and (self.type is None or self.type == kind)
            and (self.count is None or self.hits < self.count)
            and (self.until is None or monotonic() < self.until)
        )


class Faults:
    """All rules, oldest first; the first that hits decides, those with only a latency add to it."""

    def __init__(self, seed: int) -> None:
        self.rules: list[Rule] = []
        self.random = Random(seed)
        self._ids = count(1)

    def add(self, spec: dict[str, Any]) -> Rule:
        """Add a rule.

        Raises:
            BadFault: when the specification has unknown or malformed members.
        """
        rule = _parse_rule(next(self._ids), spec)
        self.rules.append(rule)
        return rule

    def clear(self, rule_id: int | None = None) -> int:
        """Remove one rule or all; return how many."""
        before = len(self.rules)
        self.rules = [] if rule_id is None else [rule for rule in self.rules if rule.id != rule_id]
        return before - len(self.rules)

    def pick(self, on: str, phone: str, recipient: str = "", callback: str = "", kind: str = "") -> Effect | None:
        """Return what is to go wrong with a request, None for nothing."""
        latency_s = 0.0
        for rule in self.rules:
            if not rule.matches(on, phone, recipient, callback, kind):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1.0 and self.random.random() >= rule.probability:
                continue
            rule.hits += 1
            latency_s += self.random.uniform(*rule.effect.latency_s)
            if not _only_latency(rule.effect):
                return _with_latency(rule.effect, latency_s)
        return Effect(latency_s=(latency_s, latency_s)) if latency_s else None


def recipient_key(given: str) -> str:
    """Return the digits of a phone number; user and group ids as they are."""
    if given[:1].isalpha():
        return given
    return "".join(char for char in given if char.isdecimal())


def _only_latency(effect: Effect) -> bool:
    return effect == Effect(latency_s=effect.latency_s)


def _with_latency(effect: Effect, latency_s: float) -> Effect:
    copy = Effect(**effect.__dict__)
    copy.latency_s = (latency_s, latency_s)
    return copy


_SCOPE: dict[str, type | tuple[type, ...]] = {
    "on": str,
    "phone": str,
    "recipient": str,
    "callback_prefix": str,
    "type": str,
    "probability": (int, float),
    "count": int,
    "skip": int,
}


def _parse_rule(rule_id: int, spec: dict[str, Any]) -> Rule:
    unknown = set(spec) - set(_SCOPE) - {"effect", "for_s"}
    if unknown:
        raise BadFault(f"unknown members {sorted(unknown)}; known: {sorted(_SCOPE)}, for_s, effect")
    for name, wanted in _SCOPE.items():
        if spec.get(name) is not None and not isinstance(spec[name], wanted):
            raise BadFault(f"{name} has the wrong type")
    if not isinstance(spec.get("effect"), dict) or not spec["effect"]:
        raise BadFault("effect must be an object that says what goes wrong")
    effect, for_s = _parse_effect(dict(spec["effect"]))
    for_s = spec.get("for_s", for_s)
    scope = {name: spec[name] for name in _SCOPE if spec.get(name) is not None}
    if effect.code == 190 and "on" not in scope:
        scope["on"] = "any"
    if scope.get("on", "messages") not in CALLS:
        raise BadFault(f"on must be one of {', '.join(CALLS)}")
    if scope.get("recipient"):
        scope["recipient"] = recipient_key(scope["recipient"])
    return Rule(rule_id, effect, spec, until=monotonic() + for_s if for_s else None, **scope)


def _parse_effect(spec: dict[str, Any]) -> tuple[Effect, float | None]:
    """Return the effect and, for ``maintenance_s``, how long it lasts."""
    for_s: float | None = None
    if "maintenance_s" in spec:
        for_s = float(spec.pop("maintenance_s"))
        spec["code"] = 131057
    if spec.pop("revoke_token", False):
        spec.update(code=190, subcode=spec.get("subcode", 460))
    if "html" in spec:
        spec.update(status=int(spec.pop("html")), body=_EDGE_PAGE)
    if "async" in spec:
        spec["asynchronous"] = bool(spec.pop("async"))
    latency = spec.get("latency_s", 0.0)
    spec["latency_s"] = (float(latency[0]), float(latency[1])) if isinstance(latency, list) else (float(latency),) * 2
    body = spec.get("body", b"")
    if isinstance(body, str):
        spec["body"] = body.encode()
    elif not isinstance(body, bytes):
        spec["body"] = orjson.dumps(body)
        spec.setdefault("content_type", "application/json; charset=UTF-8")
    unknown = set(spec) - set(Effect.__dataclass_fields__)
    if unknown:
        known = sorted(
            {*Effect.__dataclass_fields__, "async", "html", "maintenance_s", "revoke_token"} - {"asynchronous"}
        )
        raise BadFault(f"unknown effect {sorted(unknown)}; known: {known}")
    if spec.get("asynchronous") and spec.get("code") is None:
        raise BadFault("async needs a code")
    return Effect(**spec), for_s

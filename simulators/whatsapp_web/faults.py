"""What goes wrong on demand: rules with a scope and, if wanted, a number of times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Protocol

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.problems import Problem

#: Socket states of the page. Source: wa-js 4.6.0, src/whatsapp/enums/SOCKET_STATE.ts, read 2026-11-25.
STATES = (
    *("OPENING", "PAIRING", "UNPAIRED", "UNPAIRED_IDLE", "CONNECTED", "TIMEOUT", "CONFLICT", "UNLAUNCHED"),
    *("PROXYBLOCK", "TOS_BLOCK", "SMB_TOS_BLOCK", "DEPRECATED_VERSION"),
)


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        does: What happens, for the list of the control API.
        pushed: The open pages are told at once, and each page that opens while the fault stands.
        times: How often it strikes if the rule does not say; None is until it is cleared.
        needs: Names and types of the arguments that it cannot do without.
        takes: Names and types of the others.
    """

    does: str
    pushed: bool = False
    times: int | None = None
    needs: dict[str, type] = field(default_factory=dict)
    takes: dict[str, type] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "state": Kind("the page's socket shows `state` and sends nothing", pushed=True, needs={"state": str}),
    "hang": Kind("endless loop in the page, or for `s`", pushed=True, times=1, takes={"s": float}),
    "reload": Kind("the page reloads itself", pushed=True, times=1),
    "memory": Kind(
        "the renderer grows by `mb_per_s` up to `mb_max`",
        pushed=True,
        times=1,
        takes={"mb_per_s": float, "mb_max": float},
    ),
    "drop": Kind("the link to the server is cut and refused for `s`", pushed=True, times=1, needs={"s": float}),
    "stuck": Kind("CONNECTED, but hasSynced stays false (99 %)", pushed=True),
    "slow_load": Kind("the page's scripts come `s` late", needs={"s": float}),
    "no_answer": Kind("the page's address takes the connection and never answers"),
    "remove_modules": Kind("pages load without these modules (a WhatsApp update)", needs={"modules": list}),
    "keys": Kind("pages load with this kind of message key", needs={"keys": str}),
    "swallow": Kind("a sent message gets no ack 1 and is not kept"),
    "lose_ack": Kind("a sent message is kept, its ack 1 is lost"),
    "refuse": Kind("the server refuses a sent message: ack -1"),
    "no_receipts": Kind("no delivered or read comes by itself"),
    "unknown_address": Kind("the number is not on WhatsApp", needs={"address": str}),
    "no_lid": Kind('"No LID for user" for this address', needs={"address": str}),
    "upload_error": Kind("media uploads are answered `status` (default 500)", takes={"status": int}),
    "download_404": Kind("media downloads are answered 404"),
    "empty_ref": Kind("the page's ref is empty", pushed=True),
}


class Target(Protocol):
    """What a fault is asked about: a page, with or without an account."""

    @property
    def id(self) -> str:
        """The page."""
        ...

    @property
    def number(self) -> str | None:
        """The account that is logged in on it."""
        ...


@dataclass
class Fault:
    """A rule; ``times`` is what is left of it, None without end."""

    id: str
    kind: str
    args: dict[str, Any]
    account: str | None = None
    page: str | None = None
    next_page: bool = False
    times: int | None = None
    struck: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return what the control API shows."""
        return asdict(self)

    def fits(self, page: Target | None) -> bool:
        """Return whether the rule is about this page (None: a request of no known page)."""
        if self.next_page or self.times == 0:
            return False
        if page is None:
            return self.account is None and self.page is None
        return self.account in {None, page.number} and self.page in {None, page.id}


class Faults:
    """All rules, oldest first; the first that fits strikes."""

    def __init__(self) -> None:
        self.rules: dict[str, Fault] = {}
        self._ids = count(1)

    def add(self, body: dict[str, Any]) -> Fault:
        """Make a rule from a request's body.

        Raises:
            Problem: When it cannot be understood; the text says why.
        """
        kind = KINDS.get(body.get("kind", ""))
        if kind is None:
            raise Problem(422, "unknown_fault", f"kind must be one of {', '.join(KINDS)}")
        scope = _scope(body)
        times = body.get("times", kind.times)
        if times is not None and (type(times) is not int or times < 1):
            raise Problem(422, "bad_fault", "times must be a positive number")
        args = _arguments(kind, {k: v for k, v in body.items() if k not in {"kind", "times", *_SCOPES}})
        fault = Fault(f"f{next(self._ids)}", body["kind"], args, times=times, **scope)
        self.rules[fault.id] = fault
        return fault

    def opened(self, page: Target) -> None:
        """Bind the rules for the next page to this one, which just opened."""
        for fault in self.rules.values():
            if fault.next_page:
                fault.next_page, fault.page = False, page.id

    def standing(self, page: Target | None, kind: str) -> Iterator[Fault]:
        """Yield the rules of a kind that fit, without using them up."""
        yield from [rule for rule in self.rules.values() if rule.kind == kind and rule.fits(page)]

    def take(self, page: Target | None, kind: str, **args: Any) -> Fault | None:
        """Return the first rule that fits, one time less; ``args`` must be equal."""
        for fault in self.standing(page, kind):
            if all(fault.args.get(name) == value for name, value in args.items()):
                return self.use(fault)
        return None

    @staticmethod
    def use(fault: Fault) -> Fault:
        """Count one strike."""
        fault.struck += 1
        if fault.times is not None:
            fault.times -= 1
        return fault


_SCOPES = ("account", "page", "next_page")


def _scope(body: dict[str, Any]) -> dict[str, Any]:
    scope = {name: body[name] for name in _SCOPES if body.get(name)}
    if len(scope) > 1:
        raise Problem(422, "bad_fault", "one of account, page, next_page, or none of them for all pages")
    if "account" in scope:
        scope["account"] = addresses.number(scope["account"])
    if not isinstance(scope.get("page", ""), str) or not isinstance(scope.get("next_page", True), bool):
        raise Problem(422, "bad_fault", "page is a page's id, next_page is true or false")
    return scope


def _arguments(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    known = {**kind.needs, **kind.takes}
    for name in kind.needs.keys() - given.keys():
        raise Problem(422, "bad_fault", f"{name} is missing")
    args: dict[str, Any] = {}
    for name, value in given.items():
        wanted = known.get(name)
        if wanted is None:
            raise Problem(422, "bad_fault", f"there is no argument {name!r}")
        args[name] = float(value) if wanted is float and type(value) is int else value
        if type(args[name]) is not wanted:
            raise Problem(422, "bad_fault", f"{name} must be {wanted.__name__}, not {value!r}")
    _values(args)
    return args


def _values(args: dict[str, Any]) -> None:
    if args.get("state", "OPENING") not in STATES:
        raise Problem(422, "bad_fault", f"state must be one of {', '.join(STATES)}")
    if args.get("keys", "new") not in {"new", "old"}:
        raise Problem(422, "bad_fault", "keys must be new or old")
    if "address" in args:
        args["address"] = addresses.address(args["address"])
    if any(not isinstance(name, str) for name in args.get("modules", ())):
        raise Problem(422, "bad_fault", "modules must be names")

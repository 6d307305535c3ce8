"""Who exists: phone numbers, WhatsApp Business accounts, tokens, and what each has configured."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from simulators.graph.ids import phone_id_of_key

#: WABA of numbers that register themselves in open mode. Source: Meta's webhook examples, read 2026-09.
DEFAULT_WABA_ID = "102290129340398"

#: What every bearer token that open mode accepts begins with.
TOKEN_PREFIX = "EAA"


@dataclass
class Callback:
    """Where webhooks go: a URL and further headers; ``signed`` adds Meta's signature."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    signed: bool = True


@dataclass
class Phone:
    """One business phone number.

    Attributes:
        id: Phone number id.
        waba_id: Account that owns it.
        token: Its bearer token; None if it registered itself (any ``EAA`` token).
        display: Display phone number, digits.
        d360_key: Its 360dialog API key, if it is behind that proxy.
        registered: Whether it may send (``register``, ``deregister``).
        pin: Two-step PIN; set by the first registration.
        callback: Override of the webhook URL.
        blocked: Blocked users.
        windows: Per user, until when (Unix seconds) the customer service window is open.
    """

    id: str
    waba_id: str
    token: str | None = None
    display: str = ""
    verified_name: str = "Simulated Business"
    d360_key: str | None = None
    registered: bool = True
    pin: str | None = None
    registrations: int = 0
    callback: Callback | None = None
    blocked: set[str] = field(default_factory=set)
    windows: dict[str, float] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give the number a display number that is stable for its id."""
        if not self.display:
            self.display = f"1555{int.from_bytes(sha256(self.id.encode()).digest()[:4]) % 10**7:07d}"


@dataclass
class Waba:
    """One WhatsApp Business account."""

    id: str
    name: str = "Simulated Account"
    callback: Callback | None = None
    subscribed: bool = True
    templates: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


class Registry:
    """All numbers, accounts and tokens."""

    def __init__(self) -> None:
        self.phones: dict[str, Phone] = {}
        self.wabas: dict[str, Waba] = {}
        self.by_key: dict[str, Phone] = {}
        self.revoked: set[str] = set()
        self.issued: dict[str, str] = {}
        self.waba(DEFAULT_WABA_ID)

    def add_phone(self, phone: Phone) -> Phone:
        """Register a number (replacing one of the same id) and its account."""
        self.phones[phone.id] = phone
        self.waba(phone.waba_id)
        if phone.d360_key:
            self.by_key[phone.d360_key] = phone
        return phone

    def waba(self, waba_id: str) -> Waba:
        """Return the account, creating it with the sample template when it is new."""
        found = self.wabas.get(waba_id)
        if found is None:
            found = self.wabas[waba_id] = Waba(waba_id)
            found.templates[("hello_world", "en_US")] = sample_template()
        return found

    def open_phone(self, phone_id: str) -> Phone:
        """Register a number that nobody announced."""
        return self.add_phone(Phone(phone_id, DEFAULT_WABA_ID))

    def phone_of_key(self, api_key: str, *, open_mode: bool) -> Phone | None:
        """Return the number behind a 360dialog key; in open mode any key gets one."""
        found = self.by_key.get(api_key)
        if found is None and open_mode and api_key:
            found = self.add_phone(Phone(phone_id_of_key(api_key), DEFAULT_WABA_ID, d360_key=api_key))
        return found

    def knows_token(self, token: str) -> bool:
        """Tell whether the token is one that was registered or issued."""
        return token in self.issued or any(phone.token == token for phone in self.phones.values())

    def phones_of(self, waba_id: str) -> list[Phone]:
        """Return the numbers of an account."""
        return [phone for phone in self.phones.values() if phone.waba_id == waba_id]


def sample_template() -> dict[str, Any]:
    """Return the template that every new account has."""
    return {
        "name": "hello_world",
        "language": "en_US",
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "id": "1192339204654487",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
            {"type": "BODY", "text": "Welcome and congratulations!!"},
            {"type": "FOOTER", "text": "WhatsApp Business Platform sample message"},
        ],
    }

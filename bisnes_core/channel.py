"""The contract between the core and a channel plug-in (design §4).

A plug-in is found by the entry point group `bisnes.channels`; the entry point is an import-light `ChannelSpec`. The API
imports specs only; the adapter is imported only in the worker of its own channel. A plug-in does no database, no queue,
no retry: it talks to its provider and classifies what comes back; the core acts.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from bisnes_core.errors import Unsupported
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.pace import PaceRule
from bisnes_core.phone import Lane, Phone
from bisnes_core.retry import RetryRule
from bisnes_core.session import Session, SessionHost
from bisnes_core.settings import Settings
from bisnes_core.status import Status

ENTRY_POINT_GROUP = "bisnes.channels"


# -- what a provider tells us (webhook side) --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A provider's request as it came in; `headers` have lower-case names, `body` is the raw bytes."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Later news of a message that we sent.

    Attributes:
        provider_phone_id: the provider's name of the phone (Meta: phone number id).
        provider_message_id: the provider's id of the message (Meta: wamid).
        message_id: our id, when the provider gave our token back, else None.
        at: when it happened, by the provider's clock.
        error_code, error: why it failed, when `status` is failed.
    """

    provider_phone_id: str
    provider_message_id: str
    message_id: str | None
    status: Status
    at: datetime
    error_code: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that somebody sent to one of our phones.

    Attributes:
        chat_id: normalised.
        kind: the provider's type, such as `text`, `image`, `reaction`, `unsupported`.
        text: readable text of it, or None.
        content: the provider's content object of that kind.
        identities: other names of the sender: `phone`, `user_id`, `username`, `name`.
        reply_to: provider message id of the quoted message.
    """

    provider_phone_id: str
    provider_message_id: str
    chat_id: str
    kind: str
    text: str | None
    content: Mapping[str, Any]
    at: datetime
    identities: Mapping[str, str] = field(default_factory=dict)
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An item that could not be understood; kept with its reason while its siblings go on."""

    reason: str
    item: Any


@dataclass(frozen=True, slots=True)
class Ignored:
    """An item that is understood and needs no action; counted by its word."""

    word: str


class Change(StrEnum):
    """What may happen to a message after it was sent, by either side."""

    EDITED = "edited"
    REVOKED = "revoked"
    REACTION = "reaction"


@dataclass(frozen=True, slots=True)
class Changed:
    """A message, sent or received, was changed.

    Attributes:
        provider_message_id: of the message that was changed.
        change: what happened.
        text: the new text, or the emoji; `""` takes a reaction back.
        by: chat id of whoever did it; `""` when we did.
        at: when.
    """

    provider_phone_id: str
    provider_message_id: str
    change: Change
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SentElsewhere:
    """A message that the phone's owner sent from the telephone or another device: part of the chat, not of our outbox.

    Attributes:
        message: as an inbound message; `identities` are the recipient's.
    """

    message: Inbound


Parsed = Receipt | Inbound | Changed | SentElsewhere | Quarantined | Ignored


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook side of a channel: pure functions of bytes and headers.

    Attributes:
        challenge: answers the provider's verification `GET` with the text to echo, or None to refuse. Arguments: the
            request and the accepted verify tokens.
        verify: whether a `POST` is authentic. Arguments: the request and the candidate secrets. Never raises, refuses
            everything when there are no secrets, compares in constant time, before parsing.
        parse: items of an authentic body. Never raises for the whole body: what is not understood is `Quarantined`.
        secret_setting: field of `Settings` with the installation's secret; phones may bring their own under the key
            `app_secret` of their configuration.
        token_setting: field of `Settings` with the verify token.
    """

    challenge: Callable[[WebhookRequest, Sequence[str]], str | None]
    verify: Callable[[WebhookRequest, Sequence[str]], bool]
    parse: Callable[[bytes], list[Parsed]]
    secret_setting: str | None = None
    token_setting: str | None = None


# -- what a plug-in declares ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """Everything about a channel that can be known without importing its adapter.

    Attributes:
        name: the channel, its watcher and the stem of its queue (`<name>-messages`): lower case, no dot, no space.
        connection_types: legacy words that select this channel, its own first.
        kinds: kinds of message that it can send.
        config_schema: JSON Schema of a phone's configuration; properties with `"x-secret": true` are encrypted at rest
            and never answered.
        adapter: `"package.module:Class"`, imported only in the channel's own worker.
        check: pure check of a message against the channel's limits; raises `Permanent` or `Unsupported`.
            Arguments: kind, normalised chat id, payload.
        provider_phone_id: configuration field with the provider's name of the phone, by which webhooks are routed.
        webhook: its webhook side, if the provider calls us.
        session: its session side, if it receives over a session of its own; at most one of the two.
        pace: how fast a phone may send at most, by default; None for as fast as the provider takes it.
        retry: backoff and number of attempts.
    """

    name: str
    connection_types: tuple[str, ...]
    kinds: frozenset[Kind]
    config_schema: Mapping[str, Any]
    adapter: str
    check: Callable[[Kind, str, Mapping[str, Any]], None]
    provider_phone_id: str | None = None
    webhook: Webhook | None = None
    session: Session | None = None
    pace: PaceRule | None = None
    retry: RetryRule = field(default_factory=RetryRule)

    @property
    def parse(self) -> Callable[[bytes], list[Parsed]] | None:
        """Takes a stored event apart, whichever way it came; None for a channel that receives nothing."""
        side = self.webhook or self.session
        return side.parse if side else None

    def name_phone(self, lane: Lane, config: Mapping[str, Any]) -> str | None:
        """The provider's name of a phone, by which events find it; a phone with a session is named by its lane."""
        if self.session:
            return str(lane)
        return config.get(self.provider_phone_id) if self.provider_phone_id else None

    @property
    def queue(self) -> str:
        """Name of the channel's queue of tickets."""
        return f"{self.name}-messages"

    @property
    def secret_fields(self) -> frozenset[str]:
        """Names of the configuration fields that are secret."""
        properties: Mapping[str, Mapping[str, Any]] = self.config_schema.get("properties", {})
        return frozenset(name for name, schema in properties.items() if schema.get("x-secret"))


# -- what an adapter does ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Sent:
    """The provider accepted the message; `provider_message_id` is None for kinds that have none (read)."""

    provider_message_id: str | None
    trace: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotSent:
    """Evidence that the message never reached the provider: it goes back to its queue."""

    reason: str


@dataclass(frozen=True, slots=True)
class StillUnknown:
    """Nothing known yet; ask again. When the core's patience ends, the phone's `on_unconfirmed` decides."""


Finding = Sent | NotSent | StillUnknown


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the core knows about an unconfirmed message.

    Attributes:
        provider_message_id: known when a receipt gave our token back.
        waited_s: seconds since the attempt began or, if later, since we could surely receive again.
        wait_s: seconds after which a receipt that is going to come has come.
        receipts_flow: receipts of this phone's other messages arrive, and everything received has been read.
    """

    provider_message_id: str | None
    waited_s: float
    wait_s: float
    receipts_flow: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of an active probe."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A message's file, on this host for the length of one send.

    Attributes:
        mime_type: as its source says, else as its name says.
        name: a file name without folders.
    """

    path: Path
    mime_type: str
    name: str
    size_bytes: int


class Files(Protocol):
    """Brings a message's file to this host."""

    def local(self, url: str, *, name: str | None = None) -> AbstractAsyncContextManager[LocalFile]:
        """The file behind an address while the block lasts.

        Raises:
            Permanent: no address, forbidden, too large, or not there (4xx).
            Retryable: it could not be had this time.
        """


class ChannelAdapter(ABC):
    """The acting half of a channel; one instance per worker process, used from one event loop."""

    #: Where the bytes of a message's file come from; the worker sets it before `start`.
    files: Files

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def start(self) -> None:  # noqa: B027 - optional to implement
        """Opens what the channel needs (HTTP sessions, browsers). Not called at import or construction."""

    async def stop(self) -> None:  # noqa: B027 - optional to implement
        """Closes it again."""

    @abstractmethod
    async def health(self) -> Health:
        """An active probe with a deadline of its own, well below 5 s."""

    @abstractmethod
    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        """Hands one message to the provider, once.

        Raises:
            SendError: one of `bisnes_core.errors`, as the provider answered. `UnknownOutcome` whenever bytes may have
                left without an answer: claiming less would send twice.
        """

    @abstractmethod
    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        """Tells whether an unconfirmed message left, from the evidence or by asking the provider."""

    async def listen(self, phone: Phone, host: SessionHost) -> None:
        """Opens a phone's session and holds it until cancelled; then closes it (channels with a session).

        The core calls it while this process, and no other on any host, may open this phone. It returns by itself only
        when nothing but a person can help: the core calls it again at the next request. What it raises is counted as a
        crash of this one session, and it is called again after a backoff; `FatalToProcess` ends the process.
        """
        raise Unsupported("unsupported", "this channel receives by webhook")

    async def backfill(self, phone: Phone, since: datetime | None) -> None:
        """Fetches what came in since an instant, into the host of the running session; None asks for all there is."""
        raise Unsupported("unsupported", "this channel has no history to fetch")

    async def fetch_media(self, phone: Phone, media_id: str) -> bytes:
        """Bytes of a received file."""
        raise Unsupported("unsupported", "this channel has no media yet")


class SyncChannelAdapter(ChannelAdapter):
    """For providers whose library is synchronous: `send_sync` runs in a thread."""

    @abstractmethod
    def send_sync(self, phone: Phone, message: OutboundMessage) -> Sent:
        """As `send`, blocking; called in a thread, several at a time."""

    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        """Runs `send_sync` in a thread."""
        return await asyncio.to_thread(self.send_sync, phone, message)


# -- finding plug-ins -------------------------------------------------------------------------------------------------
class UnknownChannel(LookupError):
    """A channel that is not installed or not on the allow-list."""


def load_specs(allowed: Sequence[str]) -> dict[str, ChannelSpec]:
    """Specs of the allowed channels, by name.

    Raises:
        UnknownChannel: when an allowed channel is not installed.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    missing = [name for name in allowed if name not in found]
    if missing:
        raise UnknownChannel(f"no plug-in offers the channel(s) {', '.join(missing)}; installed: {', '.join(found)}")
    return {name: found[name].load() for name in allowed}


def load_adapter(spec: ChannelSpec, settings: Settings) -> ChannelAdapter:
    """Imports and constructs the adapter of a channel; only its own worker does this."""
    module, _, name = spec.adapter.partition(":")
    adapter = getattr(import_module(module), name)(settings)
    if not isinstance(adapter, ChannelAdapter):
        raise TypeError(f"{spec.adapter} is no ChannelAdapter")
    return adapter


def spec_for(specs: Mapping[str, ChannelSpec], connection_type: str) -> ChannelSpec:
    """The channel that serves a connection type.

    Raises:
        UnknownChannel: when none of the given channels does.
    """
    for spec in specs.values():
        if connection_type in spec.connection_types:
            return spec
    raise UnknownChannel(f"no enabled channel serves the connection type {connection_type!r}")

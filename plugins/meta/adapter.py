"""Sends through Meta's Graph API or 360dialog: one HTTP session per process, one request per message.

What matters most here is to know whether bytes may have left. Before a connection stands, nothing has: try again.
From then on, silence is an unknown outcome. aiohttp repeats a request on a dead keep-alive connection by itself for
idempotent methods only (`IDEMPOTENT_METHODS` in aiohttp/client.py, 3.14), never for POST; the tests watch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from bisnes_core.channel import ChannelAdapter, Evidence, Finding, Health, NotSent, Sent, StillUnknown
from bisnes_core.errors import AuthRequired, Retryable, SendError, UnknownOutcome
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings
from plugins.meta.body import graph_body
from plugins.meta.classify import classify
from plugins.meta.redaction import redact
from plugins.meta.spec import DIALOG360

#: A connection that does not stand after this will hardly stand later; shorter than any send's deadline.
CONNECT_TIMEOUT_S: Final = 3.0
#: Deadline of the health probe; the core asks for well below 5 s.
PROBE_TIMEOUT_S: Final = 2.5
#: Idle connections are closed before the provider does it (Meta's edge: a minute or more), or a request that meets the
#: close would end with an unknown outcome.
KEEPALIVE_S: Final = 30.0
#: Host addresses are remembered this long.
DNS_CACHE_S: Final = 60


class MetaAdapter(ChannelAdapter):
    """One per worker process; any number of phones and sends at a time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._session: aiohttp.ClientSession | None = None
        self._graph_url = settings.meta_graph_url.rstrip("/")
        self._dialog360_url = settings.meta_360dialog_url.rstrip("/")
        self._bases_used: set[str] = set()

    async def start(self) -> None:
        """Opens the HTTP session; connections follow with the first sends."""
        if self._session is not None:
            return
        total_s = self.settings.deliver_timeout_s
        connect_s = min(CONNECT_TIMEOUT_S, total_s / 2)
        self._session = aiohttp.ClientSession(
            # The lanes bound what is in flight; a second bound here would only let sends wait past their deadline.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=DNS_CACHE_S, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=total_s, connect=connect_s, sock_connect=connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "bisnes", "Content-Type": "application/json"},
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    async def stop(self) -> None:
        """Closes the session and its connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def health(self) -> Health:
        """Asks the hosts in use for any answer at all; without a token, so no number's limit is touched."""
        if self._session is None:
            return Health(False, "not started")
        silent = [base for base in sorted(self._bases_used or {self._graph_url}) if not await self._answers(base)]
        return Health(not silent, f"no answer from {', '.join(silent)}" if silent else "")

    async def _answers(self, base: str) -> bool:
        assert self._session is not None  # noqa: S101 - health() looked
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S / max(len(self._bases_used), 1))
        try:
            # GET: some proxies answer HEAD with a body, which ends as a broken answer.
            async with self._session.get(base, allow_redirects=False, timeout=timeout):
                return True
        except (aiohttp.ClientError, OSError, ValueError):
            return False

    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        """One POST; see the module for what each way of failing means."""
        if self._session is None:
            raise Retryable("meta:not_started", "the adapter is not running")
        url, headers = self._address(phone)
        body = orjson.dumps(graph_body(message))
        try:
            # A redirect would carry the token elsewhere.
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                content = await answer.read()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise AuthRequired("meta:config", "base_url is no address") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Retryable("meta:unreachable", _words(error, phone), unreachable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unknown(message, "meta:no_answer", _words(error, phone)) from error
        if answer.status < 300:
            sent = _read_acceptance(message, content)
            if sent is not None:
                return sent
        failure = classify(answer.status, answer.headers, content, secrets=phone.secrets.values())
        raise _unknown(message, failure.code, failure.detail) if isinstance(failure, UnknownOutcome) else failure

    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        """A status webhook brings our id back if the message left; where others' come and its does not, it did not."""
        if evidence.provider_message_id is not None:
            return Sent(evidence.provider_message_id)
        if message.kind is Kind.READ:
            return NotSent("marking as read may be repeated")
        if evidence.waited_s >= evidence.wait_s and evidence.receipts_flow:
            return NotSent(f"no receipt within {evidence.wait_s:g} s while those of other messages came")
        return StillUnknown()

    def _address(self, phone: Phone) -> tuple[URL, dict[str, str]]:
        """Address and credentials for a phone.

        Raises:
            AuthRequired: when the phone's configuration lacks one of them; its queue waits for a person.
        """
        try:
            return self._build_address(phone)
        except ValueError as error:
            raise AuthRequired("meta:config", "base_url is no address") from error

    def _build_address(self, phone: Phone) -> tuple[URL, dict[str, str]]:
        config, secrets = phone.config, phone.secrets
        if phone.connection_type in DIALOG360:
            base = str(config.get("base_url") or self._dialog360_url)
            headers = {"D360-API-KEY": _required(secrets, "api_key")}
            url = _dialog360_messages(base)
        else:
            base = str(config.get("base_url") or self._graph_url)
            headers = {"Authorization": f"Bearer {_required(secrets, 'access_token')}"}
            version = str(config.get("graph_version") or self.settings.meta_graph_version)
            url = _graph_messages(base, version, _required(config, "phone_number_id"))
        if "base_url" not in config:
            self._bases_used.add(base)
        return url, headers


@lru_cache(maxsize=4096)
def _graph_messages(base: str, version: str, phone_number_id: str) -> URL:
    return URL(f"{base.rstrip('/')}/{version}/{phone_number_id}/messages")


@lru_cache(maxsize=64)
def _dialog360_messages(base: str) -> URL:
    return URL(f"{base.rstrip('/')}/messages")


def _unknown(message: OutboundMessage, code: str, words: str) -> SendError:
    """Nobody knows whether it arrived. Marking as read is no message and may be repeated."""
    return Retryable(code, words) if message.kind is Kind.READ else UnknownOutcome(code, words)


def _required(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        raise AuthRequired("meta:config", f"this phone has no usable {name}")
    return value


def _words(error: Exception, phone: Phone) -> str:
    return redact(f"{type(error).__name__}: {error}", phone.secrets.values())


def _read_acceptance(message: OutboundMessage, content: bytes) -> Sent | None:
    """Meta's "accepted", or None when the answer says something else."""
    try:
        data = orjson.loads(content)
        if message.kind is Kind.READ:
            return Sent(None) if data["success"] is True else None
        wamid = data["messages"][0]["id"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    return Sent(wamid, _remarks(data)) if isinstance(wamid, str) and wamid else None


def _remarks(data: dict[str, Any]) -> dict[str, Any]:
    """What is worth keeping of an acceptance: the recipient's canonical name, and whether Meta holds it back."""
    remarks: dict[str, Any] = {}
    contacts = data.get("contacts")
    if isinstance(contacts, list) and contacts and isinstance(contacts[0], dict):
        contact = contacts[0]
        if contact.get("wa_id") and str(contact.get("input", "")).lstrip("+") != contact["wa_id"]:
            remarks["wa_id"] = contact["wa_id"]
    held = data["messages"][0].get("message_status")
    return {**remarks, "message_status": held} if held else remarks

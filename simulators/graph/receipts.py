"""Status webhooks: when each is due, and several that are due together in one body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from random import Random
from time import time
from typing import Any

from simulators.graph.ids import user_id_of
from simulators.graph.registry import Callback, Phone, Registry
from simulators.graph.settings import Settings
from simulators.graph.webhooks import WebhookSender

#: From this version on statuses carry no ``conversation``. Source: webhooks/reference/messages/status, read 2026-09.
CONVERSATION_ENDS = 24.0

#: A service conversation lasts a day.
CONVERSATION_S = 86_400


@dataclass(slots=True)
class Sent:
    """An accepted message, as far as its statuses need it."""

    phone: Phone
    wamid: str
    to: str
    recipient_type: str
    callback: str | None
    category: str | None
    with_conversation: bool
    statuses: tuple[str, ...]
    failure: dict[str, Any] | None = None


class Receipts:
    """Everything that is still to be told about accepted messages."""

    def __init__(self, settings: Settings, registry: Registry, sender: WebhookSender, random: Random) -> None:
        self._settings = settings
        self._registry = registry
        self._sender = sender
        self._random = random
        self._due: dict[int, list[tuple[Sent, str]]] = {}
        self.emitted = 0

    def schedule(self, sent: Sent) -> None:
        """Plan the statuses of a message: one per delay, or what the live settings make of it."""
        settings = self._settings
        if not settings.receipts:
            return
        due = asyncio.get_running_loop().time()
        statuses = sent.statuses
        if settings.reorder and self._random.random() < settings.reorder:
            statuses = statuses[::-1]
        for status in statuses:
            due += settings.receipt_delay_s
            if settings.loss and self._random.random() < settings.loss:
                continue
            is_late = settings.late and self._random.random() < settings.late
            self._plan(due + settings.late_s if is_late else due, sent, status)

    @property
    def waiting(self) -> int:
        """How many statuses are planned."""
        return sum(len(items) for items in self._due.values())

    def clear(self) -> None:
        """Drop all that is planned."""
        self._due.clear()

    def _plan(self, due: float, sent: Sent, status: str) -> None:
        window_s = max(self._settings.batch_window_s, 0.001)
        slot = int(due / window_s)
        items = self._due.get(slot)
        if items is None:
            items = self._due[slot] = []
            asyncio.get_running_loop().call_at((slot + 1) * window_s, self._flush, slot)
        items.append((sent, status))

    def _flush(self, slot: int) -> None:
        items = self._due.pop(slot, [])
        if not self._settings.receipts:
            return
        stamp = str(int(time()))
        limit = max(self._settings.statuses_per_body, 1)
        for callback, group in self._by_callback(items):
            for start in range(0, len(group), limit):
                part = group[start : start + limit]
                self.emitted += len(part)
                self._sender.emit(_body(part, stamp), callback)

    def _by_callback(self, items: list[tuple[Sent, str]]) -> Iterator[tuple[Callback, list[tuple[Sent, str]]]]:
        by_phone: dict[str, list[tuple[Sent, str]]] = {}
        for item in items:
            by_phone.setdefault(item[0].phone.id, []).append(item)
        groups: dict[tuple[str, bool], tuple[Callback, list[tuple[Sent, str]]]] = {}
        for group in by_phone.values():
            callback = callback_for(group[0][0].phone, self._registry, self._sender.default, self._settings)
            if callback is not None:
                groups.setdefault((callback.url, callback.signed), (callback, []))[1].extend(group)
        return iter(groups.values())


def has_conversation(version: str) -> bool:
    """Tell whether statuses of messages sent with this Graph version carry ``conversation``."""
    return float(version[1:]) < CONVERSATION_ENDS


def callback_for(phone: Phone, registry: Registry, default: Callback, settings: Settings) -> Callback | None:
    """Return where a number's webhooks go: its own override, its account's, or the app's; None if unsubscribed."""
    waba = registry.waba(phone.waba_id)
    if phone.callback is not None:
        return phone.callback
    if phone.d360_key is not None:
        return Callback(settings.d360_webhook_url or default.url, signed=False)
    if not waba.subscribed:
        return None
    return waba.callback or default


def _body(items: list[tuple[Sent, str]], stamp: str) -> dict[str, Any]:
    by_phone: dict[str, tuple[Phone, dict[str, dict[str, Any]], list[dict[str, Any]]]] = {}
    for sent, status in items:
        phone = sent.phone
        entry = by_phone.get(phone.id)
        if entry is None:
            entry = by_phone[phone.id] = (phone, {}, [])
        entry[2].append(_status(sent, status, stamp))
        if status != "failed" and sent.recipient_type != "group":
            entry[1][sent.to] = _contact(sent)
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": phone.waba_id, "changes": [{"value": _value(phone, contacts, statuses), "field": "messages"}]}
            for phone, contacts, statuses in by_phone.values()
        ],
    }


def _value(phone: Phone, contacts: dict[str, dict[str, Any]], statuses: list[dict[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone.display, "phone_number_id": phone.id},
    }
    if contacts:
        value["contacts"] = list(contacts.values())
    value["statuses"] = statuses
    return value


def _contact(sent: Sent) -> dict[str, Any]:
    if sent.recipient_type == "user":
        return {"profile": {"name": "Simulated User"}, "user_id": sent.to}
    return {"profile": {"name": "Simulated User"}, "wa_id": sent.to, "user_id": user_id_of(sent.to)}


def _status(sent: Sent, status: str, stamp: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": sent.wamid, "status": status, "timestamp": stamp}
    if sent.recipient_type == "individual":
        row["recipient_id"] = sent.to
        row["recipient_user_id"] = user_id_of(sent.to)
    elif sent.recipient_type == "group":
        row["recipient_id"] = sent.to
        row["recipient_type"] = "group"
    else:
        row["recipient_user_id"] = sent.to
    if sent.callback is not None:
        row["biz_opaque_callback_data"] = sent.callback
    if sent.failure is not None:
        row["errors"] = [sent.failure]
        return row
    category = sent.category or "service"
    if status in ("sent", "delivered"):
        if sent.category:
            row["pricing"] = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}
        else:
            row["pricing"] = {
                "billable": False,
                "pricing_model": "PMP",
                "type": "free_customer_service",
                "category": category,
            }
    if sent.with_conversation:
        row["conversation"] = _conversation(sent, status, category, stamp)
    return row


def _conversation(sent: Sent, status: str, category: str, stamp: str) -> dict[str, Any]:
    name = md5(f"{sent.phone.id}:{sent.to}".encode(), usedforsecurity=False).hexdigest()
    conversation: dict[str, Any] = {"id": name, "origin": {"type": category}}
    if status == "sent":
        conversation["expiration_timestamp"] = str(int(stamp) + CONVERSATION_S)
    return conversation

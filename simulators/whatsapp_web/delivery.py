"""From the account's order of events to its pages, and the receipts that follow a message."""

from __future__ import annotations

import asyncio
from time import time
from typing import Any

from simulators.whatsapp_web.accounts import Account
from simulators.whatsapp_web.message import Message
from simulators.whatsapp_web.pages import Page
from simulators.whatsapp_web.people import People
from simulators.whatsapp_web.world import World

#: Names of acks and the attribute of WhatsApp's receipt. Source: wa-js 4.6.0, enums/ACK.ts, read 2026-11-25.
ACKS = {"sent": 1, "delivered": 2, "read": 3, "played": 4}


class Delivery:
    """Tells pages; a page that is not in sync gets its events when it is."""

    def __init__(self, world: World, people: People) -> None:
        self._world = world
        self._people = people
        self._live: set[str] = set()

    # -- pages ------------------------------------------------

    def synced(self, page: Page) -> None:
        """Hand a page what it missed; from now on it gets events as they come."""
        account, login = page.account, page.login
        if account is None or login is None:
            return
        self._live.add(page.id)
        for event in account.news(login):
            page.pass_on(event)

    def unlinked(self, page: Page) -> None:
        """Note that a page lost its link."""
        self._live.discard(page.id)

    def announce(self, account: Account, op: str, origin: Page | None = None, **details: Any) -> dict[str, Any]:
        """Make an event and pass it to every page in sync but the one that it came from."""
        token = origin.login.token if origin and origin.login else None
        event = account.event(op, origin=token, **details)
        for page in self._world.pages.of(account.number):
            if page.id in self._live and page.login is not None and page.login.token != token:
                page.pass_on(event)
        return event

    # -- messages ------------------------------------------------

    def message(self, account: Account, message: Message, *, new: bool = True, origin: Page | None = None) -> None:
        """Keep a message and tell the pages; one that is not new is history, which pages ask for."""
        message.seq = account.seq + 1
        account.add(message, unread=new and not message.from_me)
        self._people.note(message.sender, message.chat)
        chat = account.chats[message.chat]
        lids = self._people.lids(message.chat, message.sender)
        self.announce(
            account,
            "message" if new else "history",
            origin,
            m=message.wire(),
            chat=self._people.shown(chat),
            lids=lids,
        )

    def receipt(self, account: Account, message: Message, ack: int, participant: str | None = None) -> None:
        """Note that someone has, read or played a message; an ack never goes back."""
        t = time()
        message.receipts[f"{ack}:{participant or message.chat}"] = t
        message.ack = max(message.ack, ack)
        account.save_message(message)
        details: dict[str, Any] = {
            "chat": message.chat,
            "ids": [message.id],
            "ack": ack,
            "participant": participant,
            "t": int(t),
        }
        self.announce(account, "receipt", **details)

    def follow(self, page: Page, account: Account, message: Message) -> None:
        """Let delivered and read come by themselves, as far as the settings say so."""
        settings = self._world.settings
        if not settings.delivered or self._world.faults.take(page, "no_receipts"):
            return
        later = asyncio.get_running_loop().call_later
        later(settings.delivered_s, self._receive, account, message, 2)
        if settings.read:
            later(settings.delivered_s + settings.read_s, self._receive, account, message, 3)

    def _receive(self, account: Account, message: Message, ack: int) -> None:
        if message.ack < ack and message.type != "revoked":
            members = account.chats[message.chat].members
            other = next((each for each in members if each not in {account.pn, account.lid}), None)
            self.receipt(account, message, ack, other)

"""Who is who: which hidden identity belongs to which number, and under which address a chat runs."""

from __future__ import annotations

from typing import Any

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.accounts import Account, Chat
from simulators.whatsapp_web.faults import Target
from simulators.whatsapp_web.problems import Problem
from simulators.whatsapp_web.world import World


class People:
    """Numbers that have been named so far; a LID that belongs to none of them stays without a number."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers: dict[str, str] = {}
        for account in world.accounts.all():
            for chat in account.chats.values():
                self.note(chat.id, *chat.members)
            for message in account.messages.values():
                self.note(message.sender)

    def note(self, *known: str) -> None:
        """Remember the LIDs of numbers."""
        for address in known:
            if address.endswith("@c.us"):
                self._numbers[addresses.lid_of(address.removesuffix("@c.us"))] = address

    def number_of(self, lid: str) -> str | None:
        """Return the number behind a LID, if it is known."""
        return self._numbers.get(lid)

    def lids(self, *named: str) -> dict[str, str]:
        """Return LID by number for those of the addresses that have both."""
        pairs: dict[str, str] = {}
        for address in named:
            number = address if address.endswith("@c.us") else self._numbers.get(address)
            if number is not None:
                pairs[number] = addresses.lid_of(number.removesuffix("@c.us"))
        return pairs

    def chat_address(self, account: Account, address: str) -> str:
        """Return the address under which an account has, or would have, its chat with someone."""
        if addresses.is_group(address):
            return address
        self.note(address)
        pairs = self.lids(address)
        both = [address, *pairs, *pairs.values()]
        existing = next((each for each in both if each in account.chats), None)
        if existing is not None:
            return existing
        if self._world.settings.chat_ids == "lid" and pairs:
            return next(iter(pairs.values()))
        return address

    def exists(self, address: str, page: Target | None) -> bool:
        """Return whether someone can be reached under an address."""
        names = {address, self.number_of(address)}
        rules = self._world.faults.standing(page, "unknown_address")
        fault = next((rule for rule in rules if rule.args["address"] in names), None)
        return fault is None or self._world.faults.use(fault) is None

    def open_chat(self, account: Account, address: str, page: Target | None) -> Chat | None:
        """Return a chat, made if need be; None when nobody is there.

        Raises:
            Problem: "No LID for user", as WhatsApp's page throws it.
        """
        names = {address, self.number_of(address)}
        for fault in self._world.faults.standing(page, "no_lid"):
            if fault.args["address"] in names:
                self._world.faults.use(fault)
                raise Problem(422, "no_lid", "No LID for user")
        if not self.exists(address, page):
            return None
        if addresses.is_group(address) and address not in account.chats:
            return None
        return account.chat(self.chat_address(account, address))

    def shown(self, chat: Chat) -> dict[str, Any]:
        """Return what a page gets of a chat, without its messages."""
        return {
            "id": chat.id,
            "name": chat.name,
            "t": chat.t,
            "unread": chat.unread,
            "archived": chat.archived,
            "pinned": chat.pinned,
            "members": chat.members,
            "lids": self.lids(chat.id, *chat.members),
        }

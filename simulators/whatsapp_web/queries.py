"""What pages ask the server for: chats, earlier messages, who exists, receipts of a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.accounts import Account, Chat, Login
from simulators.whatsapp_web.message import Message
from simulators.whatsapp_web.pages import Page
from simulators.whatsapp_web.people import People
from simulators.whatsapp_web.world import World

Asked = dict[str, Any]

#: Types that the page's media, document and link lists show.
_LISTS = {"allMedia": {"image", "video"}, "allDocs": {"document"}}


class Queries:
    """Answers by name; each takes the page, its account and the arguments."""

    def __init__(self, world: World, people: People) -> None:
        self._world = world
        self._people = people
        self.by_name: dict[str, Callable[[Page, Account, Asked], Any]] = {
            "chat": self._chat,
            "messages": self._messages,
            "by_ids": self._by_ids,
            "exists": self._exists,
            "info": self._info,
            "search": self._search,
        }

    def snapshot(self, account: Account, login: Login) -> list[dict[str, Any]]:
        """Return every chat with its latest messages; those that will come as news are left out."""
        coming = {event["m"]["id"] for event in account.news(login) if event["op"] == "message"}
        rows = []
        for chat in account.chats.values():
            known = [message for message in account.by_chat[chat.id] if message.id not in coming]
            latest = known[-self._world.settings.history :] if self._world.settings.history else []
            rows.append({**self._people.shown(chat), "messages": [message.wire() for message in latest]})
        return rows

    def _chat(self, page: Page, account: Account, asked: Asked) -> Any:
        chat = self._people.open_chat(account, addresses.address(asked["address"]), page)
        return None if chat is None else self._with_latest(account, chat)

    def _with_latest(self, account: Account, chat: Chat) -> dict[str, Any]:
        latest = account.by_chat[chat.id][-self._world.settings.history :]
        return {**self._people.shown(chat), "messages": [message.wire() for message in latest]}

    @staticmethod
    def _messages(_page: Page, account: Account, asked: Asked) -> Any:
        messages, anchor = account.by_chat.get(asked["chat"], []), account.messages.get(asked.get("anchor") or "")
        count, before = asked.get("count"), asked.get("direction", "before") == "before"
        if anchor is not None:
            messages = [m for m in messages if (m.seq < anchor.seq if before else m.seq > anchor.seq)]
        wanted = _LISTS.get(asked.get("media") or "")
        if wanted:
            messages = [m for m in messages if m.type in wanted]
        elif asked.get("media") == "allLinks":
            messages = [m for m in messages if "://" in str(m.fields.get("body", ""))]
        if count is not None:
            messages = messages[max(len(messages) - count, 0) :] if before else messages[:count]
        return [message.wire() for message in messages]

    @staticmethod
    def _by_ids(_page: Page, account: Account, asked: Asked) -> Any:
        found = (account.messages.get(each) for each in asked["ids"])
        return [message.wire() for message in found if message is not None]

    def _exists(self, page: Page, _account: Account, asked: Asked) -> Any:
        address = addresses.address(asked["address"])
        if not self._people.exists(address, page):
            return None
        self._people.note(address)
        return {"address": address, "lids": self._people.lids(address)}

    @staticmethod
    def _info(_page: Page, account: Account, asked: Asked) -> Any:
        message: Message | None = account.messages.get(asked["id"])
        return {} if message is None else message.receipts

    @staticmethod
    def _search(_page: Page, account: Account, asked: Asked) -> Any:
        text, chat = asked["text"].lower(), asked.get("chat")
        messages = account.by_chat.get(chat, []) if chat else account.messages.values()
        found = [m for m in messages if text in str(m.fields.get("body") or m.fields.get("caption") or "").lower()]
        return [message.wire() for message in reversed(found)][: asked.get("count") or 50]

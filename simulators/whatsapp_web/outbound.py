"""What pages hand over: messages, edits, revokes, reactions, votes, and what they do besides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time
from typing import Any

from simulators.whatsapp_web.accounts import Account
from simulators.whatsapp_web.delivery import Delivery
from simulators.whatsapp_web.ledger import Entry
from simulators.whatsapp_web.message import OWN, Message
from simulators.whatsapp_web.pages import Page
from simulators.whatsapp_web.people import People
from simulators.whatsapp_web.world import World

Sent = dict[str, Any]

#: Fields of a page's message that the ledger shows by name, or that say nothing about its content.
_SHOWN = frozenset({"body", "caption", "directPath", "encFilehash", "filehash", "mediaKey", "quoted", "thumbnail"})


class Outbound:
    """Takes what carries an id, records it, and answers with an ack; an id that comes again is a copy."""

    def __init__(self, world: World, people: People, delivery: Delivery) -> None:
        self._world = world
        self._people = people
        self._delivery = delivery
        self._done = {(row["account"], row["id"]) for row in world.ledger.actions if "id" in row}
        self.operations: dict[str, Callable[[Page, Account, Sent], None]] = {
            "send": self._send,
            "edit": self._edit,
            "revoke": self._revoke,
            "delete": self._delete,
            "react": self._react,
            "vote": self._vote,
            "seen": self._seen,
            "played": self._played,
            "chatstate": self._noted("typing", "chat", "state"),
            "available": self._noted("presence", "available"),
            "flag": self._flag,
        }

    # -- messages ------------------------------------------------

    def _send(self, page: Page, account: Account, sent: Sent) -> None:
        m = sent["m"]
        swallowed = self._world.faults.take(page, "swallow") is not None
        entry = self._world.ledger.arrived(self._entry(account, m), page.id, time(), swallowed=swallowed)
        if swallowed:
            return
        known = account.messages.get(entry.id)
        reachable = known is not None or self._people.exists(m["chat"], page)
        if not reachable or self._world.faults.take(page, "refuse"):
            page.tell("ack", id=entry.id, ack=-1)
            return
        if known is None:
            known = self._message(account, m)
            known.ack = 1
            self._delivery.message(account, known, origin=page)
            self._delivery.follow(page, account, known)
        if self._world.faults.take(page, "lose_ack") is None:
            asyncio.get_running_loop().call_later(self._world.settings.ack_s, self._ack, page, known)

    @staticmethod
    def _ack(page: Page, message: Message) -> None:
        page.tell("ack", id=message.id, ack=max(message.ack, 1), t=message.t, seq=message.seq)

    def _entry(self, account: Account, m: Sent) -> Entry:
        fields = {name: value for name, value in m.items() if name not in OWN and name not in _SHOWN}
        return Entry(
            order=0,
            account=account.number,
            id=m["id"],
            chat=m["chat"],
            kind=m["type"],
            body=m.get("body"),
            caption=m.get("caption"),
            media=self._world.media.described(m.get("directPath"), m),
            quoted=(m.get("quoted") or {}).get("id"),
            forwarded=bool(m.get("isForwarded")),
            content=fields,
        )

    @staticmethod
    def _message(account: Account, m: Sent) -> Message:
        own = account.lid if m["chat"].endswith("@lid") else account.pn
        fields = {name: value for name, value in m.items() if name not in OWN}
        return Message(
            id=m["id"],
            chat=m["chat"],
            from_me=True,
            sender=m.get("participant") or own,
            t=m.get("t") or int(time()),
            type=m["type"],
            seq=0,
            participant=m.get("participant"),
            fields=fields,
        )

    # -- what changes a message ------------------------------------------------

    def _act(self, page: Page, account: Account, sent: Sent, kind: str, **details: Any) -> bool:
        """Record an action and acknowledge it; returns whether it is new."""
        page.tell("ack", id=sent["id"], ack=1)
        key = (account.number, sent["id"])
        if key in self._done:
            return False
        self._done.add(key)
        self._world.ledger.act(account.number, kind, page.id, time(), id=sent["id"], **details)
        return True

    def _edit(self, page: Page, account: Account, sent: Sent) -> None:
        details = {"target": sent["target"], "body": sent["body"], "t": sent["t"]}
        message = account.messages.get(sent["target"])
        if not self._act(page, account, sent, "edit", **details) or message is None:
            return
        name = "caption" if message.fields.get("directPath") else "body"
        message.fields |= {name: sent["body"], "latestEditId": sent["id"], "latestEditSenderTimestampMs": sent["t"]}
        account.save_message(message)
        self._delivery.announce(account, "edit", page, chat=message.chat, edit_id=sent["id"], **details)

    def _revoke(self, page: Page, account: Account, sent: Sent) -> None:
        message = account.messages.get(sent["target"])
        if self._act(page, account, sent, "revoke", target=sent["target"]) and message is not None:
            revoked(account, message)
            details = {"chat": message.chat, "target": message.id, "revoke_id": sent["id"]}
            self._delivery.announce(account, "revoke", page, by=account.pn, **details)

    def _delete(self, page: Page, account: Account, sent: Sent) -> None:
        message = account.messages.get(sent["target"])
        if self._act(page, account, sent, "delete", target=sent["target"]) and message is not None:
            account.remove(message)
            self._delivery.announce(account, "delete", page, chat=message.chat, target=message.id)

    def _react(self, page: Page, account: Account, sent: Sent) -> None:
        details = {"target": sent["target"], "text": sent["text"], "t": sent["t"]}
        message = account.messages.get(sent["target"])
        if self._act(page, account, sent, "reaction", **details) and message is not None:
            sender = account.lid if message.chat.endswith("@lid") else account.pn
            message.reactions[sender] = {"text": sent["text"], "t": sent["t"], "id": sent["id"]}
            account.save_message(message)
            self._delivery.announce(
                account, "reaction", page, chat=message.chat, sender=sender, react_id=sent["id"], **details
            )

    def _vote(self, page: Page, account: Account, sent: Sent) -> None:
        message = account.messages.get(sent["target"])
        if self._act(page, account, sent, "vote", target=sent["target"], options=sent["options"]) and message:
            message.votes[account.pn] = {"options": sent["options"], "t": sent["t"], "id": sent["id"]}
            account.save_message(message)

    # -- the rest ------------------------------------------------

    def _seen(self, page: Page, account: Account, sent: Sent) -> None:
        chat = account.chats.get(sent["chat"])
        if chat is None:
            return
        if chat.unread or sent.get("ids"):
            self._world.ledger.act(
                account.number, "seen", page.id, time(), chat=chat.id, unread=chat.unread, ids=sent.get("ids", [])
            )
        if chat.unread:
            chat.unread = 0
            account.save_chat(chat)

    def _played(self, page: Page, account: Account, sent: Sent) -> None:
        message = account.messages.get(sent["target"])
        self._world.ledger.act(account.number, "played", page.id, time(), target=sent["target"])
        if message is not None:
            message.ack = max(message.ack, 4)
            account.save_message(message)

    def _noted(self, kind: str, *names: str) -> Callable[[Page, Account, Sent], None]:
        def note(page: Page, account: Account, sent: Sent) -> None:
            self._world.ledger.act(account.number, kind, page.id, time(), **{name: sent.get(name) for name in names})

        return note

    def _flag(self, page: Page, account: Account, sent: Sent) -> None:
        name, value = sent["name"], sent["value"]
        self._world.ledger.act(account.number, name, page.id, time(), chat=sent["chat"], value=value)
        chat = account.chats.get(sent["chat"])
        if chat is not None and name == "archive":
            chat.archived = bool(value)
        elif chat is not None and name == "pin":
            chat.pinned = int(value or 0)
        elif chat is not None and name == "unread":
            chat.unread = -1 if value else 0
        if chat is not None:
            account.save_chat(chat)


def revoked(account: Account, message: Message) -> None:
    """Take a message's content away."""
    message.type, message.fields = "revoked", {}
    account.save_message(message)

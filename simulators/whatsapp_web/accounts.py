"""Accounts: a number, its linked devices, its chats and their messages."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.message import Message
from simulators.whatsapp_web.store import Store


@dataclass
class Login:
    """A linked device: the token lives in the browser's profile. ``seq`` marks what the device already has."""

    token: str
    account: str
    device: str
    created_at: float
    seq: int = 0


@dataclass
class Chat:
    """A chat of an account. ``members`` are a group's participants, ``name`` what the phone's address book says."""

    account: str
    id: str
    name: str
    t: int = 0
    unread: int = 0
    archived: bool = False
    pinned: int = 0
    members: list[str] = field(default_factory=list)


class Account:
    """One number. The order of ``events`` is the order in which devices get them."""

    def __init__(self, store: Store, number: str, name: str, seq: int = 0, banned: bool = False) -> None:
        self._store = store
        self.number = number
        self.name = name
        self.seq = seq
        self.banned = banned
        self.logins: dict[str, Login] = {}
        self.chats: dict[str, Chat] = {}
        self.messages: dict[str, Message] = {}
        self.by_chat: dict[str, list[Message]] = defaultdict(list)
        self.events: list[dict[str, Any]] = []

    @property
    def pn(self) -> str:
        """The account's own address."""
        return f"{self.number}@c.us"

    @property
    def lid(self) -> str:
        """The account's own hidden identity."""
        return addresses.lid_of(self.number)

    def save(self) -> None:
        """Write what is not written elsewhere."""
        body = {"number": self.number, "name": self.name, "seq": self.seq, "banned": self.banned}
        self._store.put("account", self.number, body)

    # -- linked devices ------------------------------------------------

    def link(self, device: str, at: float) -> Login:
        """Make a login for a device that scanned; what is older is history to it, not news."""
        login = Login(secrets.token_urlsafe(24), self.number, device, at, self.seq)
        self.logins[login.token] = login
        self._store.put("login", login.token, asdict(login))
        return login

    def unlink(self, token: str) -> None:
        """Forget a login."""
        if self.logins.pop(token, None) is not None:
            self._store.delete("login", token)

    def got(self, login: Login, seq: int) -> None:
        """Note that a device has every event up to ``seq``; what every device has is dropped."""
        if seq <= login.seq:
            return
        login.seq = min(seq, self.seq)
        self._store.put("login", login.token, asdict(login))
        oldest = min(each.seq for each in self.logins.values())
        while self.events and self.events[0]["seq"] <= oldest:
            self._store.delete("event", self._event_key(self.events.pop(0)))

    def news(self, login: Login) -> list[dict[str, Any]]:
        """Return the events that a device does not have yet and did not cause."""
        return [event for event in self.events if event["seq"] > login.seq and event.get("origin") != login.token]

    def _event_key(self, event: dict[str, Any]) -> str:
        return f"{self.number}:{event['seq']:012}"

    # -- events ------------------------------------------------

    def next_seq(self) -> int:
        """Return the next number of the account's order."""
        self.seq += 1
        self.save()
        return self.seq

    def event(self, op: str, **details: Any) -> dict[str, Any]:
        """Append an event for the linked devices; without any there is nobody to tell."""
        event = {"op": op, "account": self.number, "seq": self.next_seq(), **details}
        if self.logins:
            self.events.append(event)
            self._store.put("event", self._event_key(event), event)
        return event

    # -- chats and messages ------------------------------------------------

    def chat(self, chat: str, name: str = "", t: int = 0) -> Chat:
        """Return a chat, made if it is new."""
        kept = self.chats.get(chat)
        if kept is None:
            kept = self.chats[chat] = Chat(self.number, chat, name, t)
            self.save_chat(kept)
        elif name and kept.name != name:
            kept.name = name
            self.save_chat(kept)
        return kept

    def save_chat(self, chat: Chat) -> None:
        """Write a chat."""
        self._store.put("chat", f"{self.number}:{chat.id}", asdict(chat))

    def add(self, message: Message, *, unread: bool) -> None:
        """Keep a new message."""
        self.messages[message.id] = message
        self.by_chat[message.chat].append(message)
        chat = self.chat(message.chat)
        chat.t = max(chat.t, message.t)
        if unread:
            chat.unread = max(chat.unread, 0) + 1
        self.save_chat(chat)
        self.save_message(message)

    def save_message(self, message: Message) -> None:
        """Write a message."""
        self._store.put("message", f"{self.number}:{message.seq:012}", {"account": self.number, **message.as_dict()})

    def remove(self, message: Message) -> None:
        """Forget a message (deleted for oneself)."""
        if self.messages.pop(message.id, None) is not None:
            self.by_chat[message.chat].remove(message)
            self._store.delete("message", f"{self.number}:{message.seq:012}")


class Accounts:
    """Every account by number, as the file knows them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.by_number: dict[str, Account] = {}
        self._load()

    def _load(self) -> None:
        for row in self._store.all("account"):
            self.by_number[row["number"]] = Account(self._store, **row)
        for row in self._store.all("login"):
            self.by_number[row["account"]].logins[row["token"]] = Login(**row)
        for row in self._store.all("chat"):
            self.by_number[row["account"]].chats[row["id"]] = Chat(**row)
        for row in self._store.all("message"):
            account = self.by_number[row.pop("account")]
            message = Message(**row)
            account.messages[message.id] = message
            account.by_chat[message.chat].append(message)
        for row in self._store.all("event"):
            self.by_number[row["account"]].events.append(row)

    def get(self, number: str) -> Account:
        """Return an account, made if it is new."""
        account = self.by_number.get(number)
        if account is None:
            account = self.by_number[number] = Account(self._store, number, f"Account {number[-4:]}")
            account.save()
        return account

    def login(self, token: str | None) -> tuple[Account, Login] | None:
        """Return who a token belongs to."""
        for account in self.by_number.values() if token else ():
            login = account.logins.get(token or "")
            if login is not None:
                return account, login
        return None

    def all(self) -> Iterable[Account]:
        """Return every account in the order of their making."""
        return self.by_number.values()

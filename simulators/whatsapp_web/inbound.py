"""What other people and the account's own phone do: messages, reactions, edits, revokes, votes, presence."""

from __future__ import annotations

import asyncio
import base64
import binascii
from time import time
from typing import Any

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.accounts import Account
from simulators.whatsapp_web.content import content
from simulators.whatsapp_web.delivery import ACKS, Delivery
from simulators.whatsapp_web.message import Message
from simulators.whatsapp_web.outbound import revoked
from simulators.whatsapp_web.people import People
from simulators.whatsapp_web.problems import Problem
from simulators.whatsapp_web.world import World

Body = dict[str, Any]


class Inbound:
    """The telephones of the simulated world."""

    def __init__(self, world: World, people: People, delivery: Delivery) -> None:
        self._world = world
        self._people = people
        self._delivery = delivery

    # -- messages ------------------------------------------------

    def message(self, account: Account, body: Body) -> Message:
        """Let someone write to an account.

        Raises:
            Problem: When the body cannot be understood.
        """
        message = self._message(account, body)
        decrypt_s = _seconds(body["decrypt_s"]) if "decrypt_s" in body else None
        if message.id in account.messages:
            raise Problem(409, "id_taken", f"there is a message {message.id} already")
        self._delivery.message(account, message, new=body.get("new", True) is not False)
        if decrypt_s is not None:
            asyncio.get_running_loop().call_later(decrypt_s, self.decrypt, account, message.id)
        return message

    def _message(self, account: Account, body: Body) -> Message:
        sender, chat = self._places(account, body)
        from_me = body.get("from_me") is True
        fields = content(body, self._media(body), self._quoted(account, body))
        if "name" in body:
            fields["notifyName"] = str(body["name"])
        return Message(
            id=addresses.message_id(body["id"]) if "id" in body else addresses.new_message_id(),
            chat=chat,
            from_me=from_me,
            sender=account.pn if from_me else sender,
            t=int(body.get("t") or time()),
            type=body.get("type", "chat"),
            seq=0,
            ack=1,
            participant=(account.lid if from_me else sender) if addresses.is_group(chat) else None,
            ciphertext=body.get("ciphertext") is True,
            fields=fields,
        )

    def _places(self, account: Account, body: Body) -> tuple[str, str]:
        if "from" not in body:
            raise Problem(422, "bad_message", "from is missing")
        sender = addresses.address(body["from"])
        if addresses.is_group(sender):
            raise Problem(422, "bad_message", "from is a person; a group goes into chat")
        self._people.note(sender)
        if "chat" not in body:
            chat = self._people.chat_address(account, sender)
            return (sender if addresses.is_group(chat) else chat), chat
        chat = addresses.address(body["chat"])
        if addresses.is_group(chat):
            known = account.chat(chat, str(body.get("group_name", "")) or f"Group {chat[:6]}")
            for member in (account.pn, sender):
                if member not in known.members:
                    known.members.append(member)
            account.save_chat(known)
        return sender, chat

    def _media(self, body: Body) -> Body | None:
        given = body.get("media")
        if given is None:
            return None
        if not isinstance(given, dict) or not isinstance(given.get("base64"), str):
            raise Problem(422, "bad_media", "media needs base64, and may have mimetype and filename")
        try:
            data = base64.b64decode(given["base64"], validate=True)
        except binascii.Error as error:
            raise Problem(422, "bad_media", "media.base64 is not base64") from error
        return self._world.media.keep(data) | {name: given[name] for name in given if name != "base64"}

    def _quoted(self, account: Account, body: Body) -> Body | None:
        if "quoted" not in body:
            return None
        quoted = find(account, body["quoted"])
        wire = {name: value for name, value in quoted.wire().items() if name not in {"quoted", "receipts", "reactions"}}
        return {"id": quoted.id, "participant": quoted.sender, "m": wire}

    def decrypt(self, account: Account, message_id: str) -> Message:
        """Let a message that came as ciphertext be readable."""
        message = find(account, message_id)
        message.ciphertext = False
        account.save_message(message)
        self._delivery.announce(account, "decrypted", m=message.wire())
        return message

    # -- what changes a message ------------------------------------------------

    def react(self, account: Account, message_id: str, body: Body) -> None:
        """Let someone react; an empty text takes the reaction back."""
        message, sender = find(account, message_id), addresses.address(body.get("from"))
        text = body.get("text")
        if not isinstance(text, str):
            raise Problem(422, "bad_reaction", "text must be an emoji, or empty")
        row = {"text": text, "t": int(time() * 1000), "id": addresses.new_message_id()}
        message.reactions[sender] = row
        account.save_message(message)
        details: Body = {"target": message.id, "text": text, "t": row["t"], "react_id": row["id"]}
        self._delivery.announce(
            account, "reaction", chat=message.chat, sender=sender, lids=self._people.lids(sender), **details
        )

    def edit(self, account: Account, message_id: str, body: Body) -> None:
        """Let the writer edit a message."""
        message, text = find(account, message_id), body.get("text")
        if not isinstance(text, str):
            raise Problem(422, "bad_edit", "text is missing")
        name = "caption" if message.fields.get("directPath") else "body"
        t, edit_id = int(time() * 1000), addresses.new_message_id()
        message.fields |= {name: text, "latestEditId": edit_id, "latestEditSenderTimestampMs": t}
        account.save_message(message)
        details: Body = {"target": message.id, "body": text, "t": t, "edit_id": edit_id}
        self._delivery.announce(account, "edit", chat=message.chat, **details)

    def revoke(self, account: Account, message_id: str, body: Body) -> None:
        """Let the writer, or a group's admin (``by``), delete a message for everyone."""
        message = find(account, message_id)
        by = addresses.address(body["by"]) if "by" in body else message.sender
        revoked(account, message)
        revoke_id = addresses.new_message_id()
        self._delivery.announce(account, "revoke", chat=message.chat, target=message.id, revoke_id=revoke_id, by=by)

    def ack(self, account: Account, message_id: str, body: Body) -> None:
        """Let a receipt come: ``delivered``, ``read`` or ``played``, or the number."""
        message, ack = find(account, message_id), ACKS.get(str(body.get("ack")), body.get("ack"))
        if type(ack) is not int or ack not in ACKS.values():
            raise Problem(422, "bad_ack", f"ack must be one of {', '.join(ACKS)}")
        participant = addresses.address(body["participant"]) if "participant" in body else None
        self._delivery.receipt(account, message, ack, participant)

    def vote(self, account: Account, message_id: str, body: Body) -> None:
        """Let someone vote in a poll; ``options`` are names."""
        message, sender = find(account, message_id), addresses.address(body.get("from"))
        by_name = {option["name"]: option["localId"] for option in message.fields.get("pollOptions", ())}
        names = body.get("options")
        if not isinstance(names, list) or any(name not in by_name for name in names):
            raise Problem(422, "bad_vote", f"options must be some of {', '.join(by_name) or 'nothing: it is no poll'}")
        row: Body = {
            "options": [by_name[name] for name in names],
            "t": int(time() * 1000),
            "id": addresses.new_message_id(),
        }
        message.votes[sender] = row
        account.save_message(message)
        self._delivery.announce(account, "vote", chat=message.chat, target=message.id, sender=sender, **row)

    def presence(self, account: Account, body: Body) -> None:
        """Let someone type, record, pause, or come and go."""
        sender, state = addresses.address(body.get("from")), body.get("state")
        if state not in {"composing", "recording", "paused", "available", "unavailable"}:
            raise Problem(422, "bad_presence", "state: composing, recording, paused, available, unavailable")
        chat = addresses.address(body["chat"]) if "chat" in body else self._people.chat_address(account, sender)
        for page in self._world.pages.of(account.number):
            page.tell("presence", chat=chat, sender=sender, state=state)

    # -- groups and the address book ------------------------------------------------

    def group(self, account: Account, body: Body) -> str:
        """Make or change a group; returns its address."""
        chat = addresses.address(body.get("id", f"{120363 * 10**12 + account.seq}@g.us"))
        members = body.get("members", [])
        if not addresses.is_group(chat) or not isinstance(members, list):
            raise Problem(422, "bad_group", "id must end in @g.us, members is a list of addresses")
        known = account.chat(chat, str(body.get("name", "")) or f"Group {chat[:6]}")
        known.members = [account.pn, *(addresses.address(each) for each in members)]
        known.t = known.t or int(time())
        account.save_chat(known)
        self._people.note(*known.members)
        self._delivery.announce(account, "chat", chat=self._people.shown(known))
        return chat

    def contact(self, account: Account, body: Body) -> str:
        """Name someone in the phone's address book; returns the chat's address."""
        if not isinstance(body.get("name"), str):
            raise Problem(422, "bad_contact", "name is missing")
        chat = account.chat(self._people.chat_address(account, addresses.address(body.get("address"))), body["name"])
        self._delivery.announce(account, "chat", chat=self._people.shown(chat))
        return chat.id


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Problem(422, "bad_message", f"not a number of seconds: {value!r}")
    return float(value)


def find(account: Account, message_id: Any) -> Message:
    """Return a message by its id.

    Raises:
        Problem: When the account has none with this id.
    """
    message = account.messages.get(message_id) if isinstance(message_id, str) else None
    if message is None:
        raise Problem(404, "message_unknown", f"account {account.number} has no message {message_id!r}")
    return message

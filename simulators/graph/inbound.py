"""Webhooks about what users do: messages of every kind, in both identity shapes."""

from __future__ import annotations

from base64 import b64decode
from time import time
from typing import TYPE_CHECKING, Any

from simulators.graph.ids import new_wamid, user_id_of
from simulators.graph.receipts import callback_for
from simulators.graph.registry import Phone

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

MEDIA_TYPES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}

#: A complete JPEG of one pixel is more than a test needs; its first bytes are enough to be told apart.
_SAMPLE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 simulated medium"


class BadInbound(ValueError):
    """A wish that cannot be understood; the text says why."""


class Inbound:
    """Makes and emits inbound messages."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def emit(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Emit one message; return its id.

        Raises:
            BadInbound: when a member is missing or wrong.
        """
        phone = self._phone(spec)
        sender = "".join(char for char in str(spec.get("from") or "") if char.isdecimal())
        user_id = str(spec.get("user_id") or (user_id_of(sender) if sender else ""))
        identity = spec.get("identity", "phone")
        if identity not in ("phone", "user_id"):
            raise BadInbound("identity must be phone or user_id")
        if not user_id or (identity == "phone" and not sender):
            raise BadInbound("from (digits) or, with identity user_id, user_id is required")
        message = self._message(spec, phone, sender, user_id, with_phone=identity == "phone")
        value: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": phone.display, "phone_number_id": phone.id},
        }
        if spec.get("contacts", True):
            value["contacts"] = [_contact(spec, sender, user_id, with_phone=identity == "phone")]
        value["messages"] = [message]
        self._open_window(phone, sender, user_id)
        self._simulation.limits.count_inbound(phone.id)
        self.emit_value(phone, "messages", value)
        return {"id": message["id"], "message": message}

    def emit_value(self, phone: Phone, field: str, value: dict[str, Any]) -> None:
        """Emit a webhook with any ``value``."""
        simulation = self._simulation
        callback = callback_for(phone, simulation.registry, simulation.sender.default, simulation.settings)
        if callback is None:
            return
        entry: dict[str, Any] = {"id": phone.waba_id, "changes": [{"value": value, "field": field}]}
        if "metadata" not in value:
            entry["time"] = int(time())
        simulation.sender.emit({"object": "whatsapp_business_account", "entry": [entry]}, callback)

    def note_ids(self, body: dict[str, Any]) -> None:
        """Remember the message ids of a body that was given as it is, so that they can be marked read."""
        for entry in body.get("entry") or []:
            for change in entry.get("changes") or []:
                for message in (change.get("value") or {}).get("messages") or []:
                    if isinstance(message, dict) and isinstance(message.get("id"), str):
                        self._simulation.inbound_ids.add(message["id"])

    def _phone(self, spec: dict[str, Any]) -> Phone:
        registry = self._simulation.registry
        wanted = str(spec.get("phone") or "")
        if wanted in registry.phones:
            return registry.phones[wanted]
        if wanted and self._simulation.settings.open and wanted.isdecimal():
            return registry.open_phone(wanted)
        if not wanted and len(registry.phones) == 1:
            return next(iter(registry.phones.values()))
        raise BadInbound(f"unknown phone {wanted!r}")

    def _message(
        self, spec: dict[str, Any], phone: Phone, sender: str, user_id: str, *, with_phone: bool
    ) -> dict[str, Any]:
        kind = str(spec.get("type") or "text")
        message_id = str(spec.get("id") or new_wamid(sender or user_id, inbound=True))
        self._simulation.inbound_ids.add(message_id)
        message: dict[str, Any] = {}
        if spec.get("reply_to"):
            message["context"] = {"from": phone.display, "id": spec["reply_to"]}
        if with_phone:
            message["from"] = sender
        message["from_user_id"] = user_id
        message["id"] = message_id
        message["timestamp"] = str(int(spec.get("timestamp") or time()))
        message["type"] = kind
        if kind in MEDIA_TYPES:
            message[kind] = self._medium(spec, kind)
        elif kind == "text":
            message["text"] = {"body": str(spec.get("text", "Hello"))}
        elif kind == "unsupported":
            details = {"details": "Message type is currently not supported."}
            title = "Message type unknown"
            message["errors"] = [{"code": 131051, "title": title, "message": title, "error_data": details}]
        elif "content" in spec:
            message[kind] = spec["content"]
        else:
            raise BadInbound(f"content is required for type {kind!r}")
        message.update(spec.get("extra") or {})
        return message

    def _medium(self, spec: dict[str, Any], kind: str) -> dict[str, Any]:
        mime_type = str(spec.get("mime_type") or MEDIA_TYPES[kind])
        content = b64decode(spec["data"]) if spec.get("data") else _SAMPLE
        medium = self._simulation.media.add(mime_type, content, None, spec.get("filename"))
        value: dict[str, Any] = {"id": medium.id, "mime_type": mime_type, "sha256": medium.sha256_base64}
        for key in ("caption", "filename"):
            if spec.get(key):
                value[key] = spec[key]
        if kind == "audio":
            value["voice"] = bool(spec.get("voice", True))
        if kind == "sticker":
            value["animated"] = bool(spec.get("animated", False))
        return value

    def _open_window(self, phone: Phone, sender: str, user_id: str) -> None:
        until = time() + self._simulation.settings.window_s
        for user in (sender, user_id):
            if user:
                phone.windows[user] = until


def _contact(spec: dict[str, Any], sender: str, user_id: str, *, with_phone: bool) -> dict[str, Any]:
    profile: dict[str, Any] = {"name": str(spec.get("name") or "Sheena Nelson")}
    if spec.get("username"):
        profile["username"] = spec["username"]
    contact: dict[str, Any] = {"profile": profile}
    if with_phone:
        contact["wa_id"] = sender
    contact["user_id"] = user_id
    return contact

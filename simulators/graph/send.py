"""``POST /{phone_number_id}/messages``: check, count, accept, answer; the path whose cost matters."""

from __future__ import annotations

from collections.abc import Coroutine
from time import time
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.errors import GraphError, invalid, missing, webhook_error
from simulators.graph.faults import Effect, recipient_key
from simulators.graph.http_protocol import Answer
from simulators.graph.http_request import Request
from simulators.graph.http_response import graph_response
from simulators.graph.ids import looks_like_wamid, new_wamid, wa_id_of
from simulators.graph.inflict import inflict
from simulators.graph.media import suits
from simulators.graph.receipts import Sent, has_conversation
from simulators.graph.registry import Phone
from simulators.graph.validate import MEDIA_KINDS, Outgoing, check_message, check_product

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

_SUCCESS = b'{"success":true}'


class Sending:
    """Takes send requests."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def handle(self, request: Request, phone: Phone, version: str) -> Answer | Coroutine[Any, Any, Answer]:
        """Answer a send or a read mark.

        Raises:
            GraphError: when it is refused.
        """
        params = request.params()
        effect = self._pick(params, phone)
        if effect is None:
            return self._process(request, params, phone, version, None)
        return inflict(effect, lambda: self._process(request, params, phone, version, effect), version)

    def _pick(self, params: dict[str, Any], phone: Phone) -> Effect | None:
        faults = self._simulation.faults
        if not faults.rules:
            return None
        to = str(params.get("to") or params.get("recipient") or "")
        kind = str(params.get("type") or ("read" if params.get("status") else "text"))
        return faults.pick(
            "messages", phone.id, recipient_key(to), str(params.get("biz_opaque_callback_data") or ""), kind
        )

    def _process(
        self, request: Request, params: dict[str, Any], phone: Phone, version: str, effect: Effect | None
    ) -> bytes:
        if params.get("status") is not None and params.get("type") is None:
            return graph_response(200, self._mark(params, phone), version)
        simulation = self._simulation
        settings = simulation.settings
        waba = simulation.registry.waba(phone.waba_id)
        message = check_message(params, phone, waba, simulation.media, unknown_templates=settings.unknown_templates)
        if not phone.registered:
            raise GraphError(133010)
        if phone.blocked and message.to in phone.blocked:
            raise GraphError(130403)
        simulation.limits.check(phone.id, message.to)
        wa_id = wa_id_of(message.to) if message.recipient_type == "individual" else message.to
        wamid = new_wamid(wa_id)
        now = time()
        body = _ledger_body(request, params) if settings.keep_bodies else None
        simulation.ledger.append(now, phone.id, message.to, message.kind, message.callback, wamid, body)
        simulation.receipts.schedule(
            Sent(
                phone,
                wamid,
                wa_id,
                message.recipient_type,
                message.callback,
                _category(message),
                has_conversation(version),
                *self._fate(message, phone, now, effect),
            )
        )
        return graph_response(200, _accepted(message, wa_id, wamid), version)

    def _fate(
        self, message: Outgoing, phone: Phone, now: float, effect: Effect | None
    ) -> tuple[tuple[str, ...], dict[str, Any] | None]:
        """Return the statuses that will follow, and the error if the last word is ``failed``."""
        settings = self._simulation.settings
        if effect is not None and effect.asynchronous and effect.code is not None:
            return ("failed",), webhook_error(effect.code, effect.details)
        if settings.window and message.kind != "template" and phone.windows.get(message.to, 0.0) < now:
            return ("failed",), webhook_error(131047)
        if message.kind == "reaction":
            if self._knows(str(message.content["message_id"])):
                return ("sent",), None
            return ("failed",), webhook_error(131009, "The message that was reacted to does not exist.")
        if message.kind in MEDIA_KINDS and message.content.get("id"):
            medium = self._simulation.media.get(str(message.content["id"]))
            if medium is not None and not suits(medium, message.kind):
                details = f"Unsupported {message.kind} mime type {medium.mime_type}"
                return ("failed",), webhook_error(131053, details)
        if not settings.read:
            return ("sent", "delivered"), None
        if message.kind == "audio" and message.content.get("voice") is True:
            return ("sent", "delivered", "read", "played"), None
        return ("sent", "delivered", "read"), None

    def _knows(self, message_id: str) -> bool:
        simulation = self._simulation
        if message_id in simulation.ledger.wamids or message_id in simulation.inbound_ids:
            return True
        # In open mode it may be of an earlier run, like the numbers that nobody announced.
        return simulation.settings.open and looks_like_wamid(message_id)

    def _mark(self, params: dict[str, Any], phone: Phone) -> bytes:
        check_product(params)
        if params["status"] != "read":
            raise invalid("Parameter status must be read")
        message_id = params.get("message_id")
        if not message_id:
            raise missing("Parameter message_id is missing or empty")
        known = message_id in self._simulation.inbound_ids
        if not known and not (self._simulation.settings.open and looks_like_wamid(str(message_id))):
            raise invalid("Message ID is not valid")
        typing = params.get("typing_indicator")
        self._simulation.ledger.marks.append(
            {"at": time(), "phone_number_id": phone.id, "message_id": message_id, "typing": typing is not None}
        )
        return _SUCCESS


def _category(message: Outgoing) -> str | None:
    if message.kind != "template":
        return None
    return str((message.template or {}).get("category", "UTILITY")).lower()


def _ledger_body(request: Request, params: dict[str, Any]) -> bytes:
    return request.body if request.body[:1] == b"{" else orjson.dumps(params)


def _accepted(message: Outgoing, wa_id: str, wamid: str) -> bytes:
    entry: dict[str, Any] = {"id": wamid}
    if message.kind == "template":
        entry["message_status"] = "accepted"
    if message.recipient_type == "group":
        entry["group_id"] = wa_id
    identity = "user_id" if message.recipient_type == "user" else "wa_id"
    return orjson.dumps(
        {
            "messaging_product": "whatsapp",
            "contacts": [{"input": message.given, identity: wa_id}],
            "messages": [entry],
        }
    )

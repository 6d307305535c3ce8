"""Endpoints of messages: send every kind (see `kinds`), look up, list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from flask import Blueprint, Response, request
from pydantic import BaseModel

from bisnes_api.accept import Draft, accept, read_chat
from bisnes_api.body import check, read_json
from bisnes_api.documents import SendHeaders, documented
from bisnes_api.kinds import FORMS, Form, SendBody
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime, runtime
from bisnes_api.schemas import (
    Accepted,
    MessageAnswer,
    MessagePage,
    PageQuery,
    SentAnswer,
)
from bisnes_core.ids import parse_id
from bisnes_core.message import Kind
from db import messages
from db.messages import Message
from db.pool import Connection

blueprint = Blueprint("messages", __name__)

_TAG = "Messages"
_SENT: Mapping[int, tuple[type[BaseModel] | None, str]] = {
    202: (Accepted, "Stored and on its way."),
    200: (SentAnswer, "`Prefer: wait`: the provider has it."),
}
_SEND_PROBLEMS = (
    *("phone_not_found", "phone_not_connected", "kind_unsupported", "over_limit", "channel_not_enabled"),
    *("idempotency_conflict", "send_failed"),
)


# -- sending ----------------------------------------------------------------------------------------------------------
def _send(form: Form, company_id: str, chat_id: str | None, message_id: str | None) -> Response:
    """Sends a message of any kind."""
    run = runtime()
    run.gate.admit(company_id, "send")
    body, data = _read(form)
    payload = form.payload_of(body)
    chat = read_chat(chat_id) if chat_id is not None else ""
    phone_index = getattr(body, "phone_index", 0)
    if form.names_message:
        # Whatever the path or the body says besides: exactly this message, by the phone that has it.
        message = _find(run, company_id, message_id or payload["message_id"])
        payload |= _about(form, payload, message)
        phone_index = message.phone_index
        chat = chat if form.kind is Kind.FORWARD else message.chat_id
    if "reply_to" in payload:
        payload["reply_to"] = _provider_id(run, company_id, payload["reply_to"])
    draft = Draft(
        company_id=company_id,
        phone_index=phone_index,
        chat_id=chat,
        kind=form.kind,
        payload=payload,
        data=data,
        content=form.content(payload),
        author=body.author or "",
        priority=body.priority,
        fields=form.fields,
    )
    return accept(run, draft)


def _read(form: Form) -> tuple[SendBody, Any]:
    data = read_json(empty=form.empty)
    if form.missing and isinstance(data, dict) and not data.get(form.missing[0]):
        name, code = form.missing
        raise Problem(code, f"{name} must be an address.", field=name)
    return check(form.body, data), data


def _about(form: Form, payload: Mapping[str, Any], message: Message) -> dict[str, Any]:
    """What a payload gains from the message that it names.

    Raises:
        Problem: when it cannot be done with this message.
    """
    if form.direction and message.direction != form.direction:
        raise Problem("invalid_field", f"The message must be {form.direction}.", field="messageId")
    known: dict[str, Any] = {"message_id": _known_to_provider(message)}
    if form.kind is Kind.DELETE:
        known |= {"for_everyone": payload["for_everyone"] and message.direction == "outbound"}
    return known


def _add_endpoint(form: Form) -> None:
    def send(company_id: str, chat_id: str | None = None, message_id: str | None = None) -> Response:
        return _send(form, company_id, chat_id, message_id)

    send.__name__, send.__doc__ = form.name, form.summary
    problems = [*_SEND_PROBLEMS]
    if form.names_message:
        problems += ["message_not_found", "message_not_sent"]
    if form.missing:
        problems += [form.missing[1]]
    documents = documented(form.name, _TAG, _SENT, problems=problems, body=form.body, headers=SendHeaders)
    blueprint.add_url_rule(form.rule, view_func=documents(send), methods=[form.method])


for _form in FORMS:
    _add_endpoint(_form)


# -- reading ----------------------------------------------------------------------------------------------------------
@blueprint.get("/api/v2/messages/<company_id>/<path:message_id>")
@documented("getMessage", _TAG, {200: (MessageAnswer, "The message.")}, problems=("message_not_found",))
def get_message(company_id: str, message_id: str) -> Response:
    """How far a message is, by our id or the provider's."""
    run = runtime()
    run.gate.admit(company_id, "read")
    return _json({"success": True, **as_answer(_find(run, company_id, message_id))})


@blueprint.get("/api/v2/messages/<company_id>")
@documented("listMessages", _TAG, {200: (MessagePage, "A page.")}, problems=("invalid_field",), query=PageQuery)
def list_messages(company_id: str) -> Response:
    """A company's messages, newest first."""
    run = runtime()
    run.gate.admit(company_id, "read")
    page = check(PageQuery, request.args.to_dict())
    if page.status is not None and "\0" in page.status:
        raise Problem("invalid_field", "There is no such state.", field="status")
    with run.pool.connection() as conn:
        found = messages.list_messages(conn, company_id, limit=page.limit, before_seq=page.cursor, status=page.status)
    following = str(found[-1][0]) if len(found) == page.limit else None
    return _json({"success": True, "messages": [as_answer(message) for _, message in found], "next": following})


# -- parts ------------------------------------------------------------------------------------------------------------
def find(conn: Connection, company_id: str, message_id: str) -> Message:
    """A company's message, by our id or the provider's.

    Raises:
        Problem: `message_not_found`.
    """
    message = messages.find_message(conn, company_id, message_id) if "\0" not in message_id else None
    if message:
        return message
    raise Problem("message_not_found", "The company has no message of this id.", field="messageId")


def _find(run: Runtime, company_id: str, message_id: str) -> Message:
    with run.pool.connection() as conn:
        return find(conn, company_id, message_id)


def _known_to_provider(message: Message) -> str:
    if message.external_id is None:
        raise Problem("message_not_sent", f"The message is {message.status!r}; the provider does not know it yet.")
    return message.external_id


def _provider_id(run: Runtime, company_id: str, message_id: str) -> str:
    """The provider's id of a message to quote; theirs is taken as it is, ours is looked up."""
    if parse_id(message_id) is None:
        return message_id
    try:
        return _known_to_provider(_find(run, company_id, message_id))
    except Problem as problem:
        if problem.code not in ("message_not_found", "message_not_sent"):
            raise
        raise Problem("invalid_field", problem.detail, field="quotedMessageId") from None


def _json(data: dict[str, Any]) -> Response:
    return Response(orjson.dumps(data), 200, content_type="application/json")


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def as_answer(message: Message) -> dict[str, Any]:
    """A message as the API shows it."""
    error = {"code": message.error_code, "detail": message.error} if message.error_code or message.error else None
    return {
        "messageId": str(message.id),
        "providerMessageId": message.external_id,
        "companyId": message.company_id,
        "phoneIndex": message.phone_index,
        "chatId": message.chat_id,
        "direction": message.direction,
        "kind": message.kind,
        "channel": message.channel,
        "content": message.content,
        "status": message.status,
        "held": message.held,
        "attempts": message.attempts,
        "error": error,
        "createdAt": _instant(message.created_at),
        "sentAt": _instant(message.sent_at),
        "deliveredAt": _instant(message.delivered_at),
        "readAt": _instant(message.read_at),
        "failedAt": _instant(message.failed_at),
        "sentElsewhere": message.elsewhere,
        "editedAt": _instant(message.edited_at),
        "revokedAt": _instant(message.revoked_at),
        "reaction": message.reaction,
        "trace": list(message.attempt_log),
    }

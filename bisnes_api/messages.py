"""Endpoints of messages: send text, react, mark read, look up, list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from flask import Blueprint, Response, request
from pydantic import BaseModel

from bisnes_api.accept import Draft, accept, read_chat
from bisnes_api.body import check, read_model
from bisnes_api.documents import SendHeaders, documented
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime, runtime
from bisnes_api.schemas import (
    Accepted,
    MessageAnswer,
    MessagePage,
    PageQuery,
    ReactionBody,
    ReadBody,
    SentAnswer,
    TextBody,
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


@blueprint.post("/api/v2/messages/text/<company_id>/<chat_id>")
@documented("sendText", _TAG, _SENT, problems=_SEND_PROBLEMS, body=TextBody, headers=SendHeaders)
def send_text(company_id: str, chat_id: str) -> Response:
    """Send a text message."""
    run = runtime()
    run.gate.admit(company_id, "send")
    body, data = read_model(TextBody)
    payload: dict[str, Any] = {"text": body.message}
    if body.quoted_message_id:
        payload["reply_to"] = _provider_id(run, company_id, body.quoted_message_id)
    if body.preview_url:
        payload["preview_url"] = True
    draft = Draft(
        company_id=company_id,
        phone_index=body.phone_index,
        chat_id=read_chat(chat_id),
        kind=Kind.TEXT,
        payload=payload,
        data=data,
        content=body.message,
        author=body.author or "",
        priority=body.priority,
    )
    return accept(run, draft)


@blueprint.post("/api/messages/react/<company_id>/<path:message_id>")
@documented(
    "react",
    _TAG,
    _SENT,
    problems=(*_SEND_PROBLEMS, "message_not_found", "message_not_sent"),
    body=ReactionBody,
    headers=SendHeaders,
)
def react(company_id: str, message_id: str) -> Response:
    """React to a message; it is sent by the phone that has the message."""
    run = runtime()
    run.gate.admit(company_id, "send")
    body, data = read_model(ReactionBody)
    message = _find(run, company_id, message_id)
    payload = {"message_id": _known_to_provider(message), "emoji": body.emoji}
    return accept(run, _about(message, Kind.REACTION, payload, data, body.emoji, body.author or ""))


@blueprint.post("/api/v2/messages/read/<company_id>/<path:message_id>")
@documented(
    "markRead",
    _TAG,
    _SENT,
    problems=(*_SEND_PROBLEMS, "message_not_found", "message_not_sent"),
    body=ReadBody,
    headers=SendHeaders,
)
def mark_read(company_id: str, message_id: str) -> Response:
    """Mark a received message, and all before it, as read."""
    run = runtime()
    run.gate.admit(company_id, "send")
    body, data = read_model(ReadBody, empty=True)
    message = _find(run, company_id, message_id)
    if message.direction != "inbound":
        raise Problem("invalid_field", "Only received messages can be marked as read.", field="messageId")
    payload: dict[str, Any] = {"message_id": _known_to_provider(message)}
    if body.typing:
        payload["typing"] = True
    return accept(run, _about(message, Kind.READ, payload, data))


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


def _about(
    message: Message, kind: Kind, payload: dict[str, Any], data: Any, content: str | None = None, author: str = ""
) -> Draft:
    """A draft that belongs to an existing message: same phone, same chat."""
    return Draft(message.company_id, message.phone_index, message.chat_id, kind, payload, data, content, author)


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
        "trace": list(message.attempt_log),
    }

"""What a person decides about a message: send it again, or never."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, Response

from bisnes_api import idempotency
from bisnes_api.documents import IdempotencyHeader, documented
from bisnes_api.messages import as_answer, find
from bisnes_api.problem import Problem
from bisnes_api.runtime import runtime
from bisnes_api.schemas import MessageAnswer
from bisnes_core.phone import Lane
from db import messages
from db.idempotency import KeptAnswer
from db.pool import Connection

blueprint = Blueprint("decisions", __name__)

_TAG = "Messages"
_PROBLEMS = ("message_not_found", "message_not_open", "idempotency_conflict")


@blueprint.post("/api/v2/messages/<company_id>/<path:message_id>/retry")
@documented(
    "retryMessage", _TAG, {200: (MessageAnswer, "Queued again.")}, problems=_PROBLEMS, headers=IdempotencyHeader
)
def retry(company_id: str, message_id: str) -> Response:
    """Send a message again that failed, or that is held because nobody knows whether it left."""
    return _decide(company_id, message_id, messages.retry_message, "failed, or held as unconfirmed")


@blueprint.post("/api/v2/messages/<company_id>/<path:message_id>/cancel")
@documented(
    "cancelMessage", _TAG, {200: (MessageAnswer, "It will not be sent.")}, problems=_PROBLEMS, headers=IdempotencyHeader
)
def cancel(company_id: str, message_id: str) -> Response:
    """Never send a message that waits in its queue, or that is held because nobody knows whether it left."""
    return _decide(company_id, message_id, messages.cancel_message, "queued, or held as unconfirmed")


def _decide(company_id: str, message_id: str, act: Callable[[Connection, UUID], bool], wanted: str) -> Response:
    run = runtime()
    run.gate.admit(company_id, "send")
    key = idempotency.key_of_request()
    request_hash = idempotency.hash_request(None)
    with run.pool.connection() as conn, conn.transaction():
        if key and (earlier := idempotency.kept_answer(conn, company_id, key, request_hash)):
            return earlier
        message = find(conn, company_id, message_id)
        if not act(conn, message.id):
            raise Problem("message_not_open", f"The message is {message.status!r}; it would have to be {wanted}.")
        answer = as_answer(find(conn, company_id, str(message.id)))
        kept = KeptAnswer(request_hash, 200, {"success": True, **answer}, None)
        if key:
            idempotency.keep(conn, company_id, key, kept)
    run.nudge_lane(Lane(company_id, message.phone_index), message.channel)
    return idempotency.answer(kept)

"""Accepting a message: routing, the channel's check, one insert, the nudge, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
from flask import Response, request

from bisnes_api import idempotency
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime
from bisnes_api.waiting import has_failed, wait_asked_s
from bisnes_core.channel import ChannelSpec
from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.ids import new_id
from bisnes_core.message import Kind
from bisnes_core.payload import check_payload
from bisnes_core.phone import Lane
from bisnes_core.routing import InvalidChat, normalise_chat
from bisnes_core.session import NEEDS_PERSON, PhoneState
from db import messages
from db.messages import Earlier, NewMessage, Progress
from db.phones import PhoneRow

#: Priorities of `db.messages`: lower leaves first within a lane.
PRIORITIES = {"interactive": 0, "bulk": 5}
#: States of a phone in which nothing leaves until a person has acted; what is accepted waits.
NOT_CONNECTED = frozenset(
    {"auth_required", "session_lost", "pending"}
    | {state.value for state in NEEDS_PERSON | {PhoneState.DISCONNECTED, PhoneState.ERROR, PhoneState.CONFLICT}}
)
#: The channel of phones without a row: most phones of the legacy server (legacy-compat §1).
ROWLESS_CHANNEL = "wwebjs"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that a caller wants sent.

    Attributes:
        data: the JSON it came from, for the idempotency key.
        fields: payload fields with the name that the caller knows them by.
    """

    company_id: str
    phone_index: int
    chat_id: str
    kind: Kind
    payload: Mapping[str, Any]
    data: Any
    content: str | None = None
    author: str = ""
    priority: str = "interactive"
    fields: Mapping[str, str] = field(default_factory=dict)


def read_chat(raw: str) -> str:
    """The chat of a path, normalised.

    Raises:
        Problem: `invalid_field` when it is no chat id.
    """
    try:
        return normalise_chat(raw)
    except InvalidChat as error:
        raise Problem("invalid_field", f"{error}.", field="chatId") from error


def accept(runtime: Runtime, draft: Draft) -> Response:
    """Stores a message and answers 202, or with `Prefer: wait` what became of it.

    Raises:
        Problem: for everything that keeps the message from being accepted; nothing is stored then.
    """
    key = idempotency.key_of_request()
    request_hash = idempotency.hash_request(draft.data) if key else None
    wait_s = wait_asked_s(request.headers.get("Prefer"), runtime.settings.wait_max_s)
    try:
        phone, spec = _route(runtime, draft, waits=wait_s > 0)
        _check(spec, draft)
    except Problem:
        # A repeat is answered as the first time, whatever has become of the phone since.
        if key and (earlier := _earlier(runtime, draft.company_id, key)):
            return _repeated(runtime, draft, earlier, request_hash, wait_s)
        raise
    new = NewMessage(
        id=new_id(),
        company_id=draft.company_id,
        phone_index=draft.phone_index,
        chat_id=draft.chat_id,
        channel=spec.name,
        kind=draft.kind,
        payload=draft.payload,
        content=draft.content,
        author=draft.author,
        priority=PRIORITIES[draft.priority],
        idempotency_key=key,
        request_hash=request_hash,
    )
    with runtime.pool.connection() as conn:
        earlier = messages.accept_message(conn, new)
    if earlier:
        return _repeated(runtime, draft, earlier, request_hash, wait_s)
    runtime.nudge_lane(Lane(draft.company_id, draft.phone_index), spec.name)
    runtime.accepted += 1
    runtime.metrics.accepted.inc()
    return _answer(runtime, draft.company_id, new.id, wait_s, "" if _is_connected(phone) else phone.status)


def _route(runtime: Runtime, draft: Draft, *, waits: bool) -> tuple[PhoneRow, ChannelSpec]:
    """The phone and its channel.

    Raises:
        Problem: `phone_not_found`, `channel_not_enabled`, or `phone_not_connected` for a caller who waits.
    """
    phone = runtime.phones.get(Lane(draft.company_id, draft.phone_index))
    if phone is None:
        raise Problem("phone_not_found", f"The company has no phone {draft.phone_index}.", field="phoneIndex")
    spec = runtime.specs.get(phone.channel)
    if spec is None:
        raise Problem("channel_not_enabled", f"The channel {phone.channel!r} is not enabled in this installation.")
    if waits and not _is_connected(phone):
        raise Problem(
            "phone_not_connected",
            f"The phone's status is {phone.status!r}: there is nothing to wait for. Nothing was stored; without "
            "Prefer: wait the message is accepted and sent when the phone is back.",
            phoneStatus=phone.status,
        )
    return phone, spec


def _is_connected(phone: PhoneRow) -> bool:
    return phone.status not in NOT_CONNECTED


def _check(spec: ChannelSpec, draft: Draft) -> None:
    """Asks the channel whether it can send this.

    Raises:
        Problem: `kind_unsupported`, `over_limit` or `invalid_field`.
    """
    if draft.kind not in spec.kinds:
        raise Problem("kind_unsupported", f"The channel {spec.name!r} cannot send {draft.kind.value!r}.")
    try:
        check_payload(draft.kind, draft.payload)
        spec.check(draft.kind, draft.chat_id, draft.payload)
    except Unsupported as error:
        raise Problem("kind_unsupported", f"{error.detail or error.code}.") from error
    except Permanent as error:
        code = error.code if error.code in ("over_limit", "invalid_field") else "invalid_field"
        name, detail = _for_caller(draft, error.detail or error.code)
        raise Problem(code, f"{detail}.", field=name, channelCode=error.code) from error


def _for_caller(draft: Draft, detail: str) -> tuple[str | None, str]:
    """The field that a sentence about a payload begins with (or None), and the sentence, in the caller's words."""
    subject, _, rest = detail.partition(" ")
    head, dot, place = subject.partition(".")
    if head not in draft.fields:
        return None, detail
    name = f"{draft.fields[head]}{dot}{place}"
    return name, f"{name} {rest}"


# -- answers ----------------------------------------------------------------------------------------------------------
def _earlier(runtime: Runtime, company_id: str, key: str) -> Earlier | None:
    with runtime.pool.connection() as conn:
        return messages.find_earlier(conn, company_id, key)


def _repeated(runtime: Runtime, draft: Draft, earlier: Earlier, request_hash: bytes | None, wait_s: float) -> Response:
    if earlier.request_hash != request_hash:
        raise idempotency.conflict()
    return _answer(runtime, draft.company_id, earlier.id, wait_s)


def _answer(runtime: Runtime, company_id: str, message_id: UUID, wait_s: float, phone_status: str = "") -> Response:
    location = f"/api/v2/messages/{quote(company_id, safe='')}/{message_id}"
    if wait_s and runtime.room.enter(company_id):
        try:
            progress = runtime.room.wait(message_id, wait_s)
        finally:
            runtime.room.leave(company_id)
        if progress:
            return _settled(progress, location, wait_s)
    more = {"phoneStatus": phone_status} if phone_status else {}
    body = {"success": True, "messageId": str(message_id), "status": "queued", **more}
    return Response(orjson.dumps(body), 202, {"Location": location}, content_type="application/json")


def _settled(progress: Progress, location: str, wait_s: float) -> Response:
    applied = {"Location": location, "Preference-Applied": f"wait={wait_s:.0f}"}
    if has_failed(progress):
        raise Problem(
            "send_failed",
            f"{progress.error or progress.error_code or progress.status}",
            headers=applied,
            messageId=str(progress.id),
            messageStatus=progress.status,
            errorCode=progress.error_code,
        )
    body = {
        "success": True,
        "messageId": str(progress.id),
        "status": progress.status,
        "providerMessageId": progress.external_id,
    }
    return Response(orjson.dumps(body), 200, applied, content_type="application/json")

"""Hands one message to a phone's page, and finds out afterwards whether it left.

The id is ours and the page looks it up before each send, so that a repeated send is the same message. What the page
says when it refuses is classified by `trouble.TABLE`.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Final

from bisnes_core.channel import Files, Finding, NotSent, Sent, StillUnknown
from bisnes_core.errors import (
    AuthRequired,
    Permanent,
    Retryable,
    SendError,
    SessionLost,
    UnknownOutcome,
)
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.session import PhoneState, SessionNews
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.ids import read_key, web_id
from plugins.wwebjs.page import Page
from plugins.wwebjs.trouble import Act
from plugins.wwebjs.trouble_table import classify

#: Kinds that carry a file.
FILES: Final = frozenset({Kind.IMAGE, Kind.VIDEO, Kind.AUDIO, Kind.DOCUMENT, Kind.STICKER})
#: Kinds about a message or chat that is there: they have no id of their own and may be repeated.
REPEATABLE: Final = frozenset({Kind.REACTION, Kind.EDIT, Kind.DELETE, Kind.READ, Kind.TYPING})
#: The page answers this long before our own deadline, so that we know what it knows.
MARGIN_S: Final = 1.0
#: Least time that the page waits for the acknowledgement.
WAIT_MIN_S: Final = 0.5

#: States in which only a person brings the session back.
_LOST: Final = frozenset({PhoneState.QR, PhoneState.PAIRING_CODE, PhoneState.NEEDS_QR, PhoneState.PASSKEY})
_CLOSED: Final = frozenset({PhoneState.BLOCKED, PhoneState.NO_BROWSER, PhoneState.INCOMPATIBLE})


def not_ready(news: SessionNews) -> SendError:
    """Why nothing leaves in this state; nothing has left."""
    code, detail = f"wwebjs:{news.state}", news.detail or f"the phone is {news.state}"
    if news.state in _LOST:
        return SessionLost(code, detail)
    if news.state in _CLOSED:
        return AuthRequired(code, detail)
    return Retryable(code, detail, unreachable=True)


async def send(page: Page, files: Files, message: OutboundMessage, timeout_s: float) -> Sent:
    """Sends one message.

    Args:
        page: ready.
        files: brings the message's file, if it has one.
        message: to send.
        timeout_s: for all of it.

    Raises:
        SendError: see `bisnes_core.errors`.
    """
    if message.kind in REPEATABLE:
        return await _repeat(page, message, timeout_s)
    async with AsyncExitStack() as stack:
        payload = dict(message.payload)
        if message.kind in FILES:
            payload |= await _with_file(page, files, message, stack)
        request = {
            "id": web_id(message.id),
            "chat": message.chat_id,
            "kind": message.kind.value,
            "payload": payload,
            "wait_ms": int(max(timeout_s - MARGIN_S, WAIT_MIN_S) * 1000),
        }
        try:
            answer = await page.ask("send", request, timeout_s=timeout_s)
        except BrowserFailed as failure:
            raise refusal(failure) from failure
    return _outcome(answer)


async def _with_file(page: Page, files: Files, message: OutboundMessage, stack: AsyncExitStack) -> dict[str, Any]:
    """Puts the message's file into the page; nothing has left when that fails."""
    payload = message.payload
    file = await stack.enter_async_context(files.local(str(payload["url"]), name=payload.get("name")))
    try:
        name = await page.give_file(file)
    except BrowserFailed as failure:
        raise Retryable("wwebjs:file", f"the file did not reach the page: {failure}") from failure
    stack.push_async_callback(page.drop_file, name)
    return {
        "input": name,
        "name": payload.get("name") or file.name,
        "mime_type": payload.get("mime_type") or file.mime_type,
    }


def _outcome(answer: dict[str, Any]) -> Sent:
    ack = answer["ack"]
    key = str(read_key(answer["key"]))
    if ack >= 1:
        return Sent(key, {"found": True} if answer.get("found") else {})
    if ack < 0:
        raise Permanent(f"wwebjs:ack_{ack}", "WhatsApp refused the message")
    raise UnknownOutcome("wwebjs:no_ack", "WhatsApp's page holds the message, but its server has not acknowledged it")


async def _repeat(page: Page, message: OutboundMessage, timeout_s: float) -> Sent:
    """What may be repeated: an unknown outcome is tried again."""
    try:
        await page.ask(message.kind.value, message.chat_id, dict(message.payload), timeout_s=timeout_s)
    except BrowserFailed as failure:
        error = refusal(failure)
        raise Retryable(error.code, error.detail) if isinstance(error, UnknownOutcome) else error from failure
    return Sent(None)


def refusal(failure: BrowserFailed) -> SendError:
    """The error behind a failed call of the page.

    An error that the page threw says that nothing was stored, so nothing left; without an answer nobody knows.
    """
    code, detail = _words(failure)
    if failure.reason != "page_error":
        return UnknownOutcome(code, detail)
    row = classify(failure.reason, f"{getattr(failure, 'code', None) or ''} {failure.text}")
    if row.ladder[0].act is Act.FAIL:
        return Permanent(f"wwebjs:{row.fact}", detail)
    budget = row.ladder[0].budget
    return Retryable(f"wwebjs:{row.fact}", detail, attempts_max=budget.times + 1 if budget else None)


def _words(failure: BrowserFailed) -> tuple[str, str]:
    return f"wwebjs:{failure.reason}", failure.text[:300]


async def find(page: Page, message: OutboundMessage, timeout_s: float) -> Finding:
    """Looks an unconfirmed message up in its chat.

    `NotSent` only from a page that is ready, is not at it any more, and does not have it: it stores a message before
    it sends it.
    """
    if message.kind in REPEATABLE:
        return NotSent("this may be repeated")
    try:
        answer = await page.ask("lookUp", message.chat_id, web_id(message.id), timeout_s=timeout_s)
    except BrowserFailed:
        return StillUnknown()
    if answer.get("busy"):
        return StillUnknown()
    if not answer["stored"]:
        return NotSent("the id is not in the chat")
    return Sent(str(read_key(answer["key"]))) if answer["ack"] >= 1 else StillUnknown()

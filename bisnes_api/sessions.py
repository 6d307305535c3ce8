"""Endpoints of phones that hold a session: its state, its QR, pairing, logout, restart.

QRs and pairing codes are secrets: they need the scope `phones` and are never cached. The API only writes down what is
asked; the process that holds the session takes it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson
from flask import Blueprint, Response, request

from bisnes_api import idempotency, qr_picture
from bisnes_api.body import check, read_model
from bisnes_api.documents import IdempotencyHeader, documented
from bisnes_api.phones import found, lane_of_path
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime, runtime
from bisnes_api.session_schemas import OneSession, PairBody, PairingCode, QrQuery, SessionAsked
from bisnes_core.phone import Lane
from bisnes_core.session import Ask, PhoneState, Request
from db import phone_sessions, phones
from db.idempotency import KeptAnswer
from db.phone_sessions import PhoneStatus
from db.phones import PhoneRow
from db.pool import Connection

blueprint = Blueprint("sessions", __name__)

#: A QR that nobody renewed for this long is none any more: the process that showed it is gone. The provider gives a
#: new one each 20 s, the first after 60 s.
QR_FRESH_S = 120.0
#: Longest wait for a pairing code.
CODE_WAIT_S = 10.0
#: States that no QR follows by itself: one has to be asked for.
ASKED_FOR_QR = frozenset({PhoneState.NEEDS_QR, PhoneState.NO_BROWSER, PhoneState.ERROR})

_TAG = "Sessions"
_PROBLEMS = ("phone_not_found", "no_session", "channel_not_enabled")
_FORMATS: Mapping[str, tuple[str, Callable[[str], bytes]]] = {
    "text": ("text/plain", str.encode),
    "png": ("image/png", qr_picture.png),
    "svg": ("image/svg+xml", qr_picture.svg),
}


@blueprint.after_request
def keep_out_of_caches(response: Response) -> Response:
    """What is answered here may hold secrets, and is old at once."""
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/api/v2/phones/<company_id>/<phone_index>/session")
@documented("getSession", _TAG, {200: (OneSession, "How it stands.")}, problems=_PROBLEMS)
def get(company_id: str, phone_index: str) -> Response:
    """How a phone's session stands."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    with run.pool.connection() as conn:
        phone = phone_with_session(run, conn, lane)
        status = phone_sessions.find_status(conn, lane)
    return _json({"success": True, "session": _as_answer(phone, status)})


@blueprint.get("/api/v2/phones/<company_id>/<phone_index>/qr")
@documented(
    "getQr",
    _TAG,
    {200: (None, "The QR to scan: its text, or a picture.")},
    problems=(*_PROBLEMS, "no_qr", "invalid_field"),
    query=QrQuery,
)
def show_qr(company_id: str, phone_index: str) -> Response:
    """The QR to scan. Asking for it keeps it renewed for a minute, and makes a phone that needs one show one."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    wanted = _format(check(QrQuery, request.args.to_dict()))
    with run.pool.connection() as conn:
        phone = phone_with_session(run, conn, lane)
        status = phone_sessions.find_status(conn, lane)
        watch_for_qr(conn, lane, status)
    text = current_qr(status)
    if text is None:
        state = _state(phone, status)
        raise Problem(
            "no_qr",
            f"The phone's state is {state!r}; ask again.",
            phoneStatus=state,
            phoneDetail=status.detail if status else "",
        )
    mime, draw = _FORMATS[wanted]
    return Response(draw(text), content_type=mime)


@blueprint.post("/api/v2/phones/<company_id>/<phone_index>/pair")
@documented(
    "pairPhone",
    _TAG,
    {200: (PairingCode, "Type it into the telephone.")},
    problems=(*_PROBLEMS, "no_pairing_code"),
    body=PairBody,
)
def pair(company_id: str, phone_index: str) -> Response:
    """Pair by a code that is typed into the telephone; waits for it up to ten seconds."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    body, _ = read_model(PairBody)
    return pairing_code(run, lane, body.phone_number)


@blueprint.post("/api/v2/phones/<company_id>/<phone_index>/logout")
@documented(
    "logoutPhone",
    _TAG,
    {202: (SessionAsked, "It will log out.")},
    problems=(*_PROBLEMS, "idempotency_conflict"),
    headers=IdempotencyHeader,
)
def logout(company_id: str, phone_index: str) -> Response:
    """End the pairing; the phone then needs a QR."""
    return _ask_once(company_id, phone_index, Ask.LOGOUT)


@blueprint.post("/api/v2/phones/<company_id>/<phone_index>/restart")
@documented(
    "restartSession",
    _TAG,
    {202: (SessionAsked, "It will be closed and opened again.")},
    problems=(*_PROBLEMS, "idempotency_conflict"),
    headers=IdempotencyHeader,
)
def restart(company_id: str, phone_index: str) -> Response:
    """Close a phone's session and open it again; the pairing stays."""
    return _ask_once(company_id, phone_index, Ask.RESTART)


def _ask_once(company_id: str, phone_index: str, ask: Ask) -> Response:
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    key = idempotency.key_of_request()
    request_hash = idempotency.hash_request(None)
    with run.pool.connection() as conn, conn.transaction():
        if key and (earlier := idempotency.kept_answer(conn, company_id, key, request_hash)):
            return earlier
        phone = phone_with_session(run, conn, lane)
        state = _state(phone, phone_sessions.find_status(conn, lane))
        phone_sessions.ask(conn, lane, Request(ask))
        kept = KeptAnswer(request_hash, 202, {"success": True, "state": state}, _location(lane))
        if key:
            idempotency.keep(conn, company_id, key, kept)
    return idempotency.answer(kept)


# -- shared with the legacy server's endpoints --------------------------------------------------------------------
def holds_session(run: Runtime, phone: PhoneRow) -> bool:
    """Whether the phone's channel receives over a session, and is enabled."""
    spec = run.specs.get(phone.channel)
    return spec is not None and spec.session is not None


def phone_with_session(run: Runtime, conn: Connection, lane: Lane) -> PhoneRow:
    """A phone that holds a session.

    Raises:
        Problem: `phone_not_found`, `channel_not_enabled` or `no_session`.
    """
    phone = found(phones.find_phone(conn, lane), lane)
    if phone.channel not in run.specs:
        raise Problem("channel_not_enabled", f"The channel {phone.channel!r} is not enabled in this installation.")
    if not holds_session(run, phone):
        raise Problem("no_session", f"Phones of the channel {phone.channel!r} need no QR, pairing or logout.")
    return phone


def current_qr(status: PhoneStatus | None) -> str | None:
    """Text of the QR that can be scanned now."""
    if status is None or status.status != PhoneState.QR:
        return None
    text = status.metadata.get("qrCode")
    fresh = datetime.now(UTC) - status.updated_at < timedelta(seconds=QR_FRESH_S)
    # The legacy server keeps a picture there, of a QR that is not ours.
    return text if fresh and isinstance(text, str) and not text.startswith("data:") else None


def watch_for_qr(conn: Connection, lane: Lane, status: PhoneStatus | None) -> None:
    """Somebody looks for a QR: it is renewed while they do, and asked for where none comes by itself."""
    phone_sessions.watch(conn, lane)
    if status is not None and status.status in ASKED_FOR_QR:
        phone_sessions.ask(conn, lane, Request(Ask.QR))


def pairing_code(run: Runtime, lane: Lane, phone_number: str) -> Response:
    """Asks for a pairing code and waits for it, with a place in the waiting room.

    Raises:
        Problem: as `phone_with_session`, or `no_pairing_code`.
    """
    with run.pool.connection() as conn, conn.transaction():
        phone_with_session(run, conn, lane)
        phone_sessions.watch(conn, lane)
        request_id = phone_sessions.ask(conn, lane, Request(Ask.PAIRING_CODE, phone_number))

    def look() -> str | None:
        with run.pool.connection() as conn:
            return phone_sessions.shown_code(conn, lane, request_id)

    code: str | None = None
    if run.room.enter(lane.company_id):
        try:
            code = run.room.look_until(look, CODE_WAIT_S)
        finally:
            run.room.leave(lane.company_id)
    if code is None:
        raise Problem(
            "no_pairing_code", f"The phone is asked for one; {_location(lane)} shows it as soon as it is there."
        )
    return _json({"success": True, "pairingCode": code, "message": "Type this code into the telephone."})


# -- parts ------------------------------------------------------------------------------------------------------------
def _format(query: QrQuery) -> str:
    """The form asked for by `?format=`, else by `Accept`; text for whoever takes anything or nothing of it."""
    if query.format:
        return query.format
    mimes = {mime: name for name, (mime, _) in _FORMATS.items()}
    return mimes[request.accept_mimetypes.best_match(list(mimes), "text/plain")]


def _state(phone: PhoneRow, status: PhoneStatus | None) -> str:
    return status.status if status else phone.status


def _location(lane: Lane) -> str:
    return f"/api/v2/phones/{quote(lane.company_id, safe='')}/{lane.phone_index}/session"


def _as_answer(phone: PhoneRow, status: PhoneStatus | None) -> dict[str, Any]:
    said = status.metadata if status else {}
    return {
        "companyId": phone.company_id,
        "phoneIndex": phone.phone_index,
        "channel": phone.channel,
        "state": _state(phone, status),
        "detail": status.detail if status else "",
        "build": status.build if status else None,
        "phoneNumber": phone.display_phone_number,
        "pairingCode": said.get("pairingCode"),
        "restrictedUntil": said.get("restrictedUntil"),
        "since": status.since if status else None,
    }


def _json(data: dict[str, Any]) -> Response:
    return Response(orjson.dumps(data), 200, content_type="application/json")

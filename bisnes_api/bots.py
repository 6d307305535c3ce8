"""The legacy server's endpoints of phones: status with QR, opening anew, logging out, pairing (legacy-compat §3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from flask import Blueprint, Response, request

from bisnes_api import qr_picture
from bisnes_api.body import read_model
from bisnes_api.documents import documented
from bisnes_api.phones import found
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime, runtime
from bisnes_api.session_schemas import (
    BotAsked,
    BotStatus,
    DisconnectBody,
    LegacyPairBody,
    PairingCode,
    ReinitializeBody,
)
from bisnes_api.sessions import (
    ASKED_FOR_QR,
    current_qr,
    holds_session,
    keep_out_of_caches,
    pairing_code,
    watch_for_qr,
)
from bisnes_core.phone import Lane
from bisnes_core.session import Ask, PhoneState, Request
from db import phone_sessions, phones
from db.phone_sessions import PhoneStatus
from db.phones import PhoneRow
from db.pool import Connection

blueprint = Blueprint("bots", __name__)
blueprint.after_request(keep_out_of_caches)

_TAG = "Legacy"


@blueprint.get("/api/bot-status/<company_id>")
@documented("getBotStatus", _TAG, {200: (BotStatus, "The company's phones.")})
def bot_status(company_id: str) -> Response:
    """How a company's phones stand, with the QRs to scan. Who asks keeps a QR on show renewed."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    with run.pool.connection() as conn:
        rows = phones.list_phones(conn, company_id)
        statuses = {status.phone_index: status for status in phone_sessions.list_statuses(conn, company_id)}
        for row in rows:
            status = statuses.get(row.phone_index)
            if status and status.status == PhoneState.QR:
                phone_sessions.watch(conn, _lane(row))
    answers = [_phone_answer(row, statuses.get(row.phone_index)) for row in rows]
    common = {
        "companyId": company_id,
        "v2": True,
        "trialEndDate": None,
        "apiUrl": request.host_url.rstrip("/"),
        "phoneCount": len(rows),
    }
    return _json(common | (answers[0] if len(answers) == 1 else {"phones": answers}))


@blueprint.get("/api/phone-status/<company_id>")
@documented("listPhoneStatus", _TAG, {200: (None, "A list with what each phone said last.")})
def phone_status(company_id: str) -> Response:
    """What each phone said last, by number."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    with run.pool.connection() as conn:
        statuses = phone_sessions.list_statuses(conn, company_id)
    return _json(
        [
            {
                "phone_number": status.phone_number,
                "status": status.status,
                "last_seen": status.last_seen,
                "metadata": _with_picture(status) or None,
                "updated_at": status.updated_at,
            }
            for status in statuses
        ]
    )


@blueprint.post("/api/bots/reinitialize")
@documented(
    "reinitializeBot",
    _TAG,
    {200: (BotAsked, "It goes on in the background.")},
    problems=("phone_not_found",),
    body=ReinitializeBody,
)
def reinitialize() -> Response:
    """Open phones' sessions anew; one that needs a QR shows one."""
    run = runtime()
    body, _ = read_model(ReinitializeBody)
    run.gate.admit(body.bot_name, "phones")
    with run.pool.connection() as conn, conn.transaction():
        rows = _rows(conn, body.bot_name, body.phone_index)
        for row in _with_session(run, rows):
            status = phone_sessions.find_status(conn, _lane(row))
            watch_for_qr(conn, _lane(row), status)
            if status is None or status.status not in ASKED_FOR_QR:
                phone_sessions.ask(conn, _lane(row), Request(Ask.RESTART))
    what = "Bot" if body.phone_index is None else f"Phone {body.phone_index + 1}"
    return _json(
        {
            "success": True,
            "message": f"Reinitialization started for {what}",
            "phoneCount": len(rows),
            "phoneIndex": body.phone_index,
        }
    )


@blueprint.post("/api/bots/<company_id>/disconnect")
@documented(
    "disconnectBot",
    _TAG,
    {200: (BotAsked, "It goes on in the background.")},
    problems=("phone_not_found", "no_session"),
    body=DisconnectBody,
)
def disconnect(company_id: str) -> Response:
    """Log phones out; each then shows a new QR."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    body, _ = read_model(DisconnectBody, empty=True)
    with run.pool.connection() as conn, conn.transaction():
        rows = list(_with_session(run, _rows(conn, company_id, body.phone_index)))
        if not rows:
            raise Problem("no_session", "There is no phone here that could be logged out.", field="phoneIndex")
        for row in rows:
            phone_sessions.ask(conn, _lane(row), Request(Ask.LOGOUT))
            phone_sessions.ask(conn, _lane(row), Request(Ask.QR))
            phone_sessions.watch(conn, _lane(row))
    what = f"All {len(rows)} phones are" if body.phone_index is None else f"Phone {body.phone_index + 1} is"
    return _json(
        {
            "success": True,
            "message": f"{what} being disconnected and reinitialized",
            "phoneIndex": body.phone_index,
        }
    )


@blueprint.post("/api/request-pairing-code/<company_id>")
@documented(
    "requestPairingCode",
    _TAG,
    {200: (PairingCode, "Type it into the telephone.")},
    problems=("phone_not_found", "no_session", "channel_not_enabled", "no_pairing_code"),
    body=LegacyPairBody,
)
def request_pairing_code(company_id: str) -> Response:
    """Pair by a code that is typed into the telephone; waits for it up to ten seconds."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    body, _ = read_model(LegacyPairBody)
    return pairing_code(run, Lane(company_id, body.phone_index), body.phone_number)


# -- parts ------------------------------------------------------------------------------------------------------------
def _rows(conn: Connection, company_id: str, phone_index: int | None) -> list[PhoneRow]:
    if phone_index is None:
        return phones.list_phones(conn, company_id)
    lane = Lane(company_id, phone_index)
    return [found(phones.find_phone(conn, lane), lane)]


def _with_session(run: Runtime, rows: Iterable[PhoneRow]) -> Iterable[PhoneRow]:
    return (row for row in rows if holds_session(run, row))


def _lane(row: PhoneRow) -> Lane:
    return Lane(row.company_id, row.phone_index)


def _phone_answer(row: PhoneRow, status: PhoneStatus | None) -> dict[str, Any]:
    text = current_qr(status)
    return {
        "phoneIndex": row.phone_index,
        "status": row.status,
        "qrCode": qr_picture.png_data_url(text) if text else None,
        "phoneInfo": row.display_phone_number,
        "connectionType": row.connection_type,
    }


def _with_picture(status: PhoneStatus) -> dict[str, Any]:
    """`metadata` as the legacy server has it: the QR as a picture, and only while it can be scanned."""
    data = {name: value for name, value in status.metadata.items() if name != "qrCode"}
    if text := current_qr(status):
        data["qrCode"] = qr_picture.png_data_url(text)
    return data


def _json(data: Any) -> Response:
    return Response(orjson.dumps(data), 200, content_type="application/json")

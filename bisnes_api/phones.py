"""Endpoints of phones: list, add, show, replace, remove. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jsonschema
import orjson
from flask import Blueprint, Response

from bisnes_api import idempotency
from bisnes_api.body import read_model
from bisnes_api.documents import IdempotencyHeader, documented
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime, runtime
from bisnes_api.schemas import PHONE_INDEX_MAX, Done, NewPhoneBody, OnePhone, PhoneBody, PhoneList
from bisnes_core.channel import ChannelSpec, UnknownChannel, spec_for
from bisnes_core.phone import Lane, OnUnconfirmed
from bisnes_core.sealing import BadSeal
from bisnes_core.session import PhoneState
from db import phones
from db.idempotency import KeptAnswer
from db.phones import NewPhone, PhoneExists, PhoneRow
from db.pool import Connection

blueprint = Blueprint("phones", __name__)

#: What stands for a secret in answers; sent back, it keeps the secret.
HIDDEN = "***"

_TAG = "Phones"
_CONFIG_PROBLEMS = ("connection_type_unknown", "phone_exists", "secrets_unavailable")


@blueprint.get("/api/v2/phones/<company_id>")
@documented("listPhones", _TAG, {200: (PhoneList, "The company's phones.")})
def list_all(company_id: str) -> Response:
    """A company's phones."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    with run.pool.connection() as conn:
        rows = phones.list_phones(conn, company_id)
    return _json({"success": True, "phones": [_as_answer(run, row) for row in rows]})


@blueprint.post("/api/v2/phones/<company_id>")
@documented(
    "addPhone",
    _TAG,
    {201: (OnePhone, "The new phone.")},
    problems=(*_CONFIG_PROBLEMS, "idempotency_conflict"),
    body=NewPhoneBody,
    headers=IdempotencyHeader,
)
def add(company_id: str) -> Response:
    """Add a phone."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    body, data = read_model(NewPhoneBody)
    key = idempotency.key_of_request()
    request_hash = idempotency.hash_request(data)
    with run.pool.connection() as conn, conn.transaction():
        if key and (earlier := idempotency.kept_answer(conn, company_id, key, request_hash)):
            return earlier
        index = body.phone_index if body.phone_index is not None else _free_index(conn, company_id)
        row = _store_new(run, conn, Lane(company_id, index), body)
        location = f"/api/v2/phones/{quote(company_id, safe='')}/{index}"
        kept = KeptAnswer(request_hash, 201, {"success": True, "phone": _as_answer(run, row)}, location)
        if key:
            idempotency.keep(conn, company_id, key, kept)
    return idempotency.answer(kept)


@blueprint.get("/api/v2/phones/<company_id>/<phone_index>")
@documented("getPhone", _TAG, {200: (OnePhone, "The phone.")}, problems=("phone_not_found",))
def get(company_id: str, phone_index: str) -> Response:
    """One phone."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    with run.pool.connection() as conn:
        row = found(phones.find_phone(conn, lane), lane)
    return _json({"success": True, "phone": _as_answer(run, row)})


@blueprint.put("/api/v2/phones/<company_id>/<phone_index>")
@documented(
    "replacePhone",
    _TAG,
    {200: (OnePhone, "The phone as it is now.")},
    problems=(*_CONFIG_PROBLEMS, "phone_not_found"),
    body=PhoneBody,
)
def replace(company_id: str, phone_index: str) -> Response:
    """Replace a phone's configuration; lifts its pauses."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    body, _ = read_model(PhoneBody)
    with run.pool.connection() as conn, conn.transaction():
        old = found(phones.find_phone(conn, lane), lane)
        new = _new_phone(lane, _judge(run, body, old), body)
        try:
            phones.update_phone(conn, new, run.sealer)
        except PhoneExists as error:
            raise _exists(error) from error
        row = found(phones.find_phone(conn, lane), lane)
    _forget(run, row)
    return _json({"success": True, "phone": _as_answer(run, row)})


@blueprint.delete("/api/v2/phones/<company_id>/<phone_index>")
@documented(
    "removePhone",
    _TAG,
    {200: (Done, "Removed; what it had not sent has failed.")},
    problems=("phone_not_found",),
)
def remove(company_id: str, phone_index: str) -> Response:
    """Remove a phone; its unsent messages fail with `phone_removed`."""
    run = runtime()
    run.gate.admit(company_id, "phones")
    lane = lane_of_path(company_id, phone_index)
    with run.pool.connection() as conn, conn.transaction():
        row = found(phones.find_phone(conn, lane), lane)
        phones.delete_phone(conn, lane)
    _forget(run, row)
    return _json({"success": True})


# -- configuration ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Judged:
    """A configuration that its channel accepts, taken apart."""

    spec: ChannelSpec
    config: Mapping[str, Any]
    secrets: Mapping[str, str]


def _judge(run: Runtime, body: PhoneBody, old: PhoneRow | None) -> _Judged:
    """Checks a configuration against its channel's JSON Schema.

    Raises:
        Problem: `connection_type_unknown`, `secrets_unavailable`, or `invalid_field` with the field of `config`.
    """
    try:
        spec = spec_for(run.specs, body.connection_type)
    except UnknownChannel as error:
        raise Problem("connection_type_unknown", f"{error}.", field="connectionType") from error
    config = {**body.config, **_kept_secrets(run, spec, body, old)}
    _check_schema(spec, config)
    secrets = {name: value for name, value in config.items() if name in spec.secret_fields}
    if secrets and run.sealer is None:
        raise Problem("secrets_unavailable", "ENCRYPTION_KEY is not set; secrets cannot be stored.")
    plain = {name: value for name, value in config.items() if name not in secrets}
    return _Judged(spec, plain, secrets)


def _kept_secrets(run: Runtime, spec: ChannelSpec, body: PhoneBody, old: PhoneRow | None) -> dict[str, str]:
    """Secrets that came back as `***`, with the values that they have."""
    hidden = [name for name in spec.secret_fields if body.config.get(name) == HIDDEN]
    if not hidden:
        return {}
    if old is None or any(name not in old.sealed for name in hidden):
        raise Problem("invalid_field", "There is no secret here yet that *** could keep.", field=f"config.{hidden[0]}")
    try:
        opened = old.opened(run.sealer).secrets
    except BadSeal as error:
        raise Problem("secrets_unavailable", f"{error}.") from error
    return {name: opened[name] for name in hidden}


def _check_schema(spec: ChannelSpec, config: Mapping[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(spec.config_schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is None:
        return
    path = ".".join(str(part) for part in error.absolute_path)
    top = str(error.absolute_path[0]) if error.absolute_path else ""
    # The library's sentence repeats the value, which may be a secret; the rule that it breaks says enough.
    secret = top in spec.secret_fields or not path
    detail = f"It breaks the rule {error.validator!r} of the channel {spec.name!r}" if secret else error.message
    more = {"rule": error.validator_value} if error.validator in ("required", "oneOf", "additionalProperties") else {}
    raise Problem("invalid_field", f"{detail}.", field=f"config.{path}" if path else "config", **more)


def _new_phone(lane: Lane, judged: _Judged, body: PhoneBody) -> NewPhone:
    spec = judged.spec
    return NewPhone(
        company_id=lane.company_id,
        phone_index=lane.phone_index,
        connection_type=body.connection_type,
        channel=spec.name,
        config=judged.config,
        secrets=judged.secrets,
        provider_phone_id=spec.name_phone(lane, judged.config),
        on_unconfirmed=OnUnconfirmed(body.on_unconfirmed),
        display_phone_number=judged.config.get("display_phone_number"),
        status=PhoneState.INITIALIZING if spec.session else "ready",
    )


def _store_new(run: Runtime, conn: Connection, lane: Lane, body: NewPhoneBody) -> PhoneRow:
    try:
        phones.create_phone(conn, _new_phone(lane, _judge(run, body, None), body), run.sealer)
    except PhoneExists as error:
        raise _exists(error) from error
    return found(phones.find_phone(conn, lane), lane)


# -- parts ------------------------------------------------------------------------------------------------------------
def lane_of_path(company_id: str, phone_index: str) -> Lane:
    """The phone that a path names.

    Raises:
        Problem: `phone_not_found` when it can be none.
    """
    if not (phone_index.isascii() and phone_index.isdigit() and len(phone_index) <= 10):
        raise Problem("phone_not_found", "A phone index is a number from 0.", field="phoneIndex")
    index = int(phone_index)
    if index > PHONE_INDEX_MAX:
        raise Problem("phone_not_found", "There is no phone with such an index.", field="phoneIndex")
    return Lane(company_id, index)


def found(row: PhoneRow | None, lane: Lane) -> PhoneRow:
    """A phone that has to be there.

    Raises:
        Problem: `phone_not_found`.
    """
    if row is None:
        raise Problem("phone_not_found", f"The company has no phone {lane.phone_index}.", field="phoneIndex")
    return row


def _free_index(conn: Connection, company_id: str) -> int:
    return max((row.phone_index for row in phones.list_phones(conn, company_id)), default=-1) + 1


def _exists(error: PhoneExists) -> Problem:
    return Problem("phone_exists", f"{error}.", field="phoneIndex")


def _forget(run: Runtime, row: PhoneRow) -> None:
    """The change holds at once in this process; in the others within the age of their caches."""
    run.phones.forget(Lane(row.company_id, row.phone_index))
    run.webhook_secrets.forget(row.channel)


def _as_answer(run: Runtime, row: PhoneRow) -> dict[str, Any]:
    return {
        "companyId": row.company_id,
        "phoneIndex": row.phone_index,
        "connectionType": row.connection_type,
        "channel": row.channel,
        "status": row.status,
        "displayPhoneNumber": row.display_phone_number,
        "onUnconfirmed": row.on_unconfirmed.value,
        "config": {**row.config, **dict.fromkeys(row.sealed, HIDDEN)},
        "pausedUntil": row.paused_until.isoformat() if row.paused_until else None,
        "pauseReason": row.pause_reason,
    }


def _json(data: dict[str, Any]) -> Response:
    return Response(orjson.dumps(data), 200, content_type="application/json")

"""`Idempotency-Key`: same key and body, same answer; another body is refused.

Messages carry their key themselves (unique index). For other requests the answer is kept beside the work, in the same
transaction. Keys belong to a company and are one set for messages and one for everything else. A refused request keeps
nothing: its key stays free.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson
from flask import Response, request

from bisnes_api.problem import Problem
from db import idempotency
from db.idempotency import KeptAnswer
from db.pool import Connection

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def key_of_request() -> str | None:
    """The request's idempotency key, or None.

    Raises:
        Problem: `invalid_field` when it is empty, too long or not printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem("invalid_field", "It needs 1 to 255 printable ASCII characters.", field="Idempotency-Key")
    return key


def hash_request(data: Any) -> bytes:
    """What makes two requests the same: method, path and the body's meaning (not its spaces or the order of fields)."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    digest.update(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
    return digest.digest()


def conflict() -> Problem:
    """The key was used for something else."""
    return Problem(
        "idempotency_conflict", "This Idempotency-Key came with another request before.", field="Idempotency-Key"
    )


def kept_answer(conn: Connection, company_id: str, key: str, request_hash: bytes) -> Response | None:
    """The answer given the first time, or None; call within the transaction that does the work.

    Raises:
        Problem: `idempotency_conflict`.
    """
    kept = idempotency.find_answer(conn, company_id, key)
    if kept is None:
        return None
    if kept.request_hash != request_hash:
        raise conflict()
    return answer(kept)


def keep(conn: Connection, company_id: str, key: str, kept: KeptAnswer) -> None:
    """Keeps an answer for repeats of its request."""
    idempotency.keep_answer(conn, company_id, key, kept)


def answer(kept: KeptAnswer) -> Response:
    """An answer as it is sent, the first time and again."""
    headers = {"Location": kept.location} if kept.location else {}
    return Response(orjson.dumps(kept.body), kept.status, headers, content_type="application/json")

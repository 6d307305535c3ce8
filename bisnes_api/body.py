"""Reading request bodies: bytes to JSON to a checked model, each failure with its own code and the field named."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, TypeVar

import orjson
from flask import request
from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ValidationError

from bisnes_api.problem import Problem
from bisnes_api.runtime import runtime

M = TypeVar("M", bound=BaseModel)

#: Of a body that is too large, so much is read and thrown away, for at most so long.
DISCARD_MAX_BYTES, DISCARD_STEP_BYTES = 64 * 2**20, 2**16
DISCARD_S = 2.0


def read_bytes(limit_bytes: int) -> bytes:
    """The whole body, exactly as it came.

    Read from gunicorn itself: werkzeug cuts a chunked body off at the limit and takes a broken-off one for whole.

    Raises:
        Problem: `body_too_large`, `request_timeout`, or `bad_request` when the body is broken.
    """
    announced = request.content_length
    if announced is not None and announced > limit_bytes:
        _discard()
        raise _too_large(limit_bytes)
    try:
        raw: bytes = request.environ["wsgi.input"].read(limit_bytes + 1)
    except (BlockingIOError, TimeoutError) as error:
        raise Problem("request_timeout", "The body did not arrive in time.") from error
    except (OSError, ValueError, ParseException) as error:
        raise Problem("bad_request", "The body's chunks are malformed or it broke off.") from error
    if len(raw) > limit_bytes:
        _discard()
        raise _too_large(limit_bytes)
    if announced is not None and len(raw) < announced:
        raise Problem("bad_request", f"The body broke off after {len(raw)} of {announced} bytes.")
    return raw


def _discard() -> None:
    """Reads the rest of a body that is refused, within bounds.

    Else the connection is closed on a caller who still writes: he may miss the answer, or send his next request into
    the closing connection.
    """
    stream, end = request.environ["wsgi.input"], time.monotonic() + DISCARD_S
    with suppress(OSError, ValueError, ParseException):  # whatever is wrong with it: it is refused already
        for _ in range(DISCARD_MAX_BYTES // DISCARD_STEP_BYTES):
            if not stream.read(DISCARD_STEP_BYTES) or time.monotonic() > end:
                return


def _too_large(limit_bytes: int) -> Problem:
    return Problem("body_too_large", f"A body may have {limit_bytes:,} bytes.")


def read_json(*, empty: bool = False) -> Any:
    """The body as JSON that PostgreSQL can store.

    Args:
        empty: whether a request without a body counts as `{}`.

    Raises:
        Problem: as `read_bytes`, `wrong_content_type`, `malformed_json`, or `invalid_field` for a NUL character.
    """
    raw = read_bytes(runtime().settings.body_max_bytes)
    if not raw and empty:
        return {}
    mime = request.mimetype
    if mime != "application/json" and not (mime.startswith("application/") and mime.endswith("+json")):
        raise Problem("wrong_content_type", f"Content-Type is {mime or 'missing'}; it must be application/json.")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", f"{error.msg} at character {error.pos}.") from error
    # The only way to write NUL in JSON; the walk is spared where it cannot be.
    if b"\\u0000" in raw and (field := _field_with_nul(data)) is not None:
        raise Problem("invalid_field", "The character NUL (\\u0000) cannot be stored.", field=field)
    return data


def read_model(model: type[M], *, empty: bool = False) -> tuple[M, Any]:
    """The body as a model, and the JSON behind it.

    Raises:
        Problem: as `read_json`, and `invalid_field` with the first field that is wrong.
    """
    data = read_json(empty=empty)
    return check(model, data), data


def check(model: type[M], data: Any) -> M:
    """Checks data against a model.

    Raises:
        Problem: `invalid_field` with the first field that is wrong; `errors` lists all.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # Never `input`: it would repeat message texts and tokens.
        errors = [
            {"field": ".".join(str(part) for part in item["loc"]) or "body", "detail": item["msg"]}
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        first = errors[0]
        raise Problem("invalid_field", f"{first['detail']}.", field=first["field"], errors=errors) from None


def _field_with_nul(data: Any) -> str | None:
    """Where a NUL character is, or None; without recursion, since depth is the sender's choice."""
    todo: list[tuple[str, Any]] = [("", data)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, str) and "\0" in value:
            return name or "body"
        if isinstance(value, dict):
            if any("\0" in key for key in value):
                return name or "body"
            todo.extend((f"{name}.{key}" if name else key, child) for key, child in value.items())
        elif isinstance(value, list):
            todo.extend((f"{name}.{place}" if name else str(place), child) for place, child in enumerate(value))
    return None

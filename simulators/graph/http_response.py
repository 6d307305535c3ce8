"""Building HTTP answers as bytes, with the headers that the Graph API adds."""

from __future__ import annotations

from email.utils import formatdate
from itertools import count
from time import time
from typing import Any

import orjson

from simulators.graph.errors import GraphError

REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

#: The Graph version that an unversioned path gets.
DEFAULT_VERSION = "v25.0"

JSON_TYPE = "application/json; charset=UTF-8"

#: What tells a throttled caller how much it used, in per cent; the last value is in minutes.
#: Source: developers.facebook.com/docs/graph-api/overview/rate-limiting, read 2026-09.
_USED = '{"call_count":100,"total_cputime":25,"total_time":25}'
_USED_BY_ACCOUNT = (
    '{"102290129340398":[{"type":"whatsapp","call_count":100,"total_cputime":25,"total_time":25,'
    '"estimated_time_to_regain_access":1}]}'
)
USAGE = {
    4: ("x-app-usage", _USED),
    17: ("x-app-usage", _USED),
    32: ("x-app-usage", _USED),
    80007: ("x-business-use-case-usage", _USED_BY_ACCOUNT),
}

_traces = count(0x6A5F0000000)
_date: tuple[int, str] = (0, "")


def _http_date() -> str:
    global _date
    now = int(time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    return _date[1]


def graph_response(status: int, body: bytes, version: str, headers: dict[str, str] | None = None) -> bytes:
    """Return a JSON answer with Meta's headers."""
    trace = next(_traces)
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) if headers else ""
    return (
        f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: {JSON_TYPE}\r\n"
        f"facebook-api-version: {version}\r\nx-fb-request-id: {trace:020x}\r\n"
        f"x-fb-trace-id: {trace * 40503 % 16**11:011x}\r\n"
        f"x-fb-rev: 1029384756\r\nDate: {_http_date()}\r\nConnection: keep-alive\r\n{extra}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode("latin-1") + body


def plain_response(status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> bytes:
    """Return an answer without Meta's headers: a proxy's page, a file, the admin's JSON."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) if headers else ""
    return (
        f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: {content_type}\r\n"
        f"Date: {_http_date()}\r\nConnection: keep-alive\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    ).encode("latin-1") + body


def admin_response(value: Any, status: int = 200) -> bytes:
    """Return an answer of ``/_sim``; bytes are JSON already."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return plain_response(status, body, "application/json")


def error_response(error: GraphError, version: str) -> bytes:
    """Return the answer of an error."""
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'OAuth "Facebook Platform" "invalid_token"'
    usage = USAGE.get(error.code)
    if usage is not None:
        headers.setdefault(*usage)
    return graph_response(error.status, orjson.dumps(error.body()), version, headers)

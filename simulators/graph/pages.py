"""Graph's cursor pagination."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlencode

from simulators.graph.errors import GraphError
from simulators.graph.http_request import Request
from simulators.graph.routes import Route

LIMIT_DEFAULT = 25
LIMIT_MAX = 1000


def page(rows: list[Any], request: Request, route: Route) -> dict[str, Any]:
    """Return one page of ``rows`` as the query asks for it (``limit``, ``after``, ``before``).

    Raises:
        GraphError: 100 for a cursor or a limit that is none.
    """
    args = request.args()
    limit = _number(args.get("limit", str(LIMIT_DEFAULT)), "limit")
    limit = max(1, min(limit, LIMIT_MAX))
    if args.get("after"):
        start = _position(args["after"]) + 1
    elif args.get("before"):
        start = max(_position(args["before"]) - limit, 0)
    else:
        start = 0
    part = rows[start : start + limit]
    answer: dict[str, Any] = {"data": part}
    if not part:
        return answer
    first, last = _cursor(start), _cursor(start + len(part) - 1)
    paging: dict[str, Any] = {"cursors": {"before": first, "after": last}}
    base = f"http://{request.host()}/{route.version}/{route.node}/{route.edge}"
    kept = {key: value for key, value in args.items() if key not in ("after", "before", "access_token")}
    if start + len(part) < len(rows):
        paging["next"] = f"{base}?{urlencode({**kept, 'limit': limit, 'after': last})}"
    if start > 0:
        paging["previous"] = f"{base}?{urlencode({**kept, 'limit': limit, 'before': first})}"
    answer["paging"] = paging
    return answer


def _cursor(position: int) -> str:
    return urlsafe_b64encode(f"cursor:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        name, _, number = urlsafe_b64decode(cursor.encode()).decode().partition(":")
    except ValueError:
        name, number = "", ""
    if name != "cursor":
        raise GraphError(100, message="(#100) Invalid cursor provided", details="")
    return _number(number, "cursor")


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise GraphError(100, message=f"(#100) Param {name} must be an integer.", details="")
    return int(text)

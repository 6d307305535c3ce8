"""360dialog's proxy in front of the same API: key header, paths without version and number, its own error bodies.

Source: docs.360dialog.com partner/messaging and support/api-error-message-list, read 2026-09.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.errors import GraphError
from simulators.graph.http_protocol import Answer, Ending
from simulators.graph.http_request import Request
from simulators.graph.http_response import DEFAULT_VERSION, error_response, plain_response
from simulators.graph.inflict import inflict
from simulators.graph.management import Management
from simulators.graph.media import ATTACHMENTS_PATH, LOOKASIDE, describe
from simulators.graph.registry import Callback, Phone
from simulators.graph.routes import Route, parse_path

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

KEY_HEADER = b"d360-api-key"

Result = Answer | Coroutine[Any, Any, Answer]


class Dialog360:
    """Answers requests that carry the key header."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._management = Management(simulation)

    def handle(self, request: Request) -> Result:
        """Answer one call."""
        key = request.headers[KEY_HEADER].decode("latin-1").strip()
        settings = self._simulation.settings
        phone = self._simulation.registry.phone_of_key(key, open_mode=settings.open)
        if phone is None or key in self._simulation.registry.revoked:
            return own_error(401, "Invalid api_key")
        path = request.path.rstrip(b"/")
        try:
            if path == b"/messages" and request.method == "POST":
                return self._guard(self._simulation.sending.handle(request, phone, DEFAULT_VERSION))
            on = (
                "media" if path == b"/media" else "download" if path == ATTACHMENTS_PATH.rstrip("/").encode() else "any"
            )
            effect = self._simulation.faults.pick(on, phone.id) if self._simulation.faults.rules else None
            call = partial(self._call, request, phone, path)
            return call() if effect is None else inflict(effect, call, DEFAULT_VERSION)
        except GraphError as error:
            return error_response(error, DEFAULT_VERSION)

    def _guard(self, result: Result) -> Result:
        return result if isinstance(result, (bytes, Ending)) else _guarded(result)

    def _call(self, request: Request, phone: Phone, path: bytes) -> Result:
        if path == b"/v1/configs/webhook":
            return self._webhook(request, phone)
        if path == b"/media" and request.method == "POST":
            return self._management.handle_phone(request, Route(DEFAULT_VERSION, phone.id, "media"), phone)
        if path == ATTACHMENTS_PATH.rstrip("/").encode():
            return self._management.download(request)
        route = parse_path(path.decode("utf-8", "replace"))
        if route.edge == "" and self._simulation.media.issued(route.node):
            return self._medium(request, route)
        return own_error(404, f"Not found: {request.method} {path.decode('latin-1')}")

    def _medium(self, request: Request, route: Route) -> Result:
        medium = self._simulation.media.get(route.node)
        if medium is None or request.method != "GET":
            return self._management.handle(request, route)
        # The caller has to put this API's host in place of Meta's.
        value = describe(medium, LOOKASIDE, self._simulation.settings.media_url_ttl_s)
        return plain_response(200, orjson.dumps(value), "application/json")

    def _webhook(self, request: Request, phone: Phone) -> Answer:
        if request.method == "POST":
            params = request.params()
            url = str(params.get("url") or "")
            if not url.startswith(("http://", "https://")):
                return own_error(400, "url must be a valid URL")
            headers = params.get("headers") or {}
            phone.callback = Callback(url, {str(key): str(value) for key, value in headers.items()}, signed=False)
        elif request.method != "GET":
            return own_error(405, "Method not allowed")
        callback = phone.callback or Callback("", signed=False)
        body = {"url": callback.url, "headers": callback.headers}
        return plain_response(200, orjson.dumps(body), "application/json")


async def _guarded(pending: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return await pending
    except GraphError as error:
        return error_response(error, DEFAULT_VERSION)


def own_error(status: int, text: str) -> bytes:
    """Return an error of the proxy itself."""
    body = {"meta": {"httpCode": status, "developerMessage": text, "success": False}}
    return plain_response(status, orjson.dumps(body), "application/json")

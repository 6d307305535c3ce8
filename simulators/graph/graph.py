"""Routing of Graph calls: which node and edge, who asks, and whether they may."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from simulators.graph.errors import GraphError
from simulators.graph.http_protocol import Answer, Ending
from simulators.graph.http_request import Request
from simulators.graph.http_response import error_response, plain_response
from simulators.graph.inflict import inflict
from simulators.graph.management import Management
from simulators.graph.media import ATTACHMENTS_PATH
from simulators.graph.registry import TOKEN_PREFIX, Phone
from simulators.graph.routes import Route, parse_path

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

logger = logging.getLogger(__name__)

#: Distinct paths are few (one per number); this bounds a client that makes them up.
ROUTES_MAX = 10_000

#: Edges of a number; they tell what an unannounced id is.
PHONE_EDGES = frozenset(
    {
        "messages",
        "marketing_messages",
        "media",
        "register",
        "deregister",
        "block_users",
        "smb_app_data",
        "request_code",
        "verify_code",
        "whatsapp_business_profile",
    }
)
SEND_EDGES = frozenset({"messages", "marketing_messages"})
ATTACHMENTS = ATTACHMENTS_PATH.rstrip("/").encode()

Result = Answer | Coroutine[Any, Any, Answer]


class Graph:
    """Answers everything below ``/`` that is not the simulator's own administration."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._registry = simulation.registry
        self._routes: dict[bytes, Route] = {}
        self._management = Management(simulation)

    def handle(self, request: Request) -> Result:
        """Answer one call."""
        route = self._route(request.path)
        try:
            result = self._dispatch(request, route)
        except GraphError as error:
            return error_response(error, route.version)
        if isinstance(result, (bytes, Ending)):
            return result
        return _guard(result, route.version)

    def _route(self, path: bytes) -> Route:
        route = self._routes.get(path)
        if route is None:
            route = parse_path(path.decode("utf-8", "replace"))
            if len(self._routes) < ROUTES_MAX:
                self._routes[path] = route
        return route

    def _dispatch(self, request: Request, route: Route) -> Result:
        if route.node == "oauth" and route.edge == "access_token":
            return self._management.exchange_code(request, route)
        token = self._token(request)
        if route.edge in SEND_EDGES and request.method == "POST":
            sender = self._phone(request, route, token)
            if sender is not None:
                return self._simulation.sending.handle(request, sender, route.version)
        return self._manage(request, route, token)

    def _manage(self, request: Request, route: Route, token: str) -> Result:
        phone: Phone | None = None
        call: Callable[[], Result]
        on = "management"
        if request.path.rstrip(b"/") == ATTACHMENTS:
            self._authenticate(token)
            call, on = partial(self._management.download, request), "download"
        elif route.node == "debug_token":
            self._authenticate(token)
            call = partial(self._management.debug_token, request, route)
        else:
            phone = self._phone(request, route, token)
            if phone is None:
                self._authenticate(token)
                call = partial(self._management.handle, request, route)
            else:
                call = partial(self._management.handle_phone, request, route, phone)
            if route.edge == "media" or self._simulation.media.issued(route.node):
                on = "media"
        faults = self._simulation.faults
        effect = faults.pick(on, phone.id if phone else "") if faults.rules else None
        return call() if effect is None else inflict(effect, call, route.version)

    def _token(self, request: Request) -> str:
        header = request.headers.get(b"authorization")
        if header is not None:
            scheme, _, token = header.decode("latin-1").partition(" ")
            if scheme.lower() in ("bearer", "oauth") and token.strip():
                return token.strip()
        token = request.args().get("access_token", "")
        if not token:
            raise GraphError(104, message="An access token is required to request this resource.")
        return token

    def _phone(self, request: Request, route: Route, token: str) -> Phone | None:
        """Return the number that the path names, if the token may act for it; None if it names no number."""
        phone = self._registry.phones.get(route.node)
        if phone is None:
            if not self._is_new_phone(request, route):
                return None
            self._authenticate(token)
            return self._registry.open_phone(route.node)
        if phone.token is not None and phone.token != token:
            self._refuse_foreign(phone, token)
        elif phone.token is None or self._registry.revoked:
            self._authenticate(token)
        return phone

    def _is_new_phone(self, request: Request, route: Route) -> bool:
        node = route.node
        if not self._simulation.settings.open or not (node.isascii() and node.isdecimal()):
            return False
        if node in self._registry.wabas or self._simulation.media.issued(node):
            return False
        if route.edge in PHONE_EDGES:
            return True
        return route.edge == "" and request.method in ("GET", "POST") and not self._management.is_template(node)

    def _refuse_foreign(self, phone: Phone, token: str) -> None:
        issued_for = self._registry.issued.get(token)
        if issued_for in (phone.waba_id, "*"):
            return
        self._authenticate(token)
        raise GraphError(10, message="(#10) Application does not have permission for this action")

    def _authenticate(self, token: str) -> None:
        """Check a token by itself.

        Raises:
            GraphError: 190 when it is unknown or revoked.
        """
        if token in self._registry.revoked:
            message = "Error validating access token: The session has been invalidated."
            raise GraphError(190, message=message, subcode=460)
        if self._simulation.settings.open and token.startswith(TOKEN_PREFIX):
            return
        if not self._registry.knows_token(token):
            raise GraphError(190)


async def _guard(pending: Coroutine[Any, Any, Answer], version: str) -> Answer:
    try:
        return await pending
    except GraphError as error:
        return error_response(error, version)


def guarded(handler: Callable[[Request], Result]) -> Callable[[Request], Result]:
    """Wrap a handler so that a bug in it answers 500 instead of closing the connection."""

    def handle(request: Request) -> Result:
        try:
            return handler(request)
        except Exception:  # the process boundary: whatever goes wrong, the client gets an answer and the log the reason
            logger.exception("request failed")
            return plain_response(500, b"simulator error, see its log", "text/plain")

    return handle

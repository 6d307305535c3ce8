"""Calls beside sending: media, numbers, accounts, tokens, templates."""

from __future__ import annotations

from collections.abc import Coroutine
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.errors import GraphError, parameter_required, unknown_node
from simulators.graph.http_protocol import Answer
from simulators.graph.http_request import Request
from simulators.graph.http_response import graph_response, plain_response
from simulators.graph.media import describe, upload_from
from simulators.graph.numbers import PhoneCalls
from simulators.graph.pages import page
from simulators.graph.registry import Phone, Waba
from simulators.graph.routes import Route
from simulators.graph.templates import create_template, delete_templates
from simulators.graph.validate import check_product

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

Result = Answer | Coroutine[Any, Any, Answer]

#: Meta's answer to an expired or wrong media URL is a bare 404. Source: field evidence, read 2026-09.
_GONE = plain_response(404, b"", "text/html")

#: Templates of one account. Source: business-messaging/whatsapp/templates, read 2026-09.
TEMPLATES_MAX = 6000

_WABA_FIELDS = ("id", "name", "timezone_id", "message_template_namespace")


class Management:
    """Everything but sending."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._registry = simulation.registry
        self._phones = PhoneCalls(simulation)

    def is_template(self, node: str) -> bool:
        """Tell whether the id is a template's."""
        return self._template(node) is not None

    def handle_phone(self, request: Request, route: Route, phone: Phone) -> Result:
        """Answer a call to a number.

        Raises:
            GraphError: when it is refused.
        """
        if route.edge == "media" and request.method == "POST":
            return self._upload(request, route, phone)
        return self._phones.handle(request, route, phone)

    def handle(self, request: Request, route: Route) -> Result:
        """Answer a call to anything else: a medium, an account, a template.

        Raises:
            GraphError: when it is refused.
        """
        media = self._simulation.media
        if route.edge == "" and media.issued(route.node):
            return self._medium(request, route)
        template = self._template(route.node)
        if template is not None and route.edge == "":
            return _answer(template[1], route)
        waba = self._waba(route, request)
        if waba is None:
            raise unknown_node(route.node or "0", request.method)
        if route.edge == "" and request.method == "GET":
            return self._describe_waba(request, route, waba)
        if route.edge == "phone_numbers" and request.method == "GET":
            numbers = [self._phones.describe(phone, None) for phone in self._registry.phones_of(waba.id)]
            return _answer(page(numbers, request, route), route)
        if route.edge == "subscribed_apps":
            return self._subscribe(request, route, waba)
        if route.edge == "message_templates":
            return self._templates(request, route, waba)
        raise unknown_node(route.node, request.method)

    def download(self, request: Request) -> Result:
        """Answer a media URL."""
        medium = self._simulation.media.find_for_url(request.args())
        if medium is None:
            return _GONE
        name = medium.filename or f"{medium.id}.bin"
        headers = {"Content-Disposition": f'attachment; filename="{name.encode("ascii", "replace").decode()}"'}
        return plain_response(200, medium.content, medium.mime_type, headers)

    def exchange_code(self, request: Request, route: Route) -> Result:
        """Exchange a code of Embedded Signup for a business token, or give an app token.

        Raises:
            GraphError: 100 for a wrong secret or a missing code.
        """
        args = request.params()
        if not args.get("client_id"):
            raise GraphError(101, message="Missing client_id parameter.", http=400)
        if args.get("client_secret") != self._simulation.app_secret:
            raise GraphError(1, message="Error validating client secret.", http=400)
        if args.get("grant_type") == "client_credentials":
            return _answer({"access_token": f"{args['client_id']}|{token_hex(13)}", "token_type": "bearer"}, route)
        if not args.get("code"):
            raise parameter_required("code")
        token = f"EAA{token_hex(40)}"
        self._registry.issued[token] = "*"
        return _answer({"access_token": token, "token_type": "bearer"}, route)

    def debug_token(self, request: Request, route: Route) -> Result:
        """Tell what a token is good for.

        Raises:
            GraphError: 100 without ``input_token``.
        """
        token = request.args().get("input_token", "")
        if not token:
            raise parameter_required("input_token")
        known = self._registry.knows_token(token) or (self._simulation.settings.open and token.startswith("EAA"))
        valid = known and token not in self._registry.revoked
        data: dict[str, Any] = {"app_id": "1000000000000001", "type": "SYSTEM_USER", "is_valid": valid}
        if valid:
            scopes = ["whatsapp_business_management", "whatsapp_business_messaging"]
            data.update(
                application="Simulated App",
                expires_at=0,
                issued_at=int(time()),
                scopes=scopes,
                granular_scopes=[{"scope": scope, "target_ids": list(self._registry.wabas)} for scope in scopes],
            )
        else:
            data["error"] = {"code": 190, "message": "Invalid OAuth access token.", "subcode": 460}
        return _answer({"data": data}, route)

    def _upload(self, request: Request, route: Route, phone: Phone) -> Answer:
        parts = request.parts()
        params = request.params()
        check_product(params)
        mime_type, content, filename = upload_from(parts, params)
        return _answer({"id": self._simulation.media.add(mime_type, content, phone.id, filename).id}, route)

    def _medium(self, request: Request, route: Route) -> Answer:
        media = self._simulation.media
        medium = media.get(route.node)
        wanted = request.args().get("phone_number_id")
        if medium is None:
            raise unknown_node(route.node, request.method)
        if wanted and medium.phone_id != wanted:
            message = "(#100) Param phone_number_id is not a valid whatsapp business phone number id ID"
            raise GraphError(100, message=message, details="")
        if request.method == "DELETE":
            media.delete(route.node)
            return _answer({"success": True}, route)
        if request.method != "GET":
            raise unknown_node(route.node, request.method)
        ttl_s = self._simulation.settings.media_url_ttl_s
        return _answer(describe(medium, f"http://{request.host()}", ttl_s), route)

    def _waba(self, route: Route, request: Request) -> Waba | None:
        known = self._registry.wabas.get(route.node)
        if known is not None or not self._simulation.settings.open or not route.node.isdecimal():
            return known
        if route.edge in ("phone_numbers", "subscribed_apps", "message_templates"):
            return self._registry.waba(route.node)
        return None

    def _describe_waba(self, request: Request, route: Route, waba: Waba) -> Answer:
        values: dict[str, Any] = {
            "id": waba.id,
            "name": waba.name,
            "timezone_id": "1",
            "message_template_namespace": f"ns_{waba.id}",
            "health_status": {"can_send_message": "AVAILABLE", "entities": []},
            "account_review_status": "APPROVED",
        }
        asked = request.args().get("fields")
        names = asked.split(",") if asked else list(_WABA_FIELDS)
        return _answer({"id": waba.id, **{name: values[name] for name in names if name in values}}, route)

    def _subscribe(self, request: Request, route: Route, waba: Waba) -> Result:
        if request.method == "GET":
            app: dict[str, Any] = {
                "whatsapp_business_api_data": {
                    "id": "1000000000000001",
                    "name": "Simulated App",
                    "link": "https://www.facebook.com/games/?app_id=1000000000000001",
                }
            }
            if waba.callback is not None:
                app["override_callback_uri"] = waba.callback.url
            return _answer({"data": [app] if waba.subscribed else []}, route)
        if request.method == "DELETE":
            waba.subscribed, waba.callback = False, None
            return _answer({"success": True}, route)
        if request.method != "POST":
            raise unknown_node(route.node, request.method)
        return self._phones.override(request, route, waba, request.params())

    def _templates(self, request: Request, route: Route, waba: Waba) -> Answer:
        if request.method == "POST":
            return _answer(create_template(waba, request.params()), route)
        args = request.args()
        if request.method == "DELETE":
            delete_templates(waba, args)
            return _answer({"success": True}, route)
        rows = [row for row in waba.templates.values() if _selected(row, args)]
        answer = page(rows, request, route)
        if args.get("summary"):
            answer["summary"] = {
                "total_count": len(rows),
                "message_template_count": len(waba.templates),
                "message_template_limit": TEMPLATES_MAX,
                "are_translations_complete": True,
            }
        return _answer(answer, route)

    def _template(self, node: str) -> tuple[Waba, dict[str, Any]] | None:
        for waba in self._registry.wabas.values():
            for row in waba.templates.values():
                if row["id"] == node:
                    return waba, row
        return None


def _selected(row: dict[str, Any], args: dict[str, str]) -> bool:
    return all(
        args.get(key, str(row.get(key))) == str(row.get(key)) for key in ("name", "language", "status", "category")
    )


def _answer(value: dict[str, Any], route: Route) -> bytes:
    return graph_response(200, orjson.dumps(value), route.version)

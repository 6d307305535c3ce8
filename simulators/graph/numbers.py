"""Calls to one business phone number, beside sending and uploading."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.errors import GraphError, parameter_required, unknown_node
from simulators.graph.fields import as_list, as_object
from simulators.graph.http_protocol import Answer
from simulators.graph.http_request import Request
from simulators.graph.http_response import graph_response
from simulators.graph.pages import page
from simulators.graph.registry import Callback, Phone, Waba
from simulators.graph.routes import Route
from simulators.graph.validate import check_product

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

Result = Answer | Coroutine[Any, Any, Answer]

#: Registrations of one number in 72 h. Source: support/error-codes 133016, read 2026-09-11.
REGISTRATIONS_MAX = 10

#: Members that a look-up has when it names none.
DEFAULT_FIELDS = ("verified_name", "code_verification_status", "display_phone_number", "quality_rating", "id")

_SUCCESS = {"success": True}


class PhoneCalls:
    """Look-up, registration, webhook override, blocked users, profile."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def handle(self, request: Request, route: Route, phone: Phone) -> Result:
        """Answer one call.

        Raises:
            GraphError: when it is refused.
        """
        edge, method = route.edge, request.method
        if edge == "" and method == "GET":
            return _answer(self.describe(phone, request.args().get("fields")), route)
        if edge == "" and method == "POST":
            return self._configure(request, route, phone)
        if edge == "register" and method == "POST":
            self._register(phone, request.params())
            return _answer(_SUCCESS, route)
        if edge == "deregister" and method == "POST":
            if not phone.registered:
                message = "Phone number not registered on the WhatsApp Business Platform."
                raise GraphError(100, message=message, subcode=2207051, details="")
            phone.registered = False
            return _answer(_SUCCESS, route)
        if edge == "block_users":
            return self._block(request, route, phone)
        if edge == "whatsapp_business_profile":
            return self._profile(request, route, phone)
        if edge in ("request_code", "verify_code") and method == "POST":
            return _answer(_SUCCESS, route)
        if edge == "smb_app_data" and method == "POST":
            check_product(request.params())
            return _answer({"messaging_product": "whatsapp", "request_id": f"sim-{phone.id}"}, route)
        raise unknown_node(route.node, method)

    def describe(self, phone: Phone, fields: str | None) -> dict[str, Any]:
        """Return the number with the wanted members; unknown ones are left out."""
        values: dict[str, Any] = {
            "id": phone.id,
            "display_phone_number": _shown(phone.display),
            "verified_name": phone.verified_name,
            "quality_rating": "GREEN",
            "quality_score": {"score": "GREEN"},
            "code_verification_status": "VERIFIED",
            "status": "CONNECTED" if phone.registered else "DISCONNECTED",
            "platform_type": "CLOUD_API" if phone.registered else "NOT_APPLICABLE",
            "throughput": {"level": "HIGH" if self._simulation.settings.rate_per_s > 80 else "STANDARD"},
            "messaging_limit_tier": "TIER_UNLIMITED",
            "name_status": "APPROVED",
            "account_mode": "LIVE",
            "is_official_business_account": False,
            "is_pin_enabled": phone.pin is not None,
            "health_status": {"can_send_message": "AVAILABLE", "entities": []},
            "webhook_configuration": {
                "application": self._simulation.sender.default.url,
                **({"phone_number": phone.callback.url} if phone.callback else {}),
            },
        }
        names = [name.strip().partition("{")[0] for name in fields.split(",")] if fields else DEFAULT_FIELDS
        return {**{name: values[name] for name in names if name in values}, "id": phone.id}

    async def override(self, request: Request, route: Route, target: Phone | Waba, params: dict[str, Any]) -> Answer:
        """Set or remove the webhook override of an account or a number; Meta asks the new address first.

        Raises:
            GraphError: 100 (422) when the address does not answer the handshake.
        """
        url = str(params.get("override_callback_uri") or "")
        if not url:
            target.callback = None
        else:
            token = str(params.get("verify_token") or "")
            if not url.startswith(("http://", "https://")):
                raise GraphError(100, message="Invalid callback URI format", details="")
            if not (await self._simulation.sender.verify(url, token))["verified"]:
                message = "Webhook callback URL is not reachable or invalid"
                raise GraphError(100, message=message, type="GraphMethodException", http=422, details="")
            target.callback = Callback(url)
        if isinstance(target, Waba):
            target.subscribed = True
        return _answer(_SUCCESS, route)

    def _configure(self, request: Request, route: Route, phone: Phone) -> Result:
        params = request.params()
        if "webhook_configuration" not in params:
            return _answer(_SUCCESS, route)
        return self.override(request, route, phone, as_object(params["webhook_configuration"], "webhook_configuration"))

    def _register(self, phone: Phone, params: dict[str, Any]) -> None:
        check_product(params)
        pin = str(params.get("pin") or "")
        if not pin:
            raise parameter_required("pin")
        if not (pin.isdecimal() and len(pin) == 6):
            raise GraphError(100, message="Invalid PIN format. PIN must be exactly 6 digits", details="")
        phone.registrations += 1
        if phone.registrations > REGISTRATIONS_MAX:
            raise GraphError(133016)
        if phone.pin is not None and phone.pin != pin:
            raise GraphError(133005)
        phone.pin, phone.registered = pin, True

    def _block(self, request: Request, route: Route, phone: Phone) -> Answer:
        if request.method == "GET":
            rows = [{"messaging_product": "whatsapp", "input": user, "wa_id": user} for user in sorted(phone.blocked)]
            return _answer(page(rows, request, route), route)
        if request.method not in ("POST", "DELETE"):
            raise unknown_node(route.node, request.method)
        params = request.params()
        check_product(params)
        done = []
        for index, item in enumerate(as_list(params.get("block_users"), "block_users", 1, 1000)):
            entry = as_object(item, f"block_users[{index}]")
            user = str(entry.get("user") or entry.get("user_id") or "")
            if not user:
                raise parameter_required(f"block_users[{index}]['user']")
            key = user if "." in user else "".join(char for char in user if char.isdecimal())
            if request.method == "POST":
                phone.blocked.add(key)
            else:
                phone.blocked.discard(key)
            done.append({"input": user, "wa_id": key} if "." not in user else {"input": user, "user_id": key})
        name = "added_users" if request.method == "POST" else "removed_users"
        return _answer({"messaging_product": "whatsapp", "block_users": {name: done}}, route)

    def _profile(self, request: Request, route: Route, phone: Phone) -> Answer:
        if request.method == "POST":
            params = request.params()
            check_product(params)
            phone.profile.update({key: value for key, value in params.items() if key != "messaging_product"})
            return _answer(_SUCCESS, route)
        return _answer({"data": [{**phone.profile, "messaging_product": "whatsapp"}]}, route)


def _shown(digits: str) -> str:
    return f"+{digits[0]} {digits[1:4]}-{digits[4:7]}-{digits[7:]}"


def _answer(value: dict[str, Any], route: Route) -> bytes:
    return graph_response(200, orjson.dumps(value), route.version)

"""The simulator's own endpoints below ``/_sim``: look at what happened, make things happen."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.errors import GraphError
from simulators.graph.faults import BadFault
from simulators.graph.http_protocol import Answer, Connection
from simulators.graph.http_request import Request
from simulators.graph.http_response import admin_response
from simulators.graph.inbound import BadInbound, Inbound
from simulators.graph.registry import DEFAULT_WABA_ID, Callback, Phone
from simulators.graph.settings import BadSetting
from simulators.graph.templates import create_template

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

PREFIX = b"/_sim/"

Result = Answer | Coroutine[Any, Any, Answer]


class Admin:
    """Answers ``/_sim``; not part of what Meta has, hence without a token."""

    def __init__(self, simulation: Simulation, connections: set[Connection]) -> None:
        self._simulation = simulation
        self._connections = connections
        self._inbound = Inbound(simulation)
        self._calls: dict[tuple[str, str], Callable[[Request], Result]] = {
            ("GET", "ready"): lambda _: admin_response({"ready": True}),
            ("GET", "ledger"): self._ledger,
            ("GET", "ledger/summary"): lambda _: admin_response(simulation.ledger.summary()),
            ("GET", "marks"): lambda _: admin_response({"marks": simulation.ledger.marks}),
            ("GET", "stats"): lambda _: admin_response(simulation.stats()),
            ("POST", "faults"): self._add_faults,
            ("GET", "faults"): self._list_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "settings"): lambda _: admin_response(simulation.settings.as_dict()),
            ("POST", "settings"): self._settings,
            ("POST", "inbound"): self._emit_inbound,
            ("POST", "raw"): self._emit_raw,
            ("POST", "event"): self._emit_event,
            ("POST", "verify"): self._verify,
            ("POST", "redeliver"): lambda _: admin_response({"redelivered": simulation.sender.redeliver_now()}),
            ("POST", "disconnect"): self._disconnect,
            ("POST", "phones"): self._add_phone,
            ("GET", "phones"): self._list_phones,
            ("POST", "templates"): self._add_template,
            ("POST", "tokens/revoke"): self._revoke,
            ("POST", "tokens/restore"): self._restore,
            ("POST", "reset"): self._reset,
        }

    def handle(self, request: Request) -> Result:
        """Answer one call; 400 with the reason when it cannot be understood."""
        name = request.path[len(PREFIX) :].strip(b"/").decode("latin-1")
        call = self._calls.get((request.method, name))
        if call is None:
            known = sorted(f"{method} /_sim/{path}" for method, path in self._calls)
            return admin_response({"error": "no such call", "known": known}, 404)
        try:
            return call(request)
        except (BadFault, BadInbound, BadSetting, KeyError, TypeError, ValueError) as error:
            return admin_response({"error": f"{type(error).__name__}: {error}"}, 400)
        except GraphError as error:
            return admin_response({"error": str(error.body()["error"]["message"])}, 400)

    def _ledger(self, request: Request) -> Answer:
        args = request.args()
        after, limit = int(args.get("after", "0")), int(args.get("limit", "1000"))
        bodies = args.get("bodies", "0") not in ("0", "false", "")
        return admin_response(self._simulation.ledger.page(after, limit, args.get("phone"), bodies=bodies))

    def _add_faults(self, request: Request) -> Answer:
        spec = orjson.loads(request.body)
        if isinstance(spec, dict) and "seed" in spec:
            self._simulation.faults.random.seed(spec.pop("seed"))
        specs = spec.pop("rules", [spec] if spec else []) if isinstance(spec, dict) else spec
        rules = [self._simulation.faults.add(item) for item in specs]
        return admin_response({"ids": [rule.id for rule in rules]})

    def _list_faults(self, _request: Request) -> Answer:
        rules = self._simulation.faults.rules
        return admin_response({"rules": [{"id": rule.id, "hits": rule.hits, **rule.spec} for rule in rules]})

    def _clear_faults(self, request: Request) -> Answer:
        wanted = request.args().get("id")
        return admin_response({"removed": self._simulation.faults.clear(int(wanted) if wanted else None)})

    def _settings(self, request: Request) -> Answer:
        values = orjson.loads(request.body)
        url = values.pop("webhook_url", None)
        self._simulation.settings.change(values)
        if url is not None:
            self._simulation.sender.default = Callback(str(url))
        return admin_response(self._simulation.settings.as_dict())

    def _emit_inbound(self, request: Request) -> Answer:
        spec = orjson.loads(request.body)
        if isinstance(spec, list):
            return admin_response({"sent": [self._inbound.emit(item) for item in spec]})
        return admin_response(self._inbound.emit(spec))

    def _emit_raw(self, request: Request) -> Answer:
        args = request.args()
        callback = Callback(args["url"]) if args.get("url") else None
        if args.get("bytes", "0") not in ("0", ""):
            self._simulation.sender.emit_bytes(request.body, callback)
            return admin_response({"bytes": len(request.body)})
        body = orjson.loads(request.body)
        if isinstance(body, dict):
            self._inbound.note_ids(body)
        self._simulation.sender.emit(body, callback)
        return admin_response({"sent": True})

    def _emit_event(self, request: Request) -> Answer:
        spec = orjson.loads(request.body)
        phone = self._simulation.registry.phones[str(spec["phone"])]
        self._inbound.emit_value(phone, str(spec["field"]), spec["value"])
        return admin_response({"sent": True})

    async def _verify(self, request: Request) -> Answer:
        spec = orjson.loads(request.body) if request.body else {}
        outcome = await self._simulation.sender.verify(
            str(spec.get("url") or ""), str(spec.get("token") or ""), mode=str(spec.get("mode") or "subscribe")
        )
        return admin_response(outcome)

    async def _disconnect(self, _request: Request) -> Answer:
        # A coroutine, so that the asking connection is busy and stays.
        return admin_response({"closed": sum(connection.close_if_idle() for connection in list(self._connections))})

    def _add_phone(self, request: Request) -> Answer:
        spec = orjson.loads(request.body)
        phone = Phone(
            str(spec["id"]),
            str(spec.get("waba_id") or DEFAULT_WABA_ID),
            token=spec.get("token"),
            display=str(spec.get("display") or ""),
            d360_key=spec.get("d360_key"),
            registered=bool(spec.get("registered", True)),
        )
        self._simulation.registry.add_phone(phone)
        return admin_response({"id": phone.id, "waba_id": phone.waba_id, "display": phone.display})

    def _list_phones(self, _request: Request) -> Answer:
        rows = [
            {
                "id": phone.id,
                "waba_id": phone.waba_id,
                "display": phone.display,
                "registered": phone.registered,
                "strict": phone.token is not None,
                "d360": phone.d360_key is not None,
            }
            for phone in self._simulation.registry.phones.values()
        ]
        return admin_response({"phones": rows})

    def _add_template(self, request: Request) -> Answer:
        spec = orjson.loads(request.body)
        waba = self._simulation.registry.waba(str(spec.get("waba_id") or DEFAULT_WABA_ID))
        return admin_response(create_template(waba, spec))

    def _revoke(self, request: Request) -> Answer:
        self._simulation.registry.revoked.add(str(orjson.loads(request.body)["token"]))
        return admin_response({"revoked": True})

    def _restore(self, request: Request) -> Answer:
        self._simulation.registry.revoked.discard(str(orjson.loads(request.body)["token"]))
        return admin_response({"restored": True})

    def _reset(self, _request: Request) -> Answer:
        self._simulation.reset()
        return admin_response({"reset": True})

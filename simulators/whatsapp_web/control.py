"""The control API: what tests, demos and people do to the simulated world over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.accounts import Account
from simulators.whatsapp_web.conversation import Conversation
from simulators.whatsapp_web.faults import KINDS
from simulators.whatsapp_web.inbound import Inbound, find
from simulators.whatsapp_web.pairing import Pairing
from simulators.whatsapp_web.problems import Problem
from simulators.whatsapp_web.world import World

PREFIX = "/control"

#: Why WhatsApp ends a login. Source: wa-js 4.6.0, src/whatsapp/enums/LogoutReason.ts, read 2026-11-25.
REASONS = (
    *("user_initiated", "syncd_failure", "invalid_adv_status", "critical_sync_timeout", "syncd_timeout"),
    *("history_sync_timeout", "account_sync_timeout", "md_opt_out", "unknown_companion", "client_version_outdated"),
    *("storage_quota_exceeded", "primary_identity_key_change", "account_locked"),
)

Body = dict[str, Any]
Answer = tuple[int, Any]


class Control:
    """The routes under ``/control``; each answers JSON, and a problem for what cannot be done."""

    def __init__(self, world: World, pairing: Pairing, inbound: Inbound, conversation: Conversation) -> None:
        self._world = world
        self._pairing = pairing
        self._inbound = inbound
        self._conversation = conversation

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        account, message = "/accounts/{number}", "/accounts/{number}/messages/{id}"
        return [
            _route("GET", "/settings", self._settings),
            _route("PATCH", "/settings", self._change_settings),
            _route("POST", "/scan", self._scan),
            _route("POST", "/pairing-code", self._enter_code),
            _route("GET", "/pages", self._pages),
            _route("GET", "/accounts", self._accounts),
            _route("GET", account, self._account),
            _route("PATCH", account, self._change_account),
            _route("POST", f"{account}/unlink", self._unlink),
            _route("POST", f"{account}/ban", self._ban),
            _route("POST", f"{account}/unban", self._unban),
            _route("POST", f"{account}/second-login", self._second_login),
            _route("POST", f"{account}/groups", self._group),
            _route("POST", f"{account}/contacts", self._contact),
            _route("POST", f"{account}/presence", self._presence),
            _route("GET", f"{account}/messages", self._messages),
            _route("POST", f"{account}/messages", self._incoming),
            _route("GET", message, self._message),
            *[_route("POST", f"{message}/{verb}", self._on_message) for verb in self._verbs()],
            _route("GET", "/ledger", self._ledger),
            _route("GET", "/actions", self._actions),
            _route("DELETE", "/ledger", self._clear_ledger),
            _route("GET", "/faults", self._faults),
            _route("POST", "/faults", self._add_fault),
            _route("DELETE", "/faults", self._clear_faults),
            _route("DELETE", "/faults/{id}", self._clear_fault),
        ]

    def _get(self, request: web.Request) -> Account:
        number = addresses.number(request.match_info["number"])
        account = self._world.accounts.by_number.get(number)
        if account is None:
            raise Problem(404, "account_unknown", f"no account {number}: it begins with its first scan")
        return account

    # -- settings and login ------------------------------------------------

    def _settings(self, _request: web.Request, _body: Body) -> Answer:
        return 200, self._world.settings.as_dict()

    def _change_settings(self, _request: web.Request, body: Body) -> Answer:
        self._world.settings.change(body)
        return 200, self._world.settings.as_dict()

    def _scan(self, _request: web.Request, body: Body) -> Answer:
        page = self._pairing.scan(str(body.get("qr", "")), addresses.number(body.get("account")))
        return 200, page.as_dict()

    def _enter_code(self, _request: web.Request, body: Body) -> Answer:
        page = self._pairing.enter(str(body.get("code", "")), addresses.number(body.get("account")))
        return 200, page.as_dict()

    # -- pages and accounts ------------------------------------------------

    def _pages(self, _request: web.Request, _body: Body) -> Answer:
        codes = {code.page: code.code for code in self._pairing.codes.values()}
        rows = [{**page.as_dict(), "pairing_code": codes.get(page.id)} for page in self._world.pages.by_id.values()]
        return 200, {"pages": rows}

    def _accounts(self, _request: web.Request, _body: Body) -> Answer:
        return 200, {"accounts": [self._shown(account) for account in self._world.accounts.all()]}

    def _account(self, request: web.Request, _body: Body) -> Answer:
        return 200, self._shown(self._get(request))

    def _change_account(self, request: web.Request, body: Body) -> Answer:
        account = self._world.accounts.get(addresses.number(request.match_info["number"]))
        if not isinstance(body.get("name"), str) or len(body) != 1:
            raise Problem(422, "bad_account", "only the name can be changed")
        account.name = body["name"]
        account.save()
        return 200, self._shown(account)

    def _shown(self, account: Account) -> Body:
        pages = self._world.pages.of(account.number)
        return {
            "number": account.number,
            "lid": account.lid,
            "name": account.name,
            "banned": account.banned,
            "logins": len(account.logins),
            "chats": [
                {"id": chat.id, "name": chat.name, "unread": chat.unread, "messages": len(account.by_chat[chat.id])}
                for chat in account.chats.values()
            ],
            "pages": [page.as_dict() for page in pages],
        }

    def _unlink(self, request: web.Request, body: Body) -> Answer:
        reason = body.get("reason", "user_initiated")
        if reason not in REASONS:
            raise Problem(422, "bad_reason", f"reason must be one of {', '.join(REASONS)}")
        return 200, {"unlinked": self._pairing.end(self._get(request), reason)}

    def _ban(self, request: web.Request, _body: Body) -> Answer:
        account = self._get(request)
        account.banned = True
        account.save()
        for page in self._world.pages.of(account.number):
            page.tell("banned")
        return 200, {"unlinked": self._pairing.end(account, "account_locked")}

    def _unban(self, request: web.Request, _body: Body) -> Answer:
        account = self._get(request)
        account.banned = False
        account.save()
        return 200, self._shown(account)

    def _second_login(self, request: web.Request, _body: Body) -> Answer:
        """Open the same login elsewhere: the account's pages see CONFLICT until they take over."""
        pages = self._world.pages.of(self._get(request).number)
        for page in pages:
            page.account = page.login = None
            page.tell("conflict")
        return 200, {"pages": [page.id for page in pages]}

    # -- what others do ------------------------------------------------

    def _incoming(self, request: web.Request, body: Body) -> Answer:
        account = self._get(request)
        if "messages" not in body:
            return 201, self._inbound.message(account, body).as_dict()
        if not isinstance(body["messages"], list) or not all(isinstance(each, dict) for each in body["messages"]):
            raise Problem(422, "bad_message", "messages must be a list of messages")
        return 201, {"ids": [self._inbound.message(account, each).id for each in body["messages"]]}

    def _messages(self, request: web.Request, _body: Body) -> Answer:
        chat = request.query.get("chat")
        rows = [m.as_dict() for m in self._get(request).messages.values() if chat in {None, m.chat}]
        return 200, {"messages": rows}

    def _message(self, request: web.Request, _body: Body) -> Answer:
        return 200, find(self._get(request), request.match_info["id"]).as_dict()

    def _verbs(self) -> dict[str, Callable[[Account, str, Body], object]]:
        inbound = self._inbound
        return {
            "reaction": inbound.react,
            "edit": inbound.edit,
            "revoke": inbound.revoke,
            "ack": inbound.ack,
            "vote": inbound.vote,
            "decrypt": lambda account, message_id, _body: inbound.decrypt(account, message_id),
        }

    def _on_message(self, request: web.Request, body: Body) -> Answer:
        account, message_id = self._get(request), request.match_info["id"]
        self._verbs()[request.path.rsplit("/", 1)[1]](account, message_id, body)
        return 200, find(account, message_id).as_dict()

    def _group(self, request: web.Request, body: Body) -> Answer:
        return 201, {"id": self._inbound.group(self._get(request), body)}

    def _contact(self, request: web.Request, body: Body) -> Answer:
        return 201, {"id": self._inbound.contact(self._get(request), body)}

    def _presence(self, request: web.Request, body: Body) -> Answer:
        self._inbound.presence(self._get(request), body)
        return 200, {}

    # -- ledger ------------------------------------------------

    def _ledger(self, request: web.Request, _body: Body) -> Answer:
        query = request.query
        account, limit = query.get("account"), _number(query.get("limit", "20000"))
        rows = self._world.ledger.messages(account, _number(query.get("after", "0")), limit)
        return 200, {"messages": rows, "count": len(self._world.ledger.entries)}

    def _actions(self, request: web.Request, _body: Body) -> Answer:
        query = request.query
        after = _number(query.get("after", "0"))
        return 200, {"actions": self._world.ledger.acted(query.get("account"), query.get("kind"), after)}

    def _clear_ledger(self, _request: web.Request, _body: Body) -> Answer:
        self._world.ledger.clear()
        return 200, {}

    # -- faults ------------------------------------------------

    def _faults(self, _request: web.Request, _body: Body) -> Answer:
        kinds = {name: kind.does for name, kind in KINDS.items()}
        return 200, {"faults": [fault.as_dict() for fault in self._world.faults.rules.values()], "kinds": kinds}

    def _add_fault(self, _request: web.Request, body: Body) -> Answer:
        if body.get("kind") == "crash":
            raise Problem(422, "driver_needed", "a page cannot crash its tab: let the driver open chrome://crash in it")
        fault = self._world.faults.add(body)
        struck = [page.id for page in self._world.pages.linked() if self._conversation.push(fault, page)]
        return 201, {**fault.as_dict(), "pages": struck}

    def _clear_faults(self, _request: web.Request, _body: Body) -> Answer:
        for fault_id in list(self._world.faults.rules):
            self._clear(fault_id)
        return 200, {}

    def _clear_fault(self, request: web.Request, _body: Body) -> Answer:
        self._clear(request.match_info["id"])
        return 200, {}

    def _clear(self, fault_id: str) -> None:
        fault = self._world.faults.rules.pop(fault_id, None)
        if fault is None:
            raise Problem(404, "fault_unknown", f"there is no fault {fault_id!r}")
        self._conversation.cleared(fault)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Problem(422, "bad_query", f"not a number: {text!r}")
    return int(text)


def _route(method: str, path: str, act: Callable[[web.Request, Body], Answer]) -> web.RouteDef:
    async def handle(request: web.Request) -> web.Response:
        try:
            status, body = act(request, await _body(request))
        except Problem as problem:
            data = orjson.dumps(problem.as_dict())
            return web.Response(status=problem.status, body=data, content_type="application/problem+json")
        return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")

    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = handle
    return web.route(method, f"{PREFIX}{path}", handler)


async def _body(request: web.Request) -> Body:
    data = await request.read()
    if not data:
        return {}
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "not_json", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Problem(400, "not_an_object", "the body must be a JSON object")
    return body

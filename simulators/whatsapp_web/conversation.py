"""The talk between one page and the server over a WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import time
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.delivery import Delivery
from simulators.whatsapp_web.faults import KINDS, Fault
from simulators.whatsapp_web.outbound import Outbound
from simulators.whatsapp_web.pages import Page
from simulators.whatsapp_web.pairing import Pairing
from simulators.whatsapp_web.problems import Problem
from simulators.whatsapp_web.queries import Queries
from simulators.whatsapp_web.world import World

log = logging.getLogger(__name__)

Said = dict[str, Any]


class Conversation:
    """Understands what pages say and lets the parts act on it."""

    def __init__(
        self, world: World, pairing: Pairing, delivery: Delivery, outbound: Outbound, queries: Queries
    ) -> None:
        self._world = world
        self._pairing = pairing
        self._delivery = delivery
        self._outbound = outbound
        self._queries = queries
        self._own: dict[str, Callable[[Page, Said], None]] = {
            "hello": self._hello,
            "synced": lambda page, _said: delivery.synced(page),
            "got": self._got,
            "shown": self._shown,
            "refresh": self._refresh,
            "takeover": self._takeover,
            "logout": self._logout,
            "ask": self._ask,
        }

    async def hold(self, page: Page, link: web.WebSocketResponse) -> None:
        """Talk with a page until its link ends."""
        page.link = link
        try:
            async for message in link:
                if message.type == WSMsgType.TEXT:
                    self._hear(page, orjson.loads(message.data))
        finally:
            if page.link is link:
                page.link = None
                page.stop_refs()
                self._delivery.unlinked(page)

    def _hear(self, page: Page, said: Said) -> None:
        page.heard_at = time()
        op = said.get("op", "")
        try:
            if op in self._own:
                self._own[op](page, said)
            elif op in self._outbound.operations and page.account is not None:
                self._outbound.operations[op](page, page.account, said)
            else:
                log.warning("a page said %r and is not logged in, or the word is unknown", op)
        except (KeyError, TypeError, Problem) as error:
            log.warning("a page's %r could not be understood: %r", op, error)

    # -- login ------------------------------------------------

    def _hello(self, page: Page, said: Said) -> None:
        page.identity = said["identity"]
        if page.account is None and said.get("token"):
            self._recognise(page, said["token"])
        if page.account is not None and page.login is not None:
            account = page.account
            chats = self._queries.snapshot(account, page.login)
            page.tell("welcome", number=account.number, lid=account.lid, name=account.name, chats=chats)
        elif not said.get("token"):
            self._pairing.show_refs(page)
        for fault in list(self._world.faults.rules.values()):
            self.push(fault, page)

    def _recognise(self, page: Page, token: str) -> None:
        found = self._world.accounts.login(token)
        if found is None:
            page.tell("logout", reason="unknown_companion")
            return
        page.account, page.login = found
        for other in self._world.pages.of(page.account.number):
            if other is not page and other.login is page.login:
                other.account = other.login = None
                other.tell("conflict")

    def _takeover(self, page: Page, said: Said) -> None:
        for fault in self._world.faults.standing(page, "state"):
            if fault.args["state"] == "CONFLICT":
                fault.times = 0
        self._hello(page, said)

    def _refresh(self, page: Page, _said: Said) -> None:
        if page.account is None:
            self._pairing.show_refs(page)

    def _logout(self, page: Page, said: Said) -> None:
        if page.account is not None and page.login is not None:
            page.account.unlink(page.login.token)
            self._world.ledger.act(page.account.number, "logout", page.id, time(), reason=said.get("reason"))
            page.account = page.login = None

    def _got(self, page: Page, said: Said) -> None:
        if page.account is not None and page.login is not None:
            page.account.got(page.login, said["seq"])

    @staticmethod
    def _shown(page: Page, said: Said) -> None:
        page.shown = {name: said[name] for name in ("state", "synced", "mode") if name in said}

    # -- questions ------------------------------------------------

    def _ask(self, page: Page, said: Said) -> None:
        try:
            page.tell("answer", n=said["n"], value=self._answer(page, said))
        except Problem as problem:
            page.tell("answer", n=said["n"], error=problem.as_dict())

    def _answer(self, page: Page, said: Said) -> Any:
        if said["name"] == "pairing_code":
            return self._pairing.new_code(page, addresses.number(said["phone"]))
        query = self._queries.by_name.get(said["name"])
        if query is None or page.account is None:
            raise Problem(404, "unknown_query", f"no answer to {said['name']!r} here")
        return query(page, page.account, said)

    # -- faults ------------------------------------------------

    def push(self, fault: Fault, page: Page) -> bool:
        """Let a fault strike one page, if it is of a kind that pages are told of."""
        if not KINDS[fault.kind].pushed or fault.kind == "empty_ref" or not fault.fits(page) or page.link is None:
            return False
        self._world.faults.use(fault)
        if fault.kind == "drop":
            page.cut(fault.args["s"])
        else:
            page.tell("fault", kind=fault.kind, **fault.args)
        return True

    def cleared(self, fault: Fault) -> None:
        """Tell the pages that a condition is over."""
        if fault.kind in {"state", "stuck"}:
            for page in self._world.pages.linked():
                if fault.account in {None, page.number} and fault.page in {None, page.id}:
                    page.tell("fault", kind=fault.kind, over=True)

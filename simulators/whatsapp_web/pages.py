"""Pages: one per load in a browser tab, each with its link to the server."""

from __future__ import annotations

import asyncio
import secrets
from time import time
from typing import Any

import orjson
from aiohttp import web

from simulators.whatsapp_web.accounts import Account, Login


class Page:
    """One load of the page; ``link`` is its WebSocket while it has one."""

    def __init__(self, page_id: str, device: str) -> None:
        self.id = page_id
        self.device = device
        self.account: Account | None = None
        self.login: Login | None = None
        self.link: web.WebSocketResponse | None = None
        self.identity: dict[str, str] = {}
        self.ref = ""
        self.refs_shown = 0
        self.ref_timer: asyncio.Task[None] | None = None
        self.refused_until = 0.0
        self.opened_at = time()
        self.heard_at = self.opened_at
        self.shown: dict[str, Any] = {"state": "UNLAUNCHED", "synced": False}

    @property
    def number(self) -> str | None:
        """The account that is logged in on it."""
        return self.account.number if self.account else None

    def tell(self, op: str, **details: Any) -> None:
        """Send one message over the link; without a link it is lost."""
        self.pass_on({"op": op, **details})

    def pass_on(self, event: dict[str, Any]) -> None:
        """Send an account's event."""
        if self.link is not None and not self.link.closed:
            _keep(asyncio.ensure_future(_send(self.link, orjson.dumps(event).decode())))

    def cut(self, refuse_s: float) -> None:
        """Close the link and take no other for a while."""
        self.refused_until = time() + refuse_s
        if self.link is not None:
            _keep(asyncio.ensure_future(self.link.close()))

    def stop_refs(self) -> None:
        """Show no further QR codes."""
        self.ref = ""
        if self.ref_timer is not None:
            self.ref_timer.cancel()
            self.ref_timer = None

    def as_dict(self) -> dict[str, Any]:
        """Return what the control API shows."""
        return {
            "id": self.id,
            "device": self.device,
            "account": self.number,
            "linked": self.link is not None,
            "ref": self.ref,
            "opened_at": self.opened_at,
            "heard_at": self.heard_at,
            **self.shown,
        }


#: asyncio keeps only weak references to tasks.
_sending: set[asyncio.Future[None]] = set()


def _keep(task: asyncio.Future[Any]) -> None:
    _sending.add(task)
    task.add_done_callback(_sending.discard)


async def _send(link: web.WebSocketResponse, text: str) -> None:
    try:
        await link.send_str(text)
    except (ConnectionError, RuntimeError):
        # The page went away; what it misses it gets with its next link.
        return


class Pages:
    """Every page that has been opened lately, by id."""

    #: A page without a link is forgotten after so long.
    forget_s = 600.0

    def __init__(self) -> None:
        self.by_id: dict[str, Page] = {}

    def open(self, device: str, page_id: str = "") -> Page:
        """Make a page for a load; one that an earlier run of the simulator made keeps its id."""
        oldest = time() - self.forget_s
        gone = [p.id for p in self.by_id.values() if p.link is None and p.heard_at < oldest]
        for page_id in gone:
            self.by_id.pop(page_id).stop_refs()
        page = Page(page_id or f"p{secrets.token_hex(5)}", device)
        self.by_id[page.id] = page
        return page

    def of(self, number: str) -> list[Page]:
        """Return the account's pages that have a link, oldest first."""
        return [page for page in self.by_id.values() if page.number == number and page.link is not None]

    def linked(self) -> list[Page]:
        """Return every page that has a link."""
        return [page for page in self.by_id.values() if page.link is not None]

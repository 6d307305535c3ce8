"""The HTTP side: the page's files, its link, its media, and the control API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import time

import orjson
from aiohttp import web

from simulators.whatsapp_web.control import Control
from simulators.whatsapp_web.conversation import Conversation
from simulators.whatsapp_web.delivery import Delivery
from simulators.whatsapp_web.faults import Target
from simulators.whatsapp_web.inbound import Inbound
from simulators.whatsapp_web.media import PREFIX as MEDIA_PREFIX
from simulators.whatsapp_web.outbound import Outbound
from simulators.whatsapp_web.pages import Page
from simulators.whatsapp_web.pairing import Pairing
from simulators.whatsapp_web.people import People
from simulators.whatsapp_web.queries import Queries
from simulators.whatsapp_web.world import World

FILES = Path(__file__).with_name("page")
#: The page's scripts in the order in which they register their modules.
SCRIPTS = tuple(FILES.joinpath("scripts.txt").read_text().split())
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
#: Longer than any client's patience: what "never answers" means.
FOREVER_S = 3600.0
#: Larger than any file that a test sends.
MEDIA_MAX_BYTES = 256 * 1024 * 1024
#: A page's larger messages go as media; this is a bound against runaways.
MESSAGE_MAX_BYTES = 64 * 1024 * 1024


class Server:
    """One simulator as an aiohttp application."""

    def __init__(self, world: World) -> None:
        self._world = world
        people = People(world)
        delivery = Delivery(world, people)
        pairing = Pairing(world)
        outbound, queries = Outbound(world, people, delivery), Queries(world, people)
        self._conversation = Conversation(world, pairing, delivery, outbound, queries)
        self._control = Control(world, pairing, Inbound(world, people, delivery), self._conversation)
        self._script = {name: FILES.joinpath(name).read_bytes() for name in SCRIPTS}

    def application(self) -> web.Application:
        """Return the application; closing it ends every link."""
        app = web.Application(client_max_size=MEDIA_MAX_BYTES)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/page/{name}", self._file),
                web.get("/open", self._open),
                web.get("/link", self._link),
                web.post("/mms", self._upload),
                web.get(MEDIA_PREFIX + "{name}", self._download),
                *self._control.routes(),
            ]
        )
        app.on_shutdown.append(self._shutdown)
        return app

    async def _shutdown(self, _app: web.Application) -> None:
        for page in self._world.pages.by_id.values():
            page.stop_refs()
            if page.link is not None:
                await page.link.close()

    # -- the page ------------------------------------------------

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        if self._world.faults.take(None, "no_answer"):
            await asyncio.sleep(FOREVER_S)
        return web.Response(body=FILES.joinpath("index.html").read_bytes(), content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        body = self._script.get(name)
        if body is None and name in {"bootstrap.js", "page.css"}:
            body = FILES.joinpath(name).read_bytes()
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type=TYPES[Path(name).suffix])

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """Answer a page's first question: how it shall load."""
        page = self._world.pages.open(request.query.get("device", ""))
        found = self._world.accounts.login(request.query.get("token"))
        if found is not None:
            page.account, page.login = found
        faults = self._world.faults
        faults.opened(page)
        if faults.take(page, "no_answer"):
            await asyncio.sleep(FOREVER_S)
        if slow := faults.take(page, "slow_load"):
            await asyncio.sleep(slow.args["s"])
        removed = [
            name for rule in faults.standing(page, "remove_modules") for name in faults.use(rule).args["modules"]
        ]
        keys = faults.take(page, "keys")
        page.account = page.login = None
        settings = self._world.settings
        config = {
            "page": page.id,
            "keys": keys.args["keys"] if keys else settings.keys,
            "version": settings.version,
            "sync_ms": settings.sync_s * 1000,
            "removed": removed,
            "scripts": SCRIPTS,
        }
        return web.Response(body=orjson.dumps(config), content_type="application/json")

    async def _link(self, request: web.Request) -> web.StreamResponse:
        page_id = request.query.get("page", "")
        page = self._world.pages.by_id.get(page_id) or self._world.pages.open(request.query.get("device", ""), page_id)
        if page.refused_until > time():
            raise web.HTTPServiceUnavailable
        link = web.WebSocketResponse(heartbeat=30.0, compress=False, max_msg_size=MESSAGE_MAX_BYTES)
        await link.prepare(request)
        await self._conversation.hold(page, link)
        return link

    # -- media ------------------------------------------------

    def _target(self, request: web.Request) -> Target | None:
        page: Page | None = self._world.pages.by_id.get(request.query.get("page", ""))
        return page

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if fault := self._world.faults.take(self._target(request), "upload_error"):
            return web.Response(status=fault.args.get("status", 500))
        return web.Response(body=orjson.dumps(self._world.media.keep(body)), content_type="application/json")

    async def _download(self, request: web.Request) -> web.StreamResponse:
        body = self._world.media.get(request.path)
        if body is None or self._world.faults.take(self._target(request), "download_404"):
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="application/octet-stream")

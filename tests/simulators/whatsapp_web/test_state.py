"""The file: a simulator that starts anew knows logins, messages, ids and what devices have."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx

from tests.simulators.whatsapp_web.support import BarePage, Web, running

ACCOUNT = "491701234567"
HOME = f"/accounts/{ACCOUNT}"
CHAT = "4915112340001@c.us"


async def first(web: Web) -> tuple[str, str]:
    async with BarePage(web) as page:
        await page.pair(ACCOUNT)
        await page.send("3EB0AA", "one")
        await page.say("react", id="3EB0R1", target="3EB0AA", text="👍", t=1)
        await page.hear("ack")
        assert page.token is not None
        return page.token, await page.upload(b"a file")


async def second(web: Web, token: str) -> None:
    async with BarePage(web, token) as page:
        welcome = await page.hear("welcome")
        assert welcome["number"] == ACCOUNT
        assert [m["id"] for m in welcome["chats"][0]["messages"]] == ["3EB0AA"]
        await page.say("synced")
        assert (await page.hear("message"))["m"]["body"] == "while it was away"
        assert (await page.send("3EB0AA", "one"))["ack"] >= 1
        await page.say("react", id="3EB0R1", target="3EB0AA", text="👍", t=1)
        await page.hear("ack")


def test_a_killed_simulator_comes_back_as_it_was(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.db"))
    with running(tmp_path, *state) as web:
        web.control("PATCH", "/settings", {"delivered": False})
        token, path = asyncio.run(first(web))
        web.control("POST", f"{HOME}/messages", {"from": CHAT, "text": "while it was away", "id": "AWAY"})
        web.control("POST", f"{HOME}/contacts", {"address": CHAT, "name": "Anna"})
        before = [web.control("GET", each) for each in ("/ledger", "/actions", f"{HOME}/messages")]
        web.process.kill()
        web.process.wait()
    with running(tmp_path, *state) as web:
        assert [web.control("GET", each) for each in ("/ledger", "/actions", f"{HOME}/messages")] == before
        assert web.control("GET", HOME)["chats"][0]["name"] == "Anna"
        assert hashlib.sha256(httpx.get(f"{web.base}{path}").content).digest() == hashlib.sha256(b"a file").digest()
        asyncio.run(second(web, token))
        assert [row["copies"] for row in web.control("GET", "/ledger")["messages"]] == [2]
        assert len(web.control("GET", "/actions?kind=reaction")["actions"]) == 1
        assert len(web.control("GET", f"{HOME}/messages")["messages"]) == 2


def test_an_unlinked_device_stays_unlinked(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.db"))
    with running(tmp_path, *state) as web:
        token, _path = asyncio.run(first(web))
        web.control("POST", f"{HOME}/unlink")

    async def refused(web: Web) -> None:
        async with BarePage(web, token) as page:
            assert (await page.hear("logout"))["reason"] == "unknown_companion"

    with running(tmp_path, *state) as web:
        asyncio.run(refused(web))

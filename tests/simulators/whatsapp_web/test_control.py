"""The control API: what it refuses and how it says so; logins and the ledger without a browser."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import httpx
import pytest

from tests.fixtures.eventually import eventually
from tests.simulators.whatsapp_web.support import ANSWER_S, BarePage, Web

ACCOUNT = "491701234567"
HOME = f"/accounts/{ACCOUNT}"
CHAT = "4915112340001@c.us"


def paired(web: Web) -> None:
    """Make the account known: it begins with its first scan."""

    async def act() -> None:
        async with BarePage(web) as page:
            await page.pair(ACCOUNT)

    asyncio.run(act())


BAD: list[tuple[str, str, Any, int, str]] = [
    ("PATCH", "/settings", {"colour": "red"}, 422, "unknown_setting"),
    ("PATCH", "/settings", {"sync_s": "long"}, 422, "bad_setting"),
    ("PATCH", "/settings", {"sync_s": -1}, 422, "bad_setting"),
    ("PATCH", "/settings", {"keys": "newest"}, 422, "bad_setting"),
    ("PATCH", "/settings", b"{", 400, "not_json"),
    ("PATCH", "/settings", b"[]", 400, "not_an_object"),
    ("POST", "/scan", {"qr": "a,b", "account": ACCOUNT}, 422, "bad_qr"),
    ("POST", "/scan", {"qr": "2@x,a,b,c", "account": ACCOUNT}, 404, "ref_unknown"),
    ("POST", "/scan", {"qr": ",a,b,c", "account": ACCOUNT}, 404, "ref_unknown"),
    ("POST", "/scan", {"qr": "2@x,a,b,c", "account": "me"}, 422, "bad_number"),
    ("POST", "/pairing-code", {"code": "ABCD1234", "account": ACCOUNT}, 404, "code_unknown"),
    ("GET", "/accounts/123456", None, 404, "account_unknown"),
    ("GET", "/accounts/nobody", None, 422, "bad_number"),
    ("PATCH", HOME, {"number": "1"}, 422, "bad_account"),
    ("POST", f"{HOME}/unlink", {"reason": "boredom"}, 422, "bad_reason"),
    ("POST", f"{HOME}/messages", {"text": "hi"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": CHAT}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": "x@y", "text": "hi"}, 422, "bad_address"),
    ("POST", f"{HOME}/messages", {"from": "1203630001@g.us", "text": "hi"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "type": "telegram"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "type": "image"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "type": "image", "media": {"base64": "?"}}, 422, "bad_media"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "type": "location", "lat": 1}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "type": "poll_creation", "text": "?"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "text": "hi", "id": "no spaces"}, 422, "bad_id"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "text": "hi", "quoted": "F00"}, 404, "message_unknown"),
    ("POST", f"{HOME}/messages", {"from": CHAT, "text": "hi", "decrypt_s": "soon"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages", {"messages": "many"}, 422, "bad_message"),
    ("POST", f"{HOME}/messages/F00/edit", {"text": "x"}, 404, "message_unknown"),
    ("POST", f"{HOME}/messages/KNOWN/edit", {}, 422, "bad_edit"),
    ("POST", f"{HOME}/messages/KNOWN/reaction", {"from": CHAT}, 422, "bad_reaction"),
    ("POST", f"{HOME}/messages/KNOWN/ack", {"ack": "eaten"}, 422, "bad_ack"),
    ("POST", f"{HOME}/messages/KNOWN/vote", {"from": CHAT, "options": ["a"]}, 422, "bad_vote"),
    ("POST", f"{HOME}/presence", {"from": CHAT, "state": "asleep"}, 422, "bad_presence"),
    ("POST", f"{HOME}/groups", {"id": CHAT}, 422, "bad_group"),
    ("POST", f"{HOME}/contacts", {"address": CHAT}, 422, "bad_contact"),
    ("GET", "/ledger?after=-1", None, 422, "bad_query"),
    ("POST", "/faults", {"kind": "earthquake"}, 422, "unknown_fault"),
    ("POST", "/faults", {"kind": "crash"}, 422, "driver_needed"),
    ("POST", "/faults", {"kind": "state"}, 422, "bad_fault"),
    ("POST", "/faults", {"kind": "state", "state": "ASLEEP"}, 422, "bad_fault"),
    ("POST", "/faults", {"kind": "drop", "s": "long"}, 422, "bad_fault"),
    ("POST", "/faults", {"kind": "stuck", "depth": 3}, 422, "bad_fault"),
    ("POST", "/faults", {"kind": "stuck", "times": 0}, 422, "bad_fault"),
    ("POST", "/faults", {"kind": "stuck", "account": ACCOUNT, "page": "p1"}, 422, "bad_fault"),
    ("POST", "/faults", {"kind": "no_lid", "address": "x@y"}, 422, "bad_address"),
    ("POST", "/faults", {"kind": "remove_modules", "modules": [1]}, 422, "bad_fault"),
    ("DELETE", "/faults/f99", None, 404, "fault_unknown"),
]


def test_bad_input_is_answered_with_a_problem_and_changes_nothing(web: Web) -> None:
    paired(web)
    web.control("POST", f"{HOME}/messages", {"from": CHAT, "text": "hi", "id": "KNOWN"})
    before = [web.control("GET", path) for path in ("/settings", "/faults", f"{HOME}/messages", "/ledger", "/actions")]
    for method, path, body, status, code in BAD:
        answer = web.ask(method, path, body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), (method, path, body, problem)
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert problem["detail"]
        assert problem["status"] == status
    after = [web.control("GET", path) for path in ("/settings", "/faults", f"{HOME}/messages", "/ledger", "/actions")]
    assert after == before


def test_a_taken_id_is_refused(web: Web) -> None:
    paired(web)
    web.control("POST", f"{HOME}/messages", {"from": CHAT, "text": "hi", "id": "KNOWN"})
    assert web.ask("POST", f"{HOME}/messages", {"from": CHAT, "text": "ho", "id": "KNOWN"}).status_code == 409


def test_scans_of_wrong_old_and_foreign_codes_are_refused(web: Web) -> None:
    async def act() -> None:
        web.control("PATCH", "/settings", {"ref_lifetime_s": 0.05})
        async with BarePage(web) as page:
            old = await page.qr()
            await page.qr()  # its successor: from now on it is an old one
            web.control("PATCH", "/settings", {"ref_lifetime_s": 60.0})
            assert web.ask("POST", "/scan", {"qr": old, "account": ACCOUNT}).json()["code"] == "ref_expired"
            fresh = await page.qr()
            while (code := scanned(web, of_another(fresh))) == "ref_expired":  # still one of the short-lived kind
                fresh = await page.qr()
            assert code == "qr_mismatch"
            web.control("POST", "/scan", {"qr": fresh, "account": ACCOUNT})
            assert web.ask("POST", "/scan", {"qr": fresh, "account": ACCOUNT}).json()["code"] == "ref_expired"

    asyncio.run(act())


def of_another(qr: str) -> str:
    """The same ref with another page's key."""
    ref, _noise, *rest = qr.split(",")
    return ",".join([ref, "b3RoZXI=", *rest])


def scanned(web: Web, qr: str) -> str:
    """The code of the problem that a scan meets."""
    return str(web.ask("POST", "/scan", {"qr": qr, "account": ACCOUNT}).json()["code"])


def test_an_account_has_a_bounded_number_of_logins(web: Web) -> None:
    web.control("PATCH", "/settings", {"logins_max": 1})
    paired(web)

    async def again() -> None:
        async with BarePage(web) as page:
            answer = web.ask("POST", "/scan", {"qr": await page.qr(), "account": ACCOUNT})
            assert answer.json()["code"] == "too_many_logins"

    asyncio.run(again())


def test_a_pairing_code_is_for_one_number(web: Web) -> None:
    async def act() -> None:
        async with BarePage(web) as page:
            await page.say("ask", n=1, name="pairing_code", phone=ACCOUNT)
            code = (await page.hear("answer"))["value"]
            assert [each["pairing_code"] for each in web.control("GET", "/pages")["pages"]] == [code]
            wrong = web.ask("POST", "/pairing-code", {"code": code, "account": "4917000"})
            assert wrong.json()["code"] == "code_mismatch"
            web.control("POST", "/pairing-code", {"code": f"{code[:4]}-{code[4:].lower()}", "account": ACCOUNT})
            assert (await page.hear("paired"))["number"] == ACCOUNT

    asyncio.run(act())


def test_an_id_that_comes_twice_is_a_copy(web: Web) -> None:
    async def act() -> None:
        async with BarePage(web) as page:
            await page.pair(ACCOUNT)
            for body in ("one", "one", "other"):
                assert (await page.send("3EB0AA", body))["ack"] == 1
            await page.send("3EB0BB", "two")

    asyncio.run(act())
    rows = web.control("GET", f"/ledger?account={ACCOUNT}")["messages"]
    assert [(row["id"], row["body"], row["copies"], row["different"]) for row in rows] == [
        ("3EB0AA", "one", 3, True),
        ("3EB0BB", "two", 1, False),
    ]
    assert len(web.control("GET", f"{HOME}/messages")["messages"]) == 2


def test_a_page_gets_what_it_missed_once_and_in_order(web: Web) -> None:
    async def act() -> None:
        async with BarePage(web) as page:
            await page.pair(ACCOUNT)
        eventually(lambda: not web.control("GET", HOME)["pages"], ANSWER_S, "the page is gone")
        texts = [f"message {number}" for number in range(30)]
        web.control("POST", f"{HOME}/messages", {"messages": [{"from": CHAT, "text": text} for text in texts]})
        async with BarePage(web, page.token) as again:
            assert (await again.hear("welcome"))["chats"][0]["messages"] == []
            await again.say("synced")
            heard = [await again.hear("message") for _ in texts]
            assert [event["m"]["body"] for event in heard] == texts
            await again.say("got", seq=heard[-1]["seq"])
            await again.send("3EB0CC", "done")
        async with BarePage(web, page.token) as third:
            await third.hear("welcome")
            await third.say("synced")
            await third.send("3EB0DD", "nothing new")
            assert [said["op"] for said in third.said if said["op"] == "message"] == []

    asyncio.run(act())


def test_one_server_carries_twenty_pages(web: Web) -> None:
    async def one(number: int) -> None:
        async with BarePage(web) as page:
            await page.pair(f"4917000000{number:02}")
            for count in range(20):
                assert (await page.send(f"3EB0{number:02}{count:02}", "x"))["ack"] == 1

    async def act() -> None:
        await asyncio.gather(*[one(number) for number in range(20)])

    asyncio.run(act())
    rows = web.control("GET", "/ledger")["messages"]
    assert len(rows) == 400
    assert {row["copies"] for row in rows} == {1}
    assert len(web.control("GET", "/accounts")["accounts"]) == 20


def opening(web: Web) -> dict[str, Any]:
    """Return how the next load of the page shall be."""
    answer: dict[str, Any] = httpx.get(f"{web.base}/open", timeout=ANSWER_S).json()
    return answer


def test_a_fault_for_the_next_page_is_bound_to_it(web: Web) -> None:
    fault = web.control("POST", "/faults", {"kind": "keys", "keys": "old", "next_page": True})
    first, second = opening(web), opening(web)
    assert (first["keys"], second["keys"]) == ("old", "new")
    assert web.control("GET", "/faults")["faults"][0]["page"] == first["page"]
    web.control("DELETE", f"/faults/{fault['id']}")
    assert web.control("GET", "/faults")["faults"] == []


def test_a_fault_strikes_as_often_as_it_says(web: Web) -> None:
    web.control("POST", "/faults", {"kind": "remove_modules", "modules": ["WAWebCmd"], "times": 2})
    assert [opening(web)["removed"] for _ in range(3)] == [["WAWebCmd"], ["WAWebCmd"], []]
    assert web.control("GET", "/faults")["faults"][0]["struck"] == 2


def test_a_fault_of_one_account_leaves_the_others_alone(web: Web) -> None:
    async def act() -> None:
        async with BarePage(web) as one, BarePage(web) as other:
            await one.pair(ACCOUNT)
            await other.pair("4917000001")
            web.control("POST", "/faults", {"kind": "refuse", "account": ACCOUNT})
            assert (await one.send("3EB0AA", "no"))["ack"] == -1
            assert (await other.send("3EB0BB", "yes"))["ack"] == 1

    asyncio.run(act())


def test_a_dropped_link_is_refused_for_a_while(web: Web) -> None:
    async def act() -> None:
        async with BarePage(web) as page:
            await page.pair(ACCOUNT)
            struck = web.control("POST", "/faults", {"kind": "drop", "account": ACCOUNT, "s": 60.0})
            assert struck["pages"] == [page.id]
            await page.closed()
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await page.connect()

    asyncio.run(act())

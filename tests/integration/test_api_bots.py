"""Phones with a session through the API: QR, pairing, logout, restart, in the new form and in the legacy server's."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from bisnes_core.phone import Lane
from bisnes_core.session import PhoneState
from db.session_locks import key_of
from tests.fixtures.api import Api, Company, running_api
from tests.fixtures.eventually import eventually
from tests.fixtures.services import places_of, running
from tests.fixtures.session_channel import NAME, SessionFolder, install_session_channel
from tests.fixtures.stores import Stores

QR = "2@aBcDeF0123456789,key,identity,secret"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install_session_channel(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def api(stores: Stores, channel: dict[str, str]) -> Iterator[Api]:
    """One API process that knows the channel; four of its threads may wait."""
    with running_api(stores.settings, environment=channel | {"BISNES_API_THREADS": "8"}) as running_:
        yield running_


@pytest.fixture(scope="module")
def worker(
    stores: Stores, channel: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[bytes]]:
    """Its worker."""
    command = [sys.executable, "-m", "bisnes_workers", "channel", NAME]
    home = tmp_path_factory.mktemp("worker")
    with running(command, home, places_of(stores.settings) | channel) as process:
        yield process


class Bot:
    """A company whose phone 0 holds a session."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.path = f"/api/v2/phones/{company.id}/0"
        self.folder = SessionFolder(company.api.settings, Lane(company.id, 0))

    def session(self) -> dict[str, Any]:
        """How it stands."""
        answer: dict[str, Any] = self.company.ask("GET", f"{self.path}/session").json()["session"]
        return answer

    def until(self, state: PhoneState) -> None:
        """Waits for a state."""
        eventually(lambda: self.session()["state"] == state, 20, f"{self.path} to be {state}")

    def stands(self, state: PhoneState, **news: str) -> None:
        """Brings it into a state."""
        self.folder.show(state, **news)
        self.until(state)

    def asked(self) -> list[str]:
        """What its session was asked."""
        return [line["ask"] for line in self.folder.diary("asked")]

    def until_asked(self, *asks: str) -> None:
        """Waits for what reaches its session."""
        eventually(lambda: self.asked() == list(asks), 20, f"{asks} to reach the session")


@pytest.fixture
def bot(api: Api, worker: subprocess.Popen[bytes]) -> Bot:
    company = api.company()
    api.sql("DELETE FROM phone_configs WHERE company_id = %s", company.id)
    added = company.ask("POST", f"/api/v2/phones/{company.id}", json={"connectionType": NAME, "phoneIndex": 0})
    assert added.status_code == 201
    assert added.json()["phone"]["status"] == "initializing"
    bot = Bot(company)
    bot.until(PhoneState.READY)
    return bot


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# -- QR ---------------------------------------------------------------------------------------------------------------
def test_a_qr_is_had_as_text_and_as_a_picture_and_never_cached(bot: Bot) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    path = f"{bot.path}/qr"
    text = bot.company.ask("GET", path)
    assert (text.text, text.headers["Content-Type"]) == (QR, "text/plain")
    for answer in (
        bot.company.ask("GET", path, headers={"Accept": "image/png"}),
        bot.company.ask("GET", path, params={"format": "png"}, headers={"Accept": "text/plain"}),
    ):
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
    svg = bot.company.ask("GET", path, headers={"Accept": "image/svg+xml, image/png;q=0.5"})
    assert (svg.headers["Content-Type"], b"<svg" in svg.content) == ("image/svg+xml", True)
    for answer in (text, svg):
        assert answer.headers["Cache-Control"] == "no-store"


def test_without_a_qr_the_state_is_answered_and_nothing_may_cache_it(bot: Bot) -> None:
    answer = bot.company.ask("GET", f"{bot.path}/qr")
    assert code(answer) == (404, "no_qr")
    assert answer.json()["phoneStatus"] == "ready"
    assert answer.headers["Cache-Control"] == "no-store"
    assert bot.asked() == [], "a phone that is ready needs no QR"


def test_whoever_looks_for_a_qr_makes_the_phone_show_one_and_is_seen(bot: Bot) -> None:
    bot.stands(PhoneState.NEEDS_QR, detail="Nobody scanned it in time.")
    answer = bot.company.ask("GET", f"{bot.path}/qr")
    assert (answer.json()["phoneStatus"], answer.json()["phoneDetail"]) == ("needs_qr", "Nobody scanned it in time.")
    bot.until_asked("qr")

    def watched() -> bool:
        bot.folder.order("watched")
        notes = eventually(lambda: bot.folder.diary("watched"), 10, "an answer")
        return bool(notes[-1]["watched"])

    eventually(watched, 10, "the session to know that somebody looks")


def test_a_qr_is_shown_while_it_is_current_only(bot: Bot, api: Api) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    api.sql("UPDATE phone_status SET updated_at = now() - interval '5 minutes' WHERE company_id = %s", bot.company.id)
    assert code(bot.company.ask("GET", f"{bot.path}/qr")) == (404, "no_qr")
    assert bot.company.ask("GET", f"/api/bot-status/{bot.company.id}").json()["qrCode"] is None
    bot.stands(PhoneState.READY)
    assert api.sql("SELECT metadata FROM phone_status WHERE company_id = %s", bot.company.id) == [({},)]


@pytest.mark.parametrize("scope", ["send", "read"])
def test_no_secret_is_answered_to_a_key_without_the_scope(bot: Bot, api: Api, scope: str) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    key = api.company(scope)
    api.sql("UPDATE api_keys SET company_id = %s WHERE company_id = %s", bot.company.id, key.id)
    stranger = Company(api, bot.company.id, key.key)
    for path in (f"{bot.path}/qr", f"{bot.path}/session", *legacy_paths(bot)):
        answer = stranger.ask("GET", path)
        assert code(answer) == (403, "scope_missing")
        assert QR not in answer.text
    other = api.company()
    assert code(other.ask("GET", f"{bot.path}/qr")) == (404, "company_not_found")


def legacy_paths(bot: Bot) -> tuple[str, str]:
    return f"/api/bot-status/{bot.company.id}", f"/api/phone-status/{bot.company.id}"


# -- pairing, logout, restart -------------------------------------------------------------------------------------
def test_pairing_answers_the_code_of_this_request(bot: Bot) -> None:
    first = bot.company.ask("POST", f"{bot.path}/pair", json={"phoneNumber": "+60 12-345 1111"})
    assert (first.status_code, first.json()["pairingCode"]) == (200, "CODE1111")
    assert bot.session()["pairingCode"] == "CODE1111"
    again = bot.company.ask("POST", f"{bot.path}/pair", json={"phoneNumber": "60123452222"})
    assert again.json()["pairingCode"] == "CODE2222"
    assert again.headers["Cache-Control"] == "no-store"
    assert bot.folder.diary("asked")[0]["phone_number"] == "60123451111"


@contextmanager
def nobody_holds(*companies: Company) -> Iterator[None]:
    """Their phone 0 is of the channel, but its session cannot be opened: another has its lock."""
    api = companies[0].api
    with psycopg.connect(api.settings.database_conninfo, autocommit=True) as rival:
        for company in companies:
            rival.execute("SELECT pg_advisory_lock(%s)", (key_of(Lane(company.id, 0)),))
            api.sql("UPDATE phone_configs SET process_name = %s WHERE company_id = %s", NAME, company.id)
        yield
    for company in companies:
        api.sql("DELETE FROM phone_configs WHERE company_id = %s", company.id)


def test_a_code_that_does_not_come_is_waited_for_ten_seconds(api: Api) -> None:
    company = api.company()
    with nobody_holds(company):
        began = time.monotonic()
        answer = company.ask("POST", f"/api/v2/phones/{company.id}/0/pair", json={"phoneNumber": "60123456789"})
        assert code(answer) == (504, "no_pairing_code")
        assert 9 < time.monotonic() - began < 20


def test_callers_who_wait_for_codes_do_not_starve_others(api: Api) -> None:
    companies = [api.company() for _ in range(4)]
    with nobody_holds(*companies), ThreadPoolExecutor(16) as callers:
        waiting = [
            callers.submit(
                company.ask, "POST", f"/api/request-pairing-code/{company.id}", json={"phoneNumber": "60123456789"}
            )
            for company in companies
            for _ in range(4)
        ]
        eventually(lambda: sum(one.done() for one in waiting) >= 12, 8, "those without a place to be answered at once")
        began = time.monotonic()
        sender = api.company()
        assert sender.send().status_code == 202
        assert time.monotonic() - began < 3
        assert {code(one.result()) for one in waiting} == {(504, "no_pairing_code")}


@pytest.mark.parametrize("ask", ["logout", "restart"])
def test_what_is_asked_reaches_the_session_once_per_key(bot: Bot, ask: str) -> None:
    answers = [bot.company.ask("POST", f"{bot.path}/{ask}", headers={"Idempotency-Key": ask}) for _ in range(2)]
    for answer in answers:
        assert (answer.status_code, answer.json()) == (202, {"success": True, "state": "ready"})
        assert answer.headers["Location"] == f"{bot.path}/session"
    bot.until_asked(ask)
    repeat = bot.company.ask("POST", f"{bot.path}/{ask}", headers={"Idempotency-Key": ask})
    assert repeat.status_code == 202
    assert bot.company.count("session_requests") == 1


def test_a_session_says_how_it_stands(bot: Bot) -> None:
    bot.stands(PhoneState.RESTRICTED, detail="Cold sends are held.", build="2.3000.7", phone_number="60129998888")
    session = bot.session()
    assert session.pop("since")
    assert session == {
        "companyId": bot.company.id,
        "phoneIndex": 0,
        "channel": NAME,
        "state": "restricted",
        "detail": "Cold sends are held.",
        "build": "2.3000.7",
        "phoneNumber": "60129998888",
        "pairingCode": None,
        "restrictedUntil": None,
    }


def test_a_message_to_a_phone_that_needs_a_person_says_so(bot: Bot) -> None:
    bot.stands(PhoneState.NEEDS_QR)
    assert eventually(lambda: bot.company.send().json().get("phoneStatus"), 10, "the state") == "needs_qr"
    refused = bot.company.send(headers={"Prefer": "wait=5"})
    assert code(refused) == (409, "phone_not_connected")


Ask = Callable[[Company, str], Any]

#: What a phone of a webhook channel, or no phone at all, answers.
ASKS: dict[str, Ask] = {
    "session": lambda company, path: company.ask("GET", f"{path}/session"),
    "qr": lambda company, path: company.ask("GET", f"{path}/qr"),
    "pair": lambda company, path: company.ask("POST", f"{path}/pair", json={"phoneNumber": "60123456789"}),
    "logout": lambda company, path: company.ask("POST", f"{path}/logout"),
    "restart": lambda company, path: company.ask("POST", f"{path}/restart"),
}


@pytest.mark.parametrize("ask", ASKS)
def test_phones_without_a_session_have_none(api: Api, ask: str) -> None:
    company = api.company()
    path = f"/api/v2/phones/{company.id}"
    assert code(ASKS[ask](company, f"{path}/0")) == (409, "no_session")
    assert code(ASKS[ask](company, f"{path}/7")) == (404, "phone_not_found")
    assert code(ASKS[ask](company, f"{path}/{quote('²')}")) == (404, "phone_not_found")


BAD: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/api/v2/phones/{}/0/pair", {"json": {}}, "phoneNumber"),
    ("POST", "/api/v2/phones/{}/0/pair", {"json": {"phoneNumber": "12"}}, "phoneNumber"),
    ("POST", "/api/v2/phones/{}/0/pair", {"json": {"phoneNumber": "1" * 16}}, "phoneNumber"),
    ("POST", "/api/v2/phones/{}/0/pair", {"json": {"phoneNumber": True}}, "phoneNumber"),
    ("POST", "/api/v2/phones/{}/0/pair", {"json": {"phoneNumber": ["60123456789"]}}, "phoneNumber"),
    ("POST", "/api/v2/phones/{}/0/logout", {"headers": {"Idempotency-Key": ""}}, "Idempotency-Key"),
    ("GET", "/api/v2/phones/{}/0/qr", {"params": {"format": "gif"}}, "format"),
    ("POST", "/api/request-pairing-code/{}", {"json": {"phoneIndex": 0}}, "phoneNumber"),
    ("POST", "/api/request-pairing-code/{}", {"json": {"phoneNumber": "60123456789", "phoneIndex": -1}}, "phoneIndex"),
    ("POST", "/api/bots/reinitialize", {"json": {}}, "botName"),
    ("POST", "/api/bots/{}/disconnect", {"json": {"phoneIndex": "x"}}, "phoneIndex"),
    ("POST", "/api/bots/{}/disconnect", {"json": {"phoneIndex": 2**31}}, "phoneIndex"),
]


@pytest.mark.parametrize(("method", "path", "request_", "field"), BAD)
def test_bad_input_names_its_field(
    company: Company, method: str, path: str, request_: dict[str, Any], field: str
) -> None:
    answer = company.ask(method, path.format(company.id), **request_)
    assert code(answer) == (422, "invalid_field")
    assert answer.json()["field"] == field


# -- as the legacy server -----------------------------------------------------------------------------------------
def test_bot_status_of_one_phone_is_flat(bot: Bot, api: Api) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    status = bot.company.ask("GET", f"/api/bot-status/{bot.company.id}")
    assert status.headers["Cache-Control"] == "no-store"
    body = status.json()
    assert body.pop("qrCode").startswith("data:image/png;base64,")
    assert body == {
        "companyId": bot.company.id,
        "v2": True,
        "trialEndDate": None,
        "apiUrl": api.url,
        "phoneCount": 1,
        "phoneIndex": 0,
        "status": "qr",
        "phoneInfo": None,
        "connectionType": NAME,
    }


def test_bot_status_of_several_phones_lists_them_whatever_their_channel(bot: Bot) -> None:
    company = bot.company
    company.ask("POST", f"/api/v2/phones/{company.id}", json={"connectionType": "loopback"})
    body = company.ask("GET", f"/api/bot-status/{company.id}").json()
    assert "status" not in body
    assert body["phoneCount"] == 2
    assert [(p["phoneIndex"], p["status"], p["connectionType"]) for p in body["phones"]] == [
        (0, "ready", NAME),
        (1, "ready", "loopback"),
    ]


def test_phone_status_lists_what_phones_said_last(bot: Bot) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    (row,) = bot.company.ask("GET", f"/api/phone-status/{bot.company.id}").json()
    assert (row["phone_number"], row["status"]) == ("phone_0", "qr")
    assert row["metadata"]["qrCode"].startswith("data:image/png;base64,")
    assert row["last_seen"]
    assert row["updated_at"]
    bot.stands(PhoneState.READY, phone_number="60123456789")
    (row,) = bot.company.ask("GET", f"/api/phone-status/{bot.company.id}").json()
    assert (row["phone_number"], row["metadata"]) == ("60123456789", None)


def test_reinitialize_opens_anew_or_asks_for_a_qr(bot: Bot) -> None:
    company = bot.company
    answer = company.ask("POST", "/api/bots/reinitialize", json={"botName": company.id, "phoneIndex": 0})
    assert answer.json() == {
        "success": True,
        "message": "Reinitialization started for Phone 1",
        "phoneCount": 1,
        "phoneIndex": 0,
    }
    bot.until_asked("restart")
    bot.stands(PhoneState.NEEDS_QR)
    answer = company.ask("POST", "/api/bots/reinitialize", json={"botName": company.id})
    assert answer.json()["message"] == "Reinitialization started for Bot"
    bot.until_asked("restart", "qr")
    stranger = company.api.company()
    assert code(stranger.ask("POST", "/api/bots/reinitialize", json={"botName": company.id})) == (
        404,
        "company_not_found",
    )


def test_disconnect_logs_out_and_asks_for_a_new_qr(bot: Bot) -> None:
    company = bot.company
    answer = company.ask("POST", f"/api/bots/{company.id}/disconnect", json={"phoneIndex": "0"})
    assert (answer.status_code, answer.json()["phoneIndex"]) == (200, 0)
    bot.until_asked("logout", "qr")
    assert company.ask("POST", f"/api/bots/{company.id}/disconnect").json()["success"]
    bot.until_asked("logout", "qr", "logout", "qr")
    assert code(company.ask("POST", f"/api/bots/{company.id}/disconnect", json={"phoneIndex": 5})) == (
        404,
        "phone_not_found",
    )


def test_a_pairing_code_is_had_as_from_the_legacy_server(bot: Bot) -> None:
    body = {"phoneNumber": "+60 12-345 6789", "phoneIndex": "0"}
    answer = bot.company.ask("POST", f"/api/request-pairing-code/{bot.company.id}", json=body)
    assert (answer.status_code, answer.json()["success"], answer.json()["pairingCode"]) == (200, True, "CODE6789")


def test_a_removed_phone_leaves_no_state_behind(bot: Bot, api: Api) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    assert bot.company.ask("DELETE", bot.path).status_code == 200
    eventually(lambda: bot.folder.diary("closed"), 20, "its session to end")
    assert bot.company.count("phone_status") == 0
    assert bot.company.ask("GET", f"/api/phone-status/{bot.company.id}").json() == []


def test_no_qr_is_in_any_log(worker: subprocess.Popen[bytes], bot: Bot) -> None:
    bot.stands(PhoneState.QR, qr=QR)
    log = Path(f"/proc/{worker.pid}/fd/1").resolve().read_bytes()
    assert b"'state'" in log or b'"state"' in log
    assert QR.encode() not in log

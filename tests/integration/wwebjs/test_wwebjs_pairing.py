"""How a phone is paired and parted, and that its state says what is so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from bisnes_core.errors import AuthRequired, SessionLost
from bisnes_core.message import Kind
from bisnes_core.session import Ask, PhoneState, Request
from plugins.wwebjs.adapter import starts_at_once
from tests.fixtures.eventually import eventually
from tests.fixtures.whatsapp_web import READY_S, SOON_S, Channel, Listening, WhatsApp

CHAT = "60122222222@c.us"


@pytest.fixture
def channel(whatsapp: WhatsApp, tmp_path: Path) -> Iterator[Channel]:
    made = Channel(whatsapp, tmp_path, wwebjs_qr_idle_s=1.0, wwebjs_probe_s=1.0)
    yield made
    made.close()


def ended(phone: Listening) -> None:
    assert phone.ended.wait(READY_S)
    assert phone.future.exception() is None


def begin_again(phone: Listening) -> None:
    """Asks for another browser and waits for it; states do not tell: a new series of codes begins with the same one."""
    old = set(phone.processes())
    phone.ask(Request(Ask.RESTART))
    eventually(lambda: (new := set(phone.processes())) and not new & old, READY_S, "another browser")


def set_aside(phone: Listening) -> list[Path]:
    return list(phone.profile.parent.glob(f"{phone.profile.name}.aside-*"))


def test_a_phone_that_was_never_paired_and_is_not_watched_costs_no_browser(channel: Channel) -> None:
    phone = channel.listen(watched=False)
    ended(phone)
    assert phone.host.states == [PhoneState.NEEDS_QR]
    assert not phone.profile.exists()
    with pytest.raises(SessionLost):
        phone.send(phone.message(Kind.TEXT, CHAT, text="x"))


def test_from_request_to_ready_with_every_state_told(channel: Channel, whatsapp: WhatsApp) -> None:
    """Also: the code is renewed while watched, a page reload in between changes nothing, number and build are told."""
    whatsapp.call("PATCH", "/settings", {"ref_lifetime_s": 1.0, "refs_max": 3})
    phone = channel.listen(watched=False)
    phone.ask(Request(Ask.QR))
    try:
        first = phone.until(PhoneState.QR).qr
        phone.host.is_watched = True
        assert first is not None
        assert len(first.split(",")) in (4, 5)
        assert not first.startswith("undefined")
        # More codes than WhatsApp shows by itself: it was asked for a new series.
        eventually(lambda: len({news.qr for news in phone.host.told if news.qr}) >= 4, SOON_S, "the code is renewed")
    finally:
        whatsapp.call("PATCH", "/settings", {"ref_lifetime_s": 20.0, "refs_max": 6})
    begin_again(phone)
    news = phone.pair("60111111101").host.news
    assert news is not None
    assert (news.phone_number, news.build) == ("60111111101", "2.3000.1043815712")
    assert phone.host.states[-2:] == [PhoneState.AUTHENTICATED, PhoneState.READY]

    # A new browser restores the login, without a QR code.
    told = len(phone.host.told)
    begin_again(phone)
    phone.until(PhoneState.READY)
    assert PhoneState.QR not in phone.host.states[told:]


def test_a_code_that_nobody_watches_is_given_up(channel: Channel) -> None:
    phone = channel.listen()
    phone.until(PhoneState.QR)
    phone.host.is_watched = False
    ended(phone)
    assert phone.state is PhoneState.NEEDS_QR
    assert not phone.processes()
    assert phone.profile.exists()
    assert not set_aside(phone)


def test_a_pairing_code_pairs_too_and_logging_out_sets_the_profile_aside(channel: Channel, whatsapp: WhatsApp) -> None:
    phone = channel.listen()
    phone.ask(Request(Ask.PAIRING_CODE, "60111111102"))
    code = phone.until(PhoneState.PAIRING_CODE).pairing_code
    assert code is not None
    assert len(code) == 8
    whatsapp.call("POST", "/pairing-code", {"code": code, "account": "60111111102"})
    phone.until(PhoneState.READY)

    phone.host.is_watched = False
    phone.ask(Request(Ask.LOGOUT))
    ended(phone)
    assert phone.state is PhoneState.NEEDS_QR
    assert len(set_aside(phone)) == 1
    assert not phone.profile.exists()
    assert whatsapp.call("GET", "/accounts/60111111102")["logins"] == 0


def test_unlinked_by_the_telephone_the_phone_needs_a_code_again(channel: Channel, whatsapp: WhatsApp) -> None:
    phone = channel.listen().pair("60111111103")
    whatsapp.call("POST", "/accounts/60111111103/unlink", {})
    # Somebody still watches: a fresh profile shows a fresh code at once.
    eventually(lambda: PhoneState.NEEDS_QR in phone.host.states, SOON_S, "it says so")
    phone.pair("60111111103")
    assert len(set_aside(phone)) == 1

    # Unlinked while we were away: the stored login is refused.
    phone.stop()
    whatsapp.call("POST", "/accounts/60111111103/unlink", {})
    back = channel.listen(watched=False)
    ended(back)
    assert back.state is PhoneState.NEEDS_QR
    assert len(set_aside(back)) == 2
    with pytest.raises(SessionLost):
        back.send(back.message(Kind.TEXT, CHAT, text="x"))


def test_a_banned_number_is_blocked_and_left_alone(channel: Channel, whatsapp: WhatsApp) -> None:
    phone = channel.listen().pair("60111111104")
    whatsapp.call("POST", "/accounts/60111111104/ban", {})
    ended(phone)
    assert phone.state is PhoneState.BLOCKED
    with pytest.raises(AuthRequired):
        phone.send(phone.message(Kind.TEXT, CHAT, text="x"))


def test_a_passkey_step_is_told_and_gone_after_it(channel: Channel, whatsapp: WhatsApp) -> None:
    phone = channel.listen()
    code = phone.until(PhoneState.QR).qr
    life = phone.session._life
    assert life is not None
    channel.run(
        life._page.browser.call(
            "() => { require('WAWebLinkDeviceEvents').WAWebLinkDeviceEvents"
            ".trigger('link_device_events:passkey_prologue_request'); }"
        )
    )
    assert "passkey" in phone.until(PhoneState.PASSKEY).detail
    whatsapp.call("POST", "/scan", {"qr": code, "account": "60111111105"})
    phone.until(PhoneState.READY)


def test_a_restriction_is_a_state_of_its_own_in_which_answers_leave(channel: Channel) -> None:
    phone = channel.listen().pair("60111111106")
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    lock = (
        "(ends) => { __d('WAWebUserPrefsIndexedDBStorage', (exports) => { exports.userPrefsIdb = { get: (key) => "
        "(key === 'WAReachoutTimelockState' ? { time_enforcement_ends: ends } : undefined) }; }); }"
    )
    channel.run(phone.page.browser.call(lock, ends.timestamp() * 1000))
    assert phone.until(PhoneState.RESTRICTED).restricted_until == ends
    phone.send(phone.message(Kind.TEXT, CHAT, text="an answer"))


def test_an_empty_code_is_not_shown(channel: Channel, whatsapp: WhatsApp) -> None:
    whatsapp.call("PATCH", "/settings", {"ref_lifetime_s": 0.5})
    try:
        with whatsapp.fault("empty_ref", times=2):
            phone = channel.listen()
            phone.until(PhoneState.QR)
    finally:
        whatsapp.call("PATCH", "/settings", {"ref_lifetime_s": 20.0})
    assert all(news.qr is None or news.qr.startswith("2@") for news in phone.host.told)


def test_without_a_browser_the_phone_says_what_to_install(whatsapp: WhatsApp, tmp_path: Path) -> None:
    channel = Channel(whatsapp, tmp_path, wwebjs_browser=str(tmp_path / "no-such-browser"))
    try:
        phone = channel.listen()
        ended(phone)
        news = phone.host.news
        assert news is not None
        assert news.state is PhoneState.NO_BROWSER
        assert "apt-get install chromium" in news.detail
        assert channel.run(channel.adapter.health()).ok
    finally:
        channel.close()


def began_at(phone: Listening, name: str = "") -> float:
    """When the first of a phone's processes was started whose name begins so."""
    processes = [psutil.Process(pid) for pid in phone.processes()]
    return min(process.create_time() for process in processes if process.name().startswith(name))


def test_starts_are_staggered(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """As many at a time as there are cores but one: here, one."""
    assert [starts_at_once(cores) for cores in (1, 2, 8)] == [1, 1, 7]
    channel = Channel(whatsapp, tmp_path)
    channel.adapter._starts._value = 1
    try:
        phones = [channel.listen(index) for index in range(2)]
        for phone in phones:
            phone.until(PhoneState.QR)
        first, second = sorted((began_at(phone), began_at(phone, "chromium")) for phone in phones)
        assert first[1] <= second[0], "the second begins when the first has its browser"
    finally:
        channel.close()

"""Every kind of message through a real Chromium to the simulated WhatsApp Web: once, under our id, honestly told."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bisnes_core.channel import Evidence, NotSent, Receipt, Sent, StillUnknown
from bisnes_core.errors import Permanent, Retryable, UnknownOutcome
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.status import Status
from plugins.wwebjs.ids import web_id
from tests.fixtures.eventually import eventually
from tests.fixtures.whatsapp_web import SOON_S, Channel, Listening, WhatsApp

NUMBER = "60111111111"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES = {"cat.png": PNG, "clip.mp4": b"film" * 500, "note.ogg": b"OggS" * 500, "book.pdf": b"%PDF-" * 500}

_people = itertools.count(60130000000)


@pytest.fixture(scope="module")
def phone(whatsapp: WhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    home = tmp_path_factory.mktemp("wwebjs")
    for name, content in {**FILES, "smile.webp": b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(64)}.items():
        (home / name).write_bytes(content)
    channel = Channel(whatsapp, home, deliver_timeout_s=4.0)
    yield channel.listen().pair(NUMBER)
    channel.close()


@pytest.fixture
def chat() -> str:
    return f"{next(_people)}@c.us"


def arrived(whatsapp: WhatsApp, message: OutboundMessage) -> dict[str, Any]:
    """The one copy of a message that the server has."""
    entry = whatsapp.entry(NUMBER, web_id(message.id))
    assert entry is not None, "the server has no such message"
    assert entry["copies"] == 1
    return entry


def wrote(whatsapp: WhatsApp, chat: str, **message: Any) -> str:
    """A message from the chat's person; returns its provider id."""
    made = whatsapp.write(NUMBER, **{"from": chat, "text": "a question", **message})
    return f"false_{chat}_{made}"


def heard(phone: Listening, key: str) -> None:
    eventually(
        lambda: [each for each in phone.host.inbound if each.provider_message_id == key], SOON_S, f"{key} arrives"
    )


def find(phone: Listening, message: OutboundMessage, waited_s: float = 30.0) -> object:
    evidence = Evidence(None, waited_s, 6.0, True)
    return phone.channel.run(phone.channel.adapter.find_sent(phone.phone, message, evidence))


# -- each kind ---------------------------------------------------------------------------------------------------------
def test_a_text_is_sent_under_our_id_once_the_server_has_it(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    message = phone.message(Kind.TEXT, chat, text="hello https://example.com *bold*")
    sent = phone.send(message)
    assert sent.provider_message_id == f"true_{chat}_{web_id(message.id)}"
    entry = arrived(whatsapp, message)
    assert (entry["chat"], entry["kind"], entry["body"]) == (chat, "chat", "hello https://example.com *bold*")


def test_a_reply_quotes_the_message_that_it_names(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    question = wrote(whatsapp, chat)
    heard(phone, question)
    message = phone.message(Kind.TEXT, chat, text="an answer", reply_to=question)
    phone.send(message)
    assert arrived(whatsapp, message)["quoted"] == question.rpartition("_")[2]


@pytest.mark.parametrize(
    ("kind", "name", "more", "shown"),
    [
        (Kind.IMAGE, "cat.png", {"caption": "a cat"}, "image"),
        (Kind.VIDEO, "clip.mp4", {"caption": "a film"}, "video"),
        (Kind.AUDIO, "note.ogg", {"voice": True}, "ptt"),
        (Kind.AUDIO, "note.ogg", {}, "audio"),
        (Kind.DOCUMENT, "book.pdf", {"caption": "a book", "name": "The book.pdf"}, "document"),
        (Kind.STICKER, "smile.webp", {}, "sticker"),
    ],
)
def test_a_file_arrives_whole(
    phone: Listening, whatsapp: WhatsApp, chat: str, kind: Kind, name: str, more: dict[str, Any], shown: str
) -> None:
    message = phone.message(kind, chat, url=f"http://files/{name}", **more)
    sent = phone.send(message)
    assert sent.provider_message_id == f"true_{chat}_{web_id(message.id)}"
    entry = arrived(whatsapp, message)
    assert entry["kind"] == shown
    assert entry["caption"] in (more.get("caption"), "", None)
    if name in FILES and kind is not Kind.IMAGE:  # the page makes an image anew
        assert entry["media"]["sha256"] == hashlib.sha256(FILES[name]).hexdigest()
    if kind is Kind.DOCUMENT:
        assert entry["media"]["filename"] == "The book.pdf"


@pytest.mark.parametrize(
    ("kind", "payload", "shown"),
    [
        (Kind.LOCATION, {"latitude": 3.139, "longitude": 101.687, "name": "Shop", "address": "1, Road"}, "location"),
        (Kind.CONTACTS, {"contacts": [{"name": "Ann", "phone": "60133333333"}]}, "vcard"),
        (
            Kind.CONTACTS,
            {"contacts": [{"name": "Ann", "phone": "60133333333"}, {"name": "Bo", "phone": "+60144444444"}]},
            "multi_vcard",
        ),
        (Kind.POLL, {"question": "Tea?", "options": ["yes", "no"], "choices_max": 1}, "poll_creation"),
    ],
)
def test_places_cards_and_polls_are_sent(
    phone: Listening, whatsapp: WhatsApp, chat: str, kind: Kind, payload: dict[str, Any], shown: str
) -> None:
    message = phone.message(kind, chat, **payload)
    phone.send(message)
    assert arrived(whatsapp, message)["kind"] == shown


@pytest.mark.parametrize("form", ["text", "file"])
def test_a_forwarded_message_travels_under_our_id_too(
    phone: Listening, whatsapp: WhatsApp, chat: str, form: str
) -> None:
    media = {"media": {"base64": base64.b64encode(b"film" * 9).decode(), "mimetype": "video/mp4"}, "type": "video"}
    source = wrote(whatsapp, chat, **(media if form == "file" else {}))
    heard(phone, source)
    message = phone.message(Kind.FORWARD, f"{next(_people)}@c.us", message_id=source)
    phone.send(message)
    entry = arrived(whatsapp, message)
    assert entry["forwarded"] is True
    if form == "file":
        assert entry["media"]["sha256"] == hashlib.sha256(b"film" * 9).hexdigest()
    else:
        assert entry["body"] == "a question"


def test_a_group_gets_messages(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    group = whatsapp.call("POST", f"/accounts/{NUMBER}/groups", {"name": "Us", "members": [chat]})["id"]
    message = phone.message(Kind.TEXT, group, text="all of you")
    sent = eventually(lambda: _sent_or_none(phone, message), SOON_S, "the page knows the group")
    assert sent.provider_message_id == f"true_{group}_{web_id(message.id)}"
    assert arrived(whatsapp, message)["chat"] == group
    edit = phone.message(Kind.EDIT, group, message_id=sent.provider_message_id, text="most of you")
    assert phone.send(edit) == Sent(None)


def _sent_or_none(phone: Listening, message: OutboundMessage) -> Any:
    try:
        return phone.send(message)
    except Permanent:
        return None


# -- about messages that are there -------------------------------------------------------------------------------------
def test_a_reaction_may_be_repeated_and_taken_back(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    question = wrote(whatsapp, chat)
    heard(phone, question)
    for emoji in ("👍", "👍", ""):
        assert phone.send(phone.message(Kind.REACTION, chat, message_id=question, emoji=emoji)) == Sent(None)
    eventually(lambda: len(whatsapp.actions(NUMBER, "reaction")) >= 2, SOON_S, "the reactions arrive")


def test_edit_and_delete_mean_exactly_the_named_message(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    first, second = (phone.message(Kind.TEXT, chat, text=text) for text in ("first", "second"))
    keys = [phone.send(message).provider_message_id for message in (first, second)]
    assert phone.send(phone.message(Kind.EDIT, chat, message_id=keys[0], text="FIRST")) == Sent(None)
    assert phone.send(phone.message(Kind.EDIT, chat, message_id=keys[0], text="FIRST")) == Sent(None)
    assert phone.send(phone.message(Kind.DELETE, chat, message_id=keys[1], for_everyone=True)) == Sent(None)
    assert phone.send(phone.message(Kind.DELETE, chat, message_id=keys[1], for_everyone=True)) == Sent(None)
    (edit,) = eventually(lambda: _about(whatsapp, "edit", first), SOON_S, "the edit arrives")
    (revoke,) = eventually(lambda: _about(whatsapp, "revoke", second), SOON_S, "the revoke arrives")
    assert (edit["body"], revoke["target"]) == ("FIRST", web_id(second.id))
    assert not _about(whatsapp, "revoke", first)


def _about(whatsapp: WhatsApp, kind: str, message: OutboundMessage) -> list[dict[str, Any]]:
    return [row for row in whatsapp.actions(NUMBER, kind) if web_id(message.id) in str(row)]


def test_only_its_writer_takes_a_message_back(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    question = wrote(whatsapp, chat)
    heard(phone, question)
    with pytest.raises(Permanent, match="impossible"):
        phone.send(phone.message(Kind.DELETE, chat, message_id=question, for_everyone=True))
    with pytest.raises(Permanent, match="impossible"):
        phone.send(phone.message(Kind.EDIT, chat, message_id=f"true_{chat}_3EB0AAAA", text="x"))


def test_nothing_is_marked_read_by_itself_and_read_marks_it(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    question = wrote(whatsapp, chat)
    heard(phone, question)
    phone.send(phone.message(Kind.TEXT, chat, text="an answer"))
    assert not [row for row in whatsapp.actions(NUMBER, "seen") if row["chat"] == chat]
    assert phone.send(phone.message(Kind.READ, chat, message_id=question, typing=True)) == Sent(None)
    eventually(lambda: [row for row in whatsapp.actions(NUMBER, "seen") if row["chat"] == chat], SOON_S, "seen")
    eventually(lambda: [row for row in whatsapp.actions(NUMBER, "typing") if row["chat"] == chat], SOON_S, "typing")


@pytest.mark.parametrize("sign", ["typing", "recording", "paused"])
def test_typing_signs_are_shown(phone: Listening, whatsapp: WhatsApp, chat: str, sign: str) -> None:
    assert phone.send(phone.message(Kind.TYPING, chat, sign=sign, seconds=1)) == Sent(None)
    eventually(lambda: [row for row in whatsapp.actions(NUMBER, "typing") if row["chat"] == chat], SOON_S, sign)


# -- once, and honestly ------------------------------------------------------------------------------------------------
def test_a_repeated_send_is_the_same_message(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    message = phone.message(Kind.TEXT, chat, text="once")
    with ThreadPoolExecutor(4) as pool:
        keys = {sent.provider_message_id for sent in pool.map(phone.send, [message] * 4)}
    keys.add(phone.send(message).provider_message_id)
    assert len(keys) == 1
    arrived(whatsapp, message)


def test_sent_only_once_the_server_acknowledged(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    message = phone.message(Kind.TEXT, chat, text="swallowed")
    with whatsapp.fault("swallow", account=NUMBER), pytest.raises(UnknownOutcome, match="no_ack"):
        phone.send(message)
    assert find(phone, message) == StillUnknown()


def test_find_sent_answers_from_the_chat(phone: Listening, chat: str) -> None:
    message = phone.message(Kind.TEXT, chat, text="was it sent?")
    assert isinstance(find(phone, message), NotSent)
    assert find(phone, message, waited_s=0.1) == StillUnknown()
    sent = phone.send(message)
    assert find(phone, message) == sent
    assert isinstance(find(phone, phone.message(Kind.TEXT, chat, text="never sent")), NotSent)


def test_a_refused_message_fails_for_good(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    with whatsapp.fault("refuse", account=NUMBER), pytest.raises(Permanent, match="ack_-1"):
        phone.send(phone.message(Kind.TEXT, chat, text="refused"))


@pytest.mark.parametrize("fault", ["unknown_address", "no_lid"])
def test_a_number_that_is_not_on_whatsapp_fails_for_good(
    phone: Listening, whatsapp: WhatsApp, chat: str, fault: str
) -> None:
    with whatsapp.fault(fault, address=chat), pytest.raises(Permanent, match="no_such_number"):
        phone.send(phone.message(Kind.TEXT, chat, text="nobody"))


def test_a_file_that_cannot_be_uploaded_is_tried_again(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    message = phone.message(Kind.DOCUMENT, chat, url="http://files/book.pdf")
    with whatsapp.fault("upload_error", account=NUMBER), pytest.raises(Retryable, match="media_failed") as info:
        phone.send(message)
    assert info.value.attempts_max == 3
    phone.send(message)
    arrived(whatsapp, message)


def test_receipts_follow(phone: Listening, whatsapp: WhatsApp, chat: str) -> None:
    message = phone.message(Kind.TEXT, chat, text="read me")
    key = phone.send(message).provider_message_id
    whatsapp.on(NUMBER, web_id(message.id), "ack", ack="read")

    def statuses() -> set[Status]:
        receipts = (item for item in phone.host.items if isinstance(item, Receipt))
        return {receipt.status for receipt in receipts if receipt.provider_message_id == key}

    eventually(lambda: statuses() >= {Status.SENT, Status.READ}, SOON_S, "receipts sent and read")


def test_a_phone_without_a_session_here_sends_nothing(phone: Listening, chat: str) -> None:
    adapter = phone.channel.adapter
    with pytest.raises(Retryable) as info:
        phone.channel.run(adapter.send(Phone("42", 9, "wwebjs"), phone.message(Kind.TEXT, chat, text="x")))
    assert info.value.unreachable


def test_files_of_sends_do_not_stay_in_the_page(phone: Listening) -> None:
    session = phone.channel.adapter._sessions[phone.phone.lane]
    assert session.page is not None
    count = session.page.browser.call("() => document.querySelectorAll('input[type=file]').length")
    assert phone.channel.run(count) == 0


def test_the_folder_of_profiles_is_below_the_home(phone: Listening) -> None:
    assert Path(phone.channel.home, "var", "wwebjs", "42-0").is_dir()

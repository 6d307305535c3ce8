"""Everything that a phone hears is stored raw first, in order, once, whether it came live or while we were away."""

from __future__ import annotations

import base64
import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bisnes_core.channel import Change, Changed, Inbound, SentElsewhere
from bisnes_core.errors import Permanent, Retryable
from bisnes_core.message import Kind
from bisnes_core.session import PhoneState
from plugins.wwebjs.intake import MARGIN
from plugins.wwebjs.page import Order
from tests.fixtures.eventually import eventually
from tests.fixtures.whatsapp_web import READY_S, SOON_S, Channel, Listening, WhatsApp

NUMBER = "60111111111"
FILE = b"a file of somebody" * 100
MEDIA = {"base64": base64.b64encode(FILE).decode(), "mimetype": "image/png", "filename": "seen.png"}

_people = itertools.count(60150000000)


@pytest.fixture(scope="module")
def phone(whatsapp: WhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    channel = Channel(whatsapp, tmp_path_factory.mktemp("wwebjs"))
    yield channel.listen().pair(NUMBER)
    channel.close()


@pytest.fixture
def person() -> str:
    return str(next(_people))


def heard(phone: Listening, web_id: str) -> Inbound:
    """The message with this id, once it is stored."""

    def look() -> Inbound | None:
        return next((each for each in phone.host.inbound if web_id in each.provider_message_id), None)

    found = eventually(look, SOON_S, f"message {web_id} is stored")
    assert found is not None
    return found


def changes(phone: Listening, web_id: str, change: Change) -> list[Changed]:
    return [
        item
        for item in phone.host.items
        if isinstance(item, Changed) and web_id in item.provider_message_id and item.change is change
    ]


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        ({"text": "hello"}, "text", "hello"),
        ({"type": "image", "media": MEDIA, "caption": "look"}, "image", "look"),
        ({"type": "video", "media": MEDIA}, "video", None),
        ({"type": "audio", "media": MEDIA}, "audio", None),
        ({"type": "ptt", "media": MEDIA}, "audio", None),
        ({"type": "document", "media": MEDIA}, "document", None),
        ({"type": "sticker", "media": MEDIA}, "sticker", None),
        ({"type": "location", "lat": 3.1, "lng": 101.6, "name_of_place": "Shop", "address": "1 Road"}, "location",
         "Shop, 1 Road"),
        ({"type": "vcard", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nTEL;waid=60122:+60122\nEND:VCARD"}, "contacts",
         "Ann"),
        ({"type": "poll_creation", "text": "Tea?", "options": ["yes", "no"]}, "poll", "Tea?"),
    ],
)  # fmt: skip
def test_every_kind_is_stored(
    phone: Listening, whatsapp: WhatsApp, person: str, message: dict[str, Any], kind: str, text: str | None
) -> None:
    made = whatsapp.write(NUMBER, **{"from": person, "name": "Ann", **message})
    found = heard(phone, made)
    assert (found.kind, found.text or None, found.chat_id) == (kind, text, f"{person}@c.us")
    assert found.provider_phone_id == str(phone.phone.lane)
    assert found.identities["name"] == "Ann"
    if "media" in message:
        assert found.content["file"]["media_id"] == found.provider_message_id


def test_a_reply_names_what_it_quotes(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    sent = phone.send(phone.message(Kind.TEXT, f"{person}@c.us", text="a question"))
    ours = sent.provider_message_id.rpartition("_")[2]
    answer = whatsapp.write(NUMBER, **{"from": person, "text": "an answer", "quoted": ours})
    assert heard(phone, answer).reply_to == sent.provider_message_id


def test_a_group_message_names_its_writer(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    group = "120363000000000077@g.us"
    made = whatsapp.write(NUMBER, **{"from": person, "chat": group, "text": "all", "group_name": "Us"})
    found = heard(phone, made)
    assert found.chat_id == group
    assert found.identities["phone"] == person
    assert person in found.provider_message_id or "@lid" in found.provider_message_id


def test_a_hidden_identity_is_resolved_where_the_page_knows_it(
    phone: Listening, whatsapp: WhatsApp, person: str
) -> None:
    whatsapp.call("PATCH", "/settings", {"chat_ids": "lid"})
    try:
        made = whatsapp.write(NUMBER, **{"from": person, "text": "hidden"})
        found = heard(phone, made)
        sent = phone.send(phone.message(Kind.TEXT, f"{person}@c.us", text="an answer"))
    finally:
        whatsapp.call("PATCH", "/settings", {"chat_ids": "pn"})
    assert found.chat_id == f"{person}@c.us"
    assert found.identities["lid"].endswith("@lid")
    assert "@lid_" in sent.provider_message_id
    unknown = whatsapp.write(NUMBER, **{"from": "998877665544332@lid", "text": "who am I?"})
    assert heard(phone, unknown).chat_id == "998877665544332@lid"


def test_a_message_that_cannot_be_read_yet_waits_for_its_content(
    phone: Listening, whatsapp: WhatsApp, person: str
) -> None:
    made = whatsapp.write(NUMBER, **{"from": person, "text": "in time", "ciphertext": True})
    later = whatsapp.write(NUMBER, **{"from": person, "text": "meanwhile"})
    heard(phone, later)
    assert not [each for each in phone.host.inbound if made in each.provider_message_id]
    whatsapp.on(NUMBER, made, "decrypt")
    assert (heard(phone, made).kind, heard(phone, made).text) == ("text", "in time")


def test_edits_revokes_and_reactions_are_changes(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    chat = f"{person}@c.us"
    made = whatsapp.write(NUMBER, **{"from": person, "text": "first"})
    heard(phone, made)
    whatsapp.on(NUMBER, made, "edit", text="second")
    whatsapp.on(NUMBER, made, "reaction", **{"from": person, "text": "👍"})
    (edit,) = eventually(lambda: changes(phone, made, Change.EDITED), SOON_S, "the edit")
    (reaction,) = eventually(lambda: changes(phone, made, Change.REACTION), SOON_S, "the reaction")
    whatsapp.on(NUMBER, made, "revoke")
    revoke = eventually(lambda: changes(phone, made, Change.REVOKED), SOON_S, "the revoke")[0]
    assert (edit.text, edit.by, reaction.text, reaction.by, revoke.by) == ("second", chat, "👍", chat, chat)


def test_a_vote_is_a_message_about_the_poll(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    poll = phone.message(Kind.POLL, f"{person}@c.us", question="Tea?", options=["yes", "no"])
    key = phone.send(poll).provider_message_id
    whatsapp.on(NUMBER, key.rpartition("_")[2], "vote", **{"from": person, "options": ["no"]})

    def vote() -> Inbound | None:
        return next((each for each in phone.host.inbound if each.kind == "poll_vote" and each.reply_to == key), None)

    found = eventually(vote, SOON_S, "the vote")
    assert found is not None
    assert found.text == "no"


def test_what_the_telephone_sends_is_part_of_the_chat(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    made = whatsapp.write(NUMBER, **{"from": person, "text": "from my telephone", "from_me": True})

    def elsewhere() -> list[SentElsewhere]:
        found = [item for item in phone.host.items if isinstance(item, SentElsewhere)]
        return [item for item in found if made in item.message.provider_message_id]

    (item, *_) = eventually(elsewhere, SOON_S, "it is stored")
    assert (item.message.chat_id, item.message.text) == (f"{person}@c.us", "from my telephone")


def test_what_we_send_is_not_taken_for_the_telephones(phone: Listening, person: str) -> None:
    key = phone.send(phone.message(Kind.TEXT, f"{person}@c.us", text="ours")).provider_message_id
    phone.channel.run(phone.channel.adapter.backfill(phone.phone, None))
    elsewhere = [item.message.provider_message_id for item in phone.host.items if isinstance(item, SentElsewhere)]
    assert key not in elsewhere


def test_a_received_file_is_fetched_whole(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    made = whatsapp.write(NUMBER, **{"from": person, "type": "document", "media": MEDIA})
    media_id = heard(phone, made).content["file"]["media_id"]
    assert phone.channel.run(phone.channel.adapter.fetch_media(phone.phone, media_id)) == FILE
    with pytest.raises(Permanent):
        phone.channel.run(phone.channel.adapter.fetch_media(phone.phone, f"false_{person}@c.us_NOTTHERE"))
    gone = whatsapp.write(NUMBER, **{"from": person, "type": "document", "media": MEDIA | {"base64": "Z29uZQ=="}})
    with whatsapp.fault("download_404"), pytest.raises(Permanent, match="media_gone"):
        phone.channel.run(
            phone.channel.adapter.fetch_media(phone.phone, heard(phone, gone).content["file"]["media_id"])
        )


def test_nothing_is_lost_while_storage_waits(phone: Listening, whatsapp: WhatsApp, person: str) -> None:
    phone.channel.later(phone.host.storing.clear)
    made = [whatsapp.write(NUMBER, **{"from": person, "text": f"{n}"}) for n in range(20)]
    phone.channel.later(phone.host.storing.set)
    heard(phone, made[-1])
    assert [each.text for each in phone.host.inbound if each.chat_id == f"{person}@c.us"] == [str(n) for n in range(20)]


@pytest.mark.parametrize("held", [True, False], ids=["that the page still holds", "that are gone"])
def test_events_that_did_not_arrive_cost_no_message(
    phone: Listening, whatsapp: WhatsApp, person: str, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    page, of_page = phone.page, "window.__bisnes.since"
    with monkeypatch.context() as way:
        way.setattr(Order, "take", lambda _order, _event: [])
        made = [whatsapp.write(NUMBER, **{"from": person, "text": f"{n}"}) for n in range(3)]
        last = page._order._last
        told = "() => window.__bisnes.level().seq"
        eventually(lambda: phone.channel.run(page.browser.call(told)) >= last + 3, SOON_S, "the page has told them")
    if not held:
        once = f"{of_page} = (last) => {{ {of_page} = all; return all(last).slice(-1); }}"
        phone.channel.run(page.browser.call(f"() => {{ const all = {of_page}; {once}; }}"))
    phone.channel.later(phone.session.suspect)
    heard(phone, made[-1])
    assert [each.text for each in phone.host.inbound if each.chat_id == f"{person}@c.us"] == ["0", "1", "2"]


def test_nothing_is_stored_before_what_came_earlier_and_is_not_fetched_yet(
    phone: Listening, whatsapp: WhatsApp, person: str
) -> None:
    """Catching up begins at the newest stored message: what is older and missing would never be asked for again."""
    heard(phone, whatsapp.write(NUMBER, **{"from": person, "text": "before"}))
    browser, of_page = phone.page.browser, "window.__bisnes.chatsSince"
    refuse = f"{of_page} = (since_s) => {{ window.asked.push(since_s); throw Error('no'); }}"
    phone.channel.run(browser.call(f"() => {{ window.whole = {of_page}; window.asked = []; {refuse}; }}"))
    with whatsapp.fault("state", account=NUMBER, state="OPENING"):
        phone.until(PhoneState.DISCONNECTED)
    eventually(lambda: phone.host.news and "cannot be fetched" in phone.host.news.detail, SOON_S, "it is told")
    made = [whatsapp.write(NUMBER, **{"from": person, "text": f"{n}"}) for n in range(3)]
    waiting = phone.session.intake._waiting
    eventually(lambda: made[-1] in str(waiting), SOON_S, "they are heard")
    assert [each.text for each in phone.host.inbound if each.chat_id == f"{person}@c.us"] == ["before"]
    with pytest.raises(Retryable, match="backfill"):  # a person's question leaves no gap either
        phone.channel.run(phone.channel.adapter.backfill(phone.phone, datetime.now(UTC)))
    newest_at = phone.host.newest
    assert newest_at is not None
    assert max(phone.channel.run(browser.call("() => window.asked"))) <= (newest_at - MARGIN).timestamp()
    phone.channel.run(browser.call(f"() => {{ {of_page} = window.whole; }}"))
    heard(phone, made[-1])
    assert [each.text for each in phone.host.inbound if each.chat_id == f"{person}@c.us"] == ["before", "0", "1", "2"]
    eventually(lambda: phone.host.news and phone.host.news.detail == "", SOON_S, "all is well")


def test_500_messages_in_20_chats_that_came_while_we_were_away_are_stored_once_each_in_order(
    phone: Listening, whatsapp: WhatsApp
) -> None:
    channel, host = phone.channel, phone.host
    people = [str(next(_people)) for _ in range(20)]
    phone.stop()
    before = len(host.kept)
    messages = [{"from": person, "text": f"{n}"} for n in range(25) for person in people]
    ids = whatsapp.call("POST", f"/accounts/{NUMBER}/messages", {"messages": messages})["ids"]
    reacted = ids[7]
    whatsapp.on(NUMBER, reacted, "reaction", **{"from": people[7], "text": "👍"})

    back = channel.listen(host=host)
    back.until(PhoneState.READY)
    eventually(lambda: {item.chat_id for item in _new(back, before)} >= {f"{p}@c.us" for p in people}
               and len(_new(back, before)) >= 500, READY_S, "all are stored")  # fmt: skip

    chats: defaultdict[str, list[str | None]] = defaultdict(list)
    for item in _new(back, before):
        chats[item.chat_id].append(item.text)
    for person in people:
        assert chats[f"{person}@c.us"] == [str(n) for n in range(25)]
    assert changes(back, reacted, Change.REACTION)


def _new(phone: Listening, before: int) -> list[Inbound]:
    found: dict[str, Inbound] = {}
    for item in phone.host.items_of(phone.host.kept[before:]):
        if isinstance(item, Inbound):
            found.setdefault(item.provider_message_id, item)
    return list(found.values())

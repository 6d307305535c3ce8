"""pywa, as its users use it: every kind that it can send, media, blocking, and what it reads from webhooks."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import pywa
from pywa import errors, types, utils
from pywa.types import callback, templates
from pywa.types.flows import FlowActionType, FlowStatus
from pywa.types.others import Contact, ProductsSection

from tests.simulators.support import PHONE, SECRET, TOKEN, USER, WABA, Receiver, Simulator, many

LINK = "https://example.com/file.bin"
TO = USER
QUOTED = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUYzMjEzNDM2RTZGQ0MzMDJBRgA="
CONTACT = Contact(
    name=Contact.Name(formatted_name="John Smith", first_name="John"),
    phones=[Contact.Phone(phone="+16505551234", type="WORK", wa_id="16505551234")],
    emails=[Contact.Email(email="john@example.com", type="WORK")],
)
BUTTONS = [callback.Button("Yes", "yes"), callback.Button("No", "no")]
ROWS = callback.SectionList("Open", [callback.Section("All", [callback.SectionRow("One", "1", "first")])])
FLOW = callback.FlowButton(
    "Start", flow_id="123", flow_token="t", flow_action_type=FlowActionType.NAVIGATE, flow_action_screen="A"
)
FLOW_BY_NAME = callback.FlowButton("Start", flow_name="a_flow", mode=FlowStatus.DRAFT)
CARD = [templates.HeaderImage.params(image=LINK), templates.QuickReplyButton.params(callback_data="a", index=0)]
#: Typed as methods of an instance, meant to be called on the class: hence Any.
HEADER: Any = templates.HeaderText
BODY: Any = templates.BodyText
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


class ToSimulator(httpx.BaseTransport):
    """pywa fixes the host; the session that one may give it decides where the requests go."""

    def __init__(self, simulator: Simulator) -> None:
        self._port = simulator.port
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def wa(simulator: Simulator) -> Iterator[pywa.WhatsApp]:
    with httpx.Client(transport=ToSimulator(simulator)) as session:
        yield pywa.WhatsApp(PHONE, TOKEN, session=session, waba_id=WABA, app_secret=SECRET, filter_updates=False)


Send = Callable[[pywa.WhatsApp], Any]

#: method of pywa -> ways to use it with the type that has to stand in the ledger
SENDS: dict[str, list[tuple[str, Send]]] = {
    "send_message": [
        ("text", lambda wa: wa.send_message(TO, "hi", preview_url=True)),
        ("text", lambda wa: wa.send_message(TO, "quoting", reply_to_message_id=QUOTED, tracker="track")),
        ("interactive", lambda wa: wa.send_message(TO, "hi", header="h", footer="f", buttons=BUTTONS)),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=callback.URLButton("Go", "https://example.com"))),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=ROWS)),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=FLOW)),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=FLOW_BY_NAME)),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=callback.VoiceCallButton("Call"))),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=callback.CallPermissionRequestButton())),
        ("interactive", lambda wa: wa.send_message(TO, "hi", buttons=callback.ContactInfoRequestButton())),
        ("text", lambda wa: wa.send_message("US.13491208655302741918", "hi")),
    ],
    "send_text": [("text", lambda wa: wa.send_text(TO, "hi"))],
    "send_image": [
        ("image", lambda wa: wa.send_image(TO, LINK, caption="c")),
        ("image", lambda wa: wa.send_image(TO, b"\xff\xd8\xff", mime_type="image/jpeg")),
        ("interactive", lambda wa: wa.send_image(TO, LINK, caption="c", buttons=BUTTONS)),
    ],
    "send_video": [
        ("video", lambda wa: wa.send_video(TO, LINK, caption="c")),
        ("interactive", lambda wa: wa.send_video(TO, LINK, caption="c", footer="f", buttons=BUTTONS)),
    ],
    "send_document": [
        ("document", lambda wa: wa.send_document(TO, LINK, filename="a.pdf", caption="c")),
        ("document", lambda wa: wa.send_document(TO, b"%PDF", filename="a.pdf", mime_type="application/pdf")),
        ("interactive", lambda wa: wa.send_document(TO, LINK, filename="a.pdf", caption="c", buttons=BUTTONS)),
    ],
    "send_audio": [("audio", lambda wa: wa.send_audio(TO, LINK))],
    "send_voice": [("audio", lambda wa: wa.send_voice(TO, b"OggS", mime_type="audio/ogg"))],
    "send_sticker": [("sticker", lambda wa: wa.send_sticker(TO, LINK))],
    "send_reaction": [("reaction", lambda wa: wa.send_reaction(TO, "😀", QUOTED))],
    "remove_reaction": [("reaction", lambda wa: wa.remove_reaction(TO, QUOTED))],
    "send_location": [("location", lambda wa: wa.send_location(TO, 37.4, -122.1, "HQ", "1 Hacker Way"))],
    "request_location": [("interactive", lambda wa: wa.request_location(TO, "where?"))],
    "request_contact_info": [("interactive", lambda wa: wa.request_contact_info(TO, "who?"))],
    "send_contact": [("contacts", lambda wa: wa.send_contact(TO, [CONTACT, CONTACT]))],
    "send_catalog": [("interactive", lambda wa: wa.send_catalog(TO, "b", "f", thumbnail_product_sku="SKU"))],
    "send_product": [
        ("interactive", lambda wa: wa.send_product(TO, "1", "SKU", body="b", footer="f")),
        ("interactive", lambda wa: wa.send_product(TO, "1", "SKU")),
    ],
    "send_products": [
        ("interactive", lambda wa: wa.send_products(TO, "1", [ProductsSection("S", ["A", "B"])], title="t", body="b"))
    ],
    "send_carousel": [
        (
            "interactive",
            lambda wa: wa.send_carousel(
                TO,
                body="b",
                cards=[
                    callback.ImageCarouselCard(body="1", image=LINK, buttons=callback.URLButton("Go", LINK)),
                    callback.VideoCarouselCard(video=LINK, buttons=BUTTONS),
                ],
            ),
        )
    ],
    "send_template": [
        ("template", lambda wa: wa.send_template(TO, "hello_world", templates.TemplateLanguage.ENGLISH_US, [])),
        *(
            (
                "template",
                lambda wa, params=params: wa.send_template(TO, "any", templates.TemplateLanguage.ENGLISH_US, params),
            )
            for params in (
                [HEADER.params("x"), BODY.params("a", "b")],
                [BODY.params(name="Ann", total=templates.Currency(fallback_value="$1", code="USD", amount_1000=1000))],
                [BODY.params(templates.DateTime(fallback_value="today"))],
                [templates.HeaderImage.params(image=LINK)],
                [templates.HeaderVideo.params(video=LINK)],
                [templates.HeaderGIF.params(gif=LINK)],
                [templates.HeaderDocument.params(document=LINK, filename="a.pdf")],
                [templates.HeaderLocation.params(lat=1.0, lon=2.0, name="n", address="a")],
                [templates.HeaderProduct.params(catalog_id="1", sku="S")],
                [templates.CopyCodeButton.params(coupon_code="25OFF", index=0)],
                [templates.FlowButton.params(index=0, flow_token="t", flow_action_data={"a": "b"})],
                [templates.QuickReplyButton.params(callback_data="x", index=0)],
                [templates.URLButton.params(url_variable="x", index=1)],
                [templates.CatalogButton.params(index=0, thumbnail_product_sku="S")],
                [
                    templates.MPMButton.params(
                        product_sections=[ProductsSection("S", ["A"])], thumbnail_product_sku="A", index=0
                    )
                ],
                [templates.AuthenticationBody.params(otp="123456"), templates.OneTapOTPButton.params(otp="123456")],
                [templates.ZeroTapOTPButton.params(otp="123456")],
                [templates.CopyCodeOTPButton.params(otp="123456")],
                [templates.LimitedTimeOffer.params(expiration_time=NOON)],
                [templates.Carousel.params(cards=[templates.CarouselCard.params(params=CARD, index=0)])],
                [templates.TapTargetConfiguration(title="t", url=LINK)],
            )
        ),
        (
            "template",
            lambda wa: wa.send_template(
                TO, "hello_world", templates.TemplateLanguage.ENGLISH_US, [], use_mm_lite_api=True
            ),
        ),
    ],
    "pin_message": [("pin", lambda wa: wa.pin_message("Y2FwaV9ncm91cDox", QUOTED, expiration_days=7))],
    "unpin_message": [("pin", lambda wa: wa.unpin_message("Y2FwaV9ncm91cDox", QUOTED))],
}


def test_pywa_sends_every_kind_that_it_offers(simulator: Simulator, wa: pywa.WhatsApp) -> None:
    failures = []
    expected = []
    for method, ways in SENDS.items():
        for kind, send in ways:
            try:
                result = send(wa)
            except errors.WhatsAppError as error:
                failures.append(f"{method}: {error.code} {error.message} {error.details}")
                continue
            expected.append(kind)
            assert result.id.startswith("wamid."), method
    assert failures == []
    assert [entry["type"] for entry in simulator.ledger()] == expected


def test_no_sending_method_of_pywa_is_left_out() -> None:
    offered = {
        name for name in dir(pywa.WhatsApp) if name.startswith(("send_", "request_", "pin_", "unpin_", "remove_reac"))
    }
    assert offered - {"request_verification_code"} == set(SENDS)


def test_pywa_marks_as_read_and_types(simulator: Simulator, wa: pywa.WhatsApp) -> None:
    message_id = simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER})["id"]
    assert wa.mark_message_as_read(message_id)
    assert wa.indicate_typing(message_id)
    assert [mark["typing"] for mark in simulator.admin("GET", "marks")["marks"]] == [False, True]


def test_pywa_uploads_downloads_and_deletes_media(wa: pywa.WhatsApp) -> None:
    media = wa.upload_media(b"%PDF-1.4 content", mime_type="application/pdf", filename="a.pdf")
    found = wa.get_media_url(media.id)
    assert found.mime_type == "application/pdf"
    assert found.file_size == 16
    assert wa.get_media_bytes(found.url) == b"%PDF-1.4 content"
    assert wa.delete_media(media.id)
    with pytest.raises(errors.WhatsAppError):
        wa.get_media_url(media.id)


def test_pywa_looks_things_up(wa: pywa.WhatsApp) -> None:
    assert wa.get_business_phone_number().id == PHONE
    wa.send_message(TO, "hi")
    assert [number.id for number in wa.get_business_phone_numbers()] == [PHONE]
    assert [template.name for template in wa.get_templates()] == ["hello_world"]
    assert wa.get_business_account().id == WABA
    assert wa.block_users([TO]).added_users
    assert [user.wa_id for user in wa.get_blocked_users()] == [TO]
    with pytest.raises(errors.WhatsAppError):
        wa.send_message(TO, "blocked")
    assert wa.unblock_users([TO]).removed_users


def test_pywa_understands_our_errors(simulator: Simulator, wa: pywa.WhatsApp) -> None:
    table: list[tuple[int, type[Exception]]] = [
        (130429, errors.RateLimitHit),
        (131056, errors.TooManyMessages),
        (131047, errors.ReEngagementMessage),
        (131026, errors.MessageUndeliverable),
    ]
    for code, wanted in table:
        simulator.fault(count=1, effect={"code": code})
        with pytest.raises(wanted):
            wa.send_message(TO, "hi")


def test_pywa_reads_our_webhooks(simulator: Simulator, receiver: Receiver, wa: pywa.WhatsApp) -> None:
    seen: list[Any] = []
    wa.add_handlers(
        *(
            handler(lambda _, update: seen.append(update))
            for handler in (pywa.handlers.MessageHandler, pywa.handlers.MessageStatusHandler)
        )
    )
    wa.send_message(TO, "hi", tracker="our-id")
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "text": "héllo"})
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "type": "image", "caption": "c"})
    simulator.admin("POST", "inbound", {"phone": PHONE, "user_id": "US.1", "identity": "user_id"})
    for webhook in many(receiver.posts, 5):
        assert wa.webhook_update_validator(webhook.raw, webhook.headers[utils.HUB_SIG.lower()]) is None
        body, status = wa.webhook_update_handler(update=webhook.raw)
        assert status == 200, body
    statuses = [update for update in seen if isinstance(update, types.MessageStatus)]
    assert [update.tracker for update in statuses] == ["our-id", "our-id"]
    messages = [update for update in seen if isinstance(update, types.Message)]
    assert sorted(message.text or message.caption or "" for message in messages) == ["Hello", "c", "héllo"]

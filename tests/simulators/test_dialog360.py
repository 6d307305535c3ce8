"""360dialog: key header, paths without version and number, own errors, no signature of Meta's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.simulators.support import USER, Receiver, Simulator, error_of, eventually

KEY = "d360-api-key-of-the-number"
BODY = {"messaging_product": "whatsapp", "to": USER, "type": "text", "text": {"body": "hi"}}


def call(simulator: Simulator, method: str, path: str, key: str = KEY, **kwargs: Any) -> Any:
    return simulator.call(method, path, token=None, headers={"D360-API-KEY": key}, **kwargs)


def test_messages_are_sent_without_version_and_number(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start("--d360-phone", f"1001:2001:{KEY}", "--open", "off")
    response = call(simulator, "POST", "/messages", json={**BODY, "biz_opaque_callback_data": "our-id"})
    assert response.json()["contacts"][0]["wa_id"] == USER
    assert [entry["phone_number_id"] for entry in simulator.ledger()] == ["1001"]
    eventually(lambda: [status["status"] for status in receiver.statuses()] == ["sent", "delivered"])
    for webhook in receiver.posts():
        assert "x-hub-signature-256" not in webhook.headers
        assert webhook.json["entry"][0]["id"] == "2001"


def test_its_own_errors_differ_and_metas_pass_through(start: Callable[..., Simulator]) -> None:
    simulator = start("--d360-phone", f"1001:2001:{KEY}", "--open", "off")
    wrong = call(simulator, "POST", "/messages", key="wrong", json=BODY)
    assert wrong.status_code == 401
    assert wrong.json() == {"meta": {"httpCode": 401, "developerMessage": "Invalid api_key", "success": False}}
    assert call(simulator, "GET", "/nothing").json()["meta"]["httpCode"] == 404
    assert error_of(call(simulator, "POST", "/messages", json={**BODY, "type": "telegram"}))["code"] == 100
    simulator.fault(phone="1001", count=1, effect={"code": 131056})
    assert error_of(call(simulator, "POST", "/messages", json=BODY))["code"] == 131056


def test_the_webhook_is_configured_per_number(simulator: Simulator, receiver: Receiver) -> None:
    wish = {"url": f"{receiver.url}/360dialog", "headers": {"X-Our-Secret": "s3cret"}}
    assert call(simulator, "POST", "/v1/configs/webhook", json=wish).json() == wish
    assert call(simulator, "GET", "/v1/configs/webhook").json() == wish
    assert call(simulator, "POST", "/v1/configs/webhook", json={"url": "nonsense"}).status_code == 400
    call(simulator, "POST", "/messages", json=BODY)
    eventually(lambda: len(receiver.statuses()) == 2)
    webhook = receiver.posts()[0]
    assert webhook.path.endswith("/360dialog")
    assert webhook.headers["x-our-secret"] == "s3cret"


def test_media_urls_name_metas_host_which_the_caller_replaces(simulator: Simulator) -> None:
    files = {"file": ("a.pdf", b"%PDF", "application/pdf"), "messaging_product": (None, "whatsapp")}
    media_id = call(simulator, "POST", "/media", files=files).json()["id"]
    url = urlsplit(call(simulator, "GET", f"/{media_id}").json()["url"])
    assert (url.scheme, url.netloc) == ("https", "lookaside.fbsbx.com")
    assert call(simulator, "GET", f"{url.path}?{url.query}").content == b"%PDF"
    assert call(simulator, "GET", f"{url.path}?{url.query}", key="").status_code == 401
    assert call(simulator, "DELETE", f"/{media_id}").json() == {"success": True}


def test_both_doors_of_one_process_lead_to_one_ledger(simulator: Simulator) -> None:
    simulator.send()
    call(simulator, "POST", "/messages", json=BODY)
    assert len({entry["phone_number_id"] for entry in simulator.ledger()}) == 2

"""Who may do what: tokens, numbers, accounts, templates, media, limits; what Graph answers about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from tests.simulators.support import PHONE, SECRET, USER, WABA, Receiver, Simulator, error_of, eventually

STRICT = ("--phone", "1001:2001:EAAone", "--phone", "1002:2002:EAAtwo", "--open", "off")


def test_tokens_are_checked_as_meta_checks_them(start: Callable[..., Simulator]) -> None:
    simulator = start(*STRICT)
    table: list[tuple[str, str | None, int, int]] = [
        ("1001", "EAAone", 200, 0),
        ("1001", None, 401, 104),
        ("1001", "EAAunknown", 401, 190),
        ("1001", "EAAtwo", 403, 10),
        ("1003", "EAAone", 400, 100),
    ]
    for phone, token, http, code in table:
        response = simulator.send(phone, token=token)
        assert response.status_code == http, (phone, token, response.text)
        if code:
            assert error_of(response)["code"] == code
    unknown = error_of(simulator.send("1003", token="EAAone"))
    assert (unknown["error_subcode"], unknown["type"]) == (33, "GraphMethodException")
    assert "Object with ID '1003' does not exist" in unknown["message"]


def test_open_mode_takes_unknown_numbers_but_keeps_registered_ones_strict(start: Callable[..., Simulator]) -> None:
    simulator = start("--phone", "1001:2001:EAAone")
    assert simulator.send("4711").status_code == 200
    assert simulator.send("4711", token="EAAanother").status_code == 200
    assert error_of(simulator.send("4711", token="nonsense"))["code"] == 190
    assert error_of(simulator.send("letters"))["code"] == 100
    assert error_of(simulator.send("1001"))["code"] == 10, "in open mode any EAA token is somebody's"
    assert error_of(simulator.send("1001", token="nonsense"))["code"] == 190
    simulator.admin("POST", "phones", {"id": "4712", "waba_id": "2001", "token": "EAAthree"})
    assert simulator.send("4712", token="EAAthree").status_code == 200
    assert simulator.send("4712").status_code == 403
    assert {row["id"] for row in simulator.admin("GET", "phones")["phones"]} == {"1001", "4711", "4712"}


def test_a_number_can_be_looked_up(simulator: Simulator) -> None:
    fields = "id,display_phone_number,verified_name,quality_rating,throughput,status,platform_type,nonsense"
    found = simulator.call("GET", f"/v25.0/{PHONE}", params={"fields": fields}).json()
    assert found["id"] == PHONE
    assert found["throughput"] == {"level": "HIGH"}
    assert found["status"] == "CONNECTED"
    assert "nonsense" not in found
    default = simulator.call("GET", f"/v25.0/{PHONE}/").json()
    assert set(default) == {
        *("id", "verified_name", "code_verification_status", "display_phone_number", "quality_rating")
    }


def test_a_number_is_registered_and_deregistered(simulator: Simulator) -> None:
    simulator.send()
    assert simulator.call("POST", f"/{PHONE}/deregister").json() == {"success": True}
    assert error_of(simulator.send())["code"] == 133010
    assert error_of(simulator.call("POST", f"/{PHONE}/deregister"))["error_subcode"] == 2207051
    body = {"messaging_product": "whatsapp", "pin": "123456"}
    assert error_of(simulator.call("POST", f"/{PHONE}/register", json={**body, "pin": "12"}))["code"] == 100
    assert simulator.call("POST", f"/{PHONE}/register", json=body).json() == {"success": True}
    assert simulator.send().status_code == 200
    assert error_of(simulator.call("POST", f"/{PHONE}/register", json={**body, "pin": "654321"}))["code"] == 133005
    codes = [simulator.call("POST", f"/{PHONE}/register", json=body).status_code for _ in range(10)]
    assert codes[0] == 200
    assert error_of(simulator.call("POST", f"/{PHONE}/register", json=body))["code"] == 133016


def test_lists_are_paged_by_cursor(simulator: Simulator) -> None:
    for number in range(5):
        simulator.admin("POST", "phones", {"id": str(1000 + number), "waba_id": "2001"})
    seen: list[str] = []
    url = "/v25.0/2001/phone_numbers?limit=2"
    answer: dict[str, Any] = {}
    while url:
        answer = simulator.call("GET", url).json()
        seen += [row["id"] for row in answer["data"]]
        url = answer["paging"].get("next", "")
    assert seen == [str(1000 + number) for number in range(5)]
    before = simulator.call("GET", answer["paging"]["previous"]).json()
    assert [row["id"] for row in before["data"]] == ["1002", "1003"]
    assert error_of(simulator.call("GET", "/2001/phone_numbers?after=nonsense"))["code"] == 100
    assert simulator.call("GET", f"/{PHONE}/block_users").json() == {"data": []}


def test_templates_are_known_and_checked(start: Callable[..., Simulator]) -> None:
    simulator = start("--unknown-templates", "off")
    body = {"type": "BODY", "text": "Hi {{1}}, {{2}}"}
    wish = {"name": "order", "language": "en", "category": "UTILITY", "components": [body]}
    created = simulator.call("POST", f"/{WABA}/message_templates", json=wish).json()
    assert created["status"] == "APPROVED"
    assert error_of(simulator.call("POST", f"/{WABA}/message_templates", json=wish))["error_subcode"] == 2388024
    assert simulator.call("GET", f"/{created['id']}").json()["name"] == "order"
    simulator.admin("POST", "templates", {**wish, "name": "paused", "status": "PAUSED"})
    simulator.admin("POST", "templates", {**wish, "name": "disabled", "status": "DISABLED"})

    def code(name: str, *texts: str, language: str = "en") -> int:
        parameters = [{"type": "text", "text": text} for text in texts]
        components = [{"type": "body", "parameters": parameters}]
        template = {"name": name, "language": {"code": language}, "components": components}
        response = simulator.send(type="template", template=template)
        return 0 if response.status_code == 200 else int(error_of(response)["code"])

    found = [code("order", "a", "b"), code("order", "a"), code("order", "a", "b", language="de"), code("none")]
    assert found == [0, 132000, 132001, 132001]
    assert [code("paused", "a", "b"), code("disabled", "a", "b")] == [132015, 132016]
    names = simulator.call("GET", f"/{WABA}/message_templates", params={"status": "APPROVED"}).json()["data"]
    assert [row["name"] for row in names] == ["hello_world", "order"]
    simulator.call("DELETE", f"/{WABA}/message_templates", params={"name": "order"})
    assert code("order", "a", "b") == 132001


def test_callbacks_can_be_overridden_after_a_handshake(simulator: Simulator, receiver: Receiver) -> None:
    other = Receiver()
    try:
        body = {"override_callback_uri": f"{other.url}/waba", "verify_token": "wrong"}
        simulator.send()
        refused = simulator.call("POST", f"/{WABA}/subscribed_apps", json=body)
        assert refused.status_code == 422
        other.verify_token = "its own"
        body["verify_token"] = "its own"
        assert simulator.call("POST", f"/{WABA}/subscribed_apps", json=body).json() == {"success": True}
        listed = simulator.call("GET", f"/{WABA}/subscribed_apps").json()["data"]
        assert listed[0]["override_callback_uri"] == body["override_callback_uri"]
        simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "text": "to the account's address"})
        eventually(lambda: len(other.messages()) == 1)
        override = {"webhook_configuration": {**body, "override_callback_uri": f"{other.url}/number"}}
        assert simulator.call("POST", f"/{PHONE}", json=override).json() == {"success": True}
        simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "text": "to the number's address"})
        eventually(lambda: len(other.messages()) == 2)
        assert {webhook.path for webhook in other.posts()} == {"/webhooks/meta/waba", "/webhooks/meta/number"}
        removal = {"webhook_configuration": {"override_callback_uri": ""}}
        simulator.call("POST", f"/{PHONE}", json=removal)
        simulator.call("POST", f"/{WABA}/subscribed_apps")
        simulator.call("DELETE", f"/{WABA}/subscribed_apps")
        simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "text": "to nobody"})
        simulator.call("POST", f"/{WABA}/subscribed_apps")
        simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "text": "to the app"})
        eventually(lambda: [message["text"]["body"] for message in receiver.messages()] == ["to the app"])
    finally:
        other.close()


def test_embedded_signup_exchanges_a_code(start: Callable[..., Simulator]) -> None:
    simulator = start(*STRICT)
    query = {"client_id": "1", "client_secret": SECRET, "code": "AQB"}
    answer = simulator.call("GET", "/v25.0/oauth/access_token", token=None, params=query).json()
    assert answer["token_type"] == "bearer"
    token = answer["access_token"]
    assert token.startswith("EAA")
    assert simulator.call("POST", "/2001/subscribed_apps", token=token).json() == {"success": True}
    assert simulator.send("1001", token=token).status_code == 200
    wrong = simulator.call("GET", "/oauth/access_token", token=None, params={**query, "client_secret": "x"})
    assert wrong.status_code == 400
    debug = simulator.call("GET", "/debug_token", token="EAAone", params={"input_token": token}).json()["data"]
    assert debug["is_valid"] is True
    assert "whatsapp_business_messaging" in debug["scopes"]
    debug = simulator.call("GET", "/debug_token", token="EAAone", params={"input_token": "x"}).json()["data"]
    assert debug["is_valid"] is False


def test_blocked_users_cannot_be_written_to(simulator: Simulator) -> None:
    body = {"messaging_product": "whatsapp", "block_users": [{"user": f"+{USER}"}]}
    answer = simulator.call("POST", f"/{PHONE}/block_users", json=body).json()
    assert answer["block_users"]["added_users"] == [{"input": f"+{USER}", "wa_id": USER}]
    assert error_of(simulator.send())["code"] == 130403
    simulator.call("DELETE", f"/{PHONE}/block_users", json=body)
    assert simulator.send().status_code == 200


def upload(simulator: Simulator, content: bytes, mime_type: str, **fields: Any) -> Any:
    files = {"file": ("a.bin", content, mime_type), **{key: (None, value) for key, value in fields.items()}}
    return simulator.call("POST", f"/v25.0/{PHONE}/media?messaging_product=whatsapp", files=files)


def test_media_are_uploaded_looked_up_fetched_and_deleted(simulator: Simulator) -> None:
    content = bytes(range(256)) * 40 + b"\r\n--not the boundary\r\n"
    media_id = upload(simulator, content, "image/png").json()["id"]
    found = simulator.call("GET", f"/v25.0/{media_id}").json()
    assert found["messaging_product"] == "whatsapp"
    assert (found["mime_type"], found["file_size"], found["id"]) == ("image/png", len(content), media_id)
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    fetched = simulator.call("GET", found["url"])
    assert (fetched.content, fetched.headers["content-type"]) == (content, "image/png")
    assert simulator.call("GET", found["url"], token=None).status_code == 401
    assert simulator.call("GET", found["url"] + "x").status_code == 404
    assert simulator.call("GET", f"/{media_id}?phone_number_id={PHONE}").status_code == 200
    assert error_of(simulator.call("GET", f"/{media_id}?phone_number_id=1"))["code"] == 100
    assert simulator.send(type="image", image={"id": media_id}).status_code == 200
    assert simulator.call("DELETE", f"/{media_id}").json() == {"success": True}
    assert simulator.call("GET", found["url"]).status_code == 404
    assert error_of(simulator.call("GET", f"/{media_id}"))["error_subcode"] == 33
    assert error_of(simulator.send(type="image", image={"id": media_id}))["code"] == 100


def test_media_urls_expire(simulator: Simulator) -> None:
    media_id = upload(simulator, b"%PDF", "application/pdf", type="application/pdf").json()["id"]
    simulator.set(media_url_ttl_s=0.0)
    url = simulator.call("GET", f"/{media_id}").json()["url"]
    eventually(lambda: simulator.call("GET", url).status_code == 404)


def test_bad_uploads_are_refused(simulator: Simulator) -> None:
    assert "Received file of type 'image/gif'" in error_of(upload(simulator, b"GIF", "image/gif"))["message"]
    assert error_of(upload(simulator, b"x" * (5 * 1024 * 1024 + 1), "image/jpeg"))["code"] == 100
    assert error_of(simulator.call("POST", f"/{PHONE}/media", data={"messaging_product": "whatsapp"}))["code"] == 100
    no_product = simulator.call("POST", f"/{PHONE}/media", files={"file": ("a", b"%PDF", "application/pdf")})
    assert "messaging_product" in error_of(no_product)["message"]


def test_a_medium_of_the_wrong_kind_fails_later(simulator: Simulator, receiver: Receiver) -> None:
    media_id = upload(simulator, b"%PDF", "application/pdf").json()["id"]
    assert simulator.send(type="video", video={"id": media_id}).status_code == 200
    (status,) = eventually(receiver.statuses)
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131053)


def test_a_reaction_to_an_unknown_message_fails_later(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start(*STRICT)
    reaction = {"message_id": "wamid.unknown", "emoji": "x"}
    assert simulator.send("1001", token="EAAone", type="reaction", reaction=reaction).status_code == 200
    (status,) = eventually(receiver.statuses)
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131009)


def test_throughput_is_limited_per_number(start: Callable[..., Simulator]) -> None:
    simulator = start("--rate-per-s", "3")
    codes = [simulator.send("1001").status_code for _ in range(20)]
    assert codes[:3] == [200] * 3
    assert 400 in codes
    assert simulator.send("1002").status_code == 200
    eventually(lambda: simulator.send("1001").status_code == 200)


def test_a_pair_is_limited_to_a_burst(start: Callable[..., Simulator]) -> None:
    simulator = start("--pair-limit", "on")
    codes = [simulator.send().status_code for _ in range(46)]
    assert codes == [200] * 45 + [400]
    assert error_of(simulator.send())["code"] == 131056
    assert simulator.send(to="+16505559999").status_code == 200
    simulator.set(pair_scale=0.01)
    eventually(lambda: simulator.send().status_code == 200)

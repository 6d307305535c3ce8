"""Bad input, as a table: the documented status and code for each, never a 500, and nothing half-written."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

import pytest

from bisnes_api.problem import PROBLEMS
from tests.fixtures.api import Api, Company, sign
from tests.integration.test_api_messages import LOOPBACK, store

JSON = {"Content-Type": "application/json"}
TEXT = "/api/v2/messages/text/{company}/60123456789@c.us"
PHONES = "/api/v2/phones/{company}"
ARABIC_ZERO = "\u0660"
META: dict[str, Any] = {
    "connectionType": "meta_direct",
    "config": {"phone_number_id": "1234567", "access_token": "EAAx"},
}


@dataclass(frozen=True)
class Bad:
    """A request that must be refused; `{company}` stands for the company, `{other}` for another one."""

    name: str
    code: str
    path: str = TEXT
    method: str = "POST"
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    key: str | None = "{key}"
    field: str | None = None
    channel: str = "meta"

    @property
    def body(self) -> dict[str, Any]:
        if self.content is not None:
            return {"content": self.content}
        return {"json": self.json} if self.json is not None else {}


def anywhere(name: str, kind: str, json: Any, field: str, code: str = "invalid_field", **more: Any) -> Bad:
    """A bad body of a kind, at a phone that sends every kind."""
    path = more.pop("path", f"/api/v2/messages/{kind}/{{company}}/60123456789")
    return Bad(f"{kind}: {name}", code, path, json=json, field=field, channel="loopback", **more)


HELLO = {"message": "hello"}
#: Messages that the company with a phone at loopback has.
OURS, THEIRS = "true_60123456789@c.us_3EB0/==", "false_60123456789@c.us_3EB1/=="
FILE = "https://files.example/a.bin"
CONTACT = {"name": "Ana", "phone": "60123456789"}
POLL: dict[str, Any] = {"question": "When?", "options": ["Now", "Later"]}
PLACE = {"latitude": 3, "longitude": 101}
ABOUT = "/api/v2/messages/{company}/60123456789@c.us/"
FILES = (("image", "imageUrl"), ("video", "videoUrl"), ("document", "documentUrl"), ("sticker", "stickerUrl"))
KINDS = [
    *(anywhere("no address", kind, {}, field) for kind, field in FILES),
    *(anywhere("address is empty", kind, {field: ""}, field) for kind, field in FILES),
    *(anywhere("address is a number", kind, {field: 5}, field) for kind, field in FILES),
    *(anywhere("address of a local file", kind, {field: "file:///etc/passwd"}, field) for kind, field in FILES),
    *(anywhere("address with a line feed", kind, {field: FILE + "\nHost: x"}, field) for kind, field in FILES),
    *(anywhere("endless address", kind, {field: FILE + "x" * 9000}, field, "over_limit") for kind, field in FILES),
    *(anywhere("name of 256", kind, {field: FILE, "filename": "n" * 256}, "filename") for kind, field in FILES),
    *(
        anywhere("quote is a list", kind, {field: FILE, "quotedMessageId": []}, "quotedMessageId")
        for kind, field in FILES
    ),
    anywhere("no address", "audio", {}, "audioUrl", "audio_url_missing"),
    anywhere("address is empty", "audio", {"audioUrl": ""}, "audioUrl", "audio_url_missing"),
    anywhere("address is none", "audio", {"audioUrl": "voice.ogg"}, "audioUrl"),
    anywhere("voice is a word", "audio", {"audioUrl": FILE, "voice": "loud"}, "voice"),
    anywhere("an array", "audio", [], "body"),
    anywhere("caption is a number", "image", {"imageUrl": FILE, "caption": 5}, "caption"),
    anywhere("long caption", "image", {"imageUrl": FILE, "caption": "c" * 65_537}, "caption", "over_limit"),
    anywhere("old alias is a number", "document", {"documentUrl": FILE, "fileName": 1}, "fileName"),
    anywhere(
        "quote of no message", "image", {"imageUrl": FILE, "quotedMessageId": str(UUID(int=7))}, "quotedMessageId"
    ),
    anywhere("no degrees", "location", {"longitude": 1}, "latitude"),
    anywhere("past the pole", "location", PLACE | {"latitude": 90.1}, "latitude"),
    anywhere("past the date line", "location", PLACE | {"longitude": -180.5}, "longitude"),
    anywhere("a word for degrees", "location", PLACE | {"latitude": "north"}, "latitude"),
    anywhere("nan for degrees", "location", PLACE | {"latitude": "nan"}, "latitude"),
    anywhere("blank name", "location", PLACE | {"name": " "}, "name"),
    anywhere("no contacts", "contacts", {}, "contacts"),
    anywhere("empty contacts", "contacts", {"contacts": []}, "contacts"),
    anywhere("a contact is a word", "contacts", {"contacts": ["Ana"]}, "contacts.0"),
    anywhere("no phone", "contacts", {"contacts": [CONTACT, {"name": "Bo"}]}, "contacts.1.phone"),
    anywhere("phone of letters", "contacts", {"contacts": [CONTACT | {"phone": "call me"}]}, "contacts.0.phone"),
    anywhere("phone in Arabic", "contacts", {"contacts": [CONTACT | {"phone": ARABIC_ZERO * 9}]}, "contacts.0.phone"),
    anywhere("blank name", "contacts", {"contacts": [CONTACT | {"name": " "}]}, "contacts.0.name"),
    anywhere("300 contacts", "contacts", {"contacts": [CONTACT] * 300}, "contacts", "over_limit"),
    anywhere("no question", "poll", {"options": ["a", "b"]}, "question"),
    anywhere("long question", "poll", POLL | {"question": "q" * 256}, "question", "over_limit"),
    anywhere("one option", "poll", POLL | {"options": ["Now"]}, "options"),
    anywhere("13 options", "poll", POLL | {"options": [str(n) for n in range(13)]}, "options"),
    anywhere("the same option twice", "poll", POLL | {"options": ["Now", "Now"]}, "options"),
    anywhere("an option is a number", "poll", POLL | {"options": ["Now", 7]}, "options.1"),
    anywhere("long option", "poll", POLL | {"options": ["Now", "o" * 101]}, "options.1", "over_limit"),
    anywhere("three of two", "poll", POLL | {"choicesMax": 3}, "choicesMax"),
    anywhere("fewer than none", "poll", POLL | {"choicesMax": -1}, "choicesMax"),
    anywhere("half a choice", "poll", POLL | {"choicesMax": 0.5}, "choicesMax"),
    anywhere("no message", "forward", {}, "messageId"),
    anywhere("unknown message", "forward", {"messageId": "wamid.x"}, "messageId", "message_not_found"),
    anywhere("NUL", "forward", {"messageId": "a\0b"}, "messageId"),
    anywhere("unknown sign", "typing", {"sign": "dancing"}, "sign"),
    anywhere("for a minute", "typing", {"seconds": 60}, "seconds"),
    anywhere("chat of no form", "poll", POLL, "chatId", path="/api/v2/messages/poll/{company}/nobody"),
    # -- edit, delete
    anywhere("no text", "edit", {}, "newMessage", path=ABOUT + OURS, method="PUT"),
    anywhere("empty text", "edit", {"newText": ""}, "newText", path=ABOUT + OURS, method="PUT"),
    anywhere("blank text", "edit", {"newMessage": " "}, "newMessage", path=ABOUT + OURS, method="PUT"),
    anywhere("of somebody else", "edit", {"newText": "x"}, "messageId", path=ABOUT + THEIRS, method="PUT"),
    anywhere(
        *("of no message", "edit", {"newText": "x"}, "messageId", "message_not_found"),
        path=ABOUT + "true_60123456789@c.us_3EB0",
        method="PUT",
    ),
    anywhere(
        *("in a chat of no form", "edit", {"newText": "x"}, "chatId"),
        path="/api/v2/messages/{company}/nobody/" + OURS,
        method="PUT",
    ),
    anywhere("no message", "delete", {}, "messageId", "message_not_found", path=ABOUT + "x", method="DELETE"),
    anywhere(
        "a word", "delete", {"deleteForEveryone": "true"}, "deleteForEveryone", path=ABOUT + OURS, method="DELETE"
    ),
    anywhere("a number", "delete", {"deleteForEveryone": 1}, "deleteForEveryone", path=ABOUT + OURS, method="DELETE"),
    anywhere("phone -1", "delete", {"phoneIndex": -1}, "phoneIndex", path=ABOUT + OURS, method="DELETE"),
    Bad(
        "delete: half a body", "malformed_json", ABOUT + OURS, "DELETE", content=b"{", headers=JSON, channel="loopback"
    ),
    Bad("edit: no body", "malformed_json", ABOUT + OURS, "PUT", headers=JSON, channel="loopback"),
    Bad("edit: another company's", "company_not_found", "/api/v2/messages/{other}/60123456789/x", "PUT", json=HELLO),
    Bad("image at Meta", "kind_unsupported", "/api/v2/messages/image/{company}/60123456789", json={"imageUrl": FILE}),
]
TABLE = [
    *KINDS,
    # -- JSON
    Bad("no body", "malformed_json", headers=JSON),
    Bad("half a body", "malformed_json", content=b'{"message": "hel', headers=JSON),
    Bad("single quotes", "malformed_json", content=b"{'message': 'hello'}", headers=JSON),
    Bad("not UTF-8", "malformed_json", content=b'{"message": "\xff\xfe"}', headers=JSON),
    Bad("half a surrogate pair", "malformed_json", content=b'{"message": "\\ud83d"}', headers=JSON),
    Bad("a raw control character", "malformed_json", content=b'{"message": "\x00"}', headers=JSON),
    Bad("too deep", "malformed_json", content=b"[" * 200_000, headers=JSON),
    Bad("not a number", "malformed_json", content=b'{"message": "a", "phoneIndex": NaN}', headers=JSON),
    Bad("an array", "invalid_field", json=[1], field="body"),
    Bad("a string", "invalid_field", json="hello", field="body"),
    Bad("null", "invalid_field", content=b"null", headers=JSON, field="body"),
    # -- content type, size
    Bad(
        "a form",
        "wrong_content_type",
        content=b"message=hello",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Bad("no content type", "wrong_content_type", content=b'{"message": "hello"}'),
    Bad("text/json", "wrong_content_type", content=b"{}", headers={"Content-Type": "text/json"}),
    Bad("1 MB of text", "body_too_large", json={"message": "x" * 1_000_000}),
    Bad("chunked 2 MB", "body_too_large", headers=JSON | {"X-Chunked": "1"}, content=b"x" * 2_000_000),
    # -- fields
    Bad("no message", "invalid_field", json={}, field="message"),
    Bad("message is null", "invalid_field", json={"message": None}, field="message"),
    Bad("message is a number", "invalid_field", json={"message": 5}, field="message"),
    Bad("message is an object", "invalid_field", json={"message": {"a": "b"}}, field="message"),
    Bad("message is empty", "invalid_field", json={"message": ""}, field="message"),
    Bad("message with NUL", "invalid_field", json={"message": "a\0b"}, field="message"),
    Bad("NUL in a name", "invalid_field", json=HELLO | {"userName": "\0"}, field="userName"),
    Bad("NUL deep inside", "invalid_field", json=HELLO | {"x": [{"y": "\0"}]}, field="x.0.y"),
    Bad("NUL in a field's name", "invalid_field", json=HELLO | {"x": {"\0": 1}}, field="x"),
    Bad("4,097 characters", "over_limit", json={"message": "é" * 4097}, field="message"),
    Bad("900 kB of text", "over_limit", json={"message": "x" * 900_000}, field="message"),
    Bad("negative phone", "invalid_field", json=HELLO | {"phoneIndex": -1}, field="phoneIndex"),
    Bad("huge phone", "invalid_field", json=HELLO | {"phoneIndex": 2**31}, field="phoneIndex"),
    Bad("colossal phone", "malformed_json", content=b'{"message":"a","phoneIndex":1' + b"0" * 400 + b"}", headers=JSON),
    Bad("phone is a word", "invalid_field", json=HELLO | {"phoneIndex": "first"}, field="phoneIndex"),
    Bad("phone is a list", "invalid_field", json=HELLO | {"phoneIndex": [0]}, field="phoneIndex"),
    Bad("phone is true", "invalid_field", json=HELLO | {"phoneIndex": True}, field="phoneIndex"),
    Bad("phone is half", "invalid_field", json=HELLO | {"phoneIndex": 0.5}, field="phoneIndex"),
    Bad("phone in Arabic digits", "invalid_field", json=HELLO | {"phoneIndex": ARABIC_ZERO}, field="phoneIndex"),
    Bad("name of 256 characters", "invalid_field", json=HELLO | {"userName": "n" * 256}, field="userName"),
    Bad("quoted id of 256", "invalid_field", json=HELLO | {"quotedMessageId": "q" * 256}, field="quotedMessageId"),
    Bad("quoted id of no form", "invalid_field", json=HELLO | {"quotedMessageId": "x"}, field="quotedMessageId"),
    Bad("unknown priority", "invalid_field", json=HELLO | {"priority": "urgent"}, field="priority"),
    Bad(
        "idempotency key too long",
        "invalid_field",
        json=HELLO,
        headers={"Idempotency-Key": "k" * 256},
        field="Idempotency-Key",
    ),
    Bad("idempotency key empty", "invalid_field", json=HELLO, headers={"Idempotency-Key": ""}, field="Idempotency-Key"),
    Bad("chat without form", "invalid_field", "/api/v2/messages/text/{company}/nobody", json=HELLO, field="chatId"),
    Bad("chat with NUL", "invalid_field", "/api/v2/messages/text/{company}/%00", json=HELLO, field="chatId"),
    Bad("chat not UTF-8", "invalid_field", "/api/v2/messages/text/{company}/%ff%fe", json=HELLO, field="chatId"),
    Bad("chat of 300", "invalid_field", "/api/v2/messages/text/{company}/" + "1" * 300, json=HELLO, field="chatId"),
    Bad("a group at Meta", "kind_unsupported", "/api/v2/messages/text/{company}/120363000000000@g.us", json=HELLO),
    # -- who and where
    Bad("unknown phone", "phone_not_found", json=HELLO | {"phoneIndex": 9}, field="phoneIndex"),
    Bad("unknown company", "company_not_found", "/api/v2/messages/text/nobody/60123456789", json=HELLO),
    Bad("another company", "company_not_found", "/api/v2/messages/text/{other}/60123456789", json=HELLO),
    Bad("another company's list", "company_not_found", "/api/v2/messages/{other}", "GET"),
    Bad("another company's phones", "company_not_found", "/api/v2/phones/{other}", "GET"),
    Bad("company with NUL", "company_not_found", "/api/v2/messages/%00", "GET"),
    Bad("no key", "key_missing", json=HELLO, key=None),
    Bad("no key, bad body", "key_missing", content=b"{", headers=JSON, key=None),
    Bad("unknown key", "key_unknown", json=HELLO, key="bisnes_nonsense"),
    Bad("endless key", "key_unknown", json=HELLO, key="k" * 5000),
    Bad("key in another scheme", "key_missing", json=HELLO, headers={"Authorization": "Basic YTpi"}, key=None),
    Bad("no such path", "not_found", "/api/v3/anything"),
    Bad("no such kind", "method_not_allowed", "/api/v2/messages/telepathy/{company}/60123456789", json=HELLO),
    Bad("wrong method", "method_not_allowed", "/health", json={}),
    # -- messages
    Bad(
        "unknown message", "message_not_found", "/api/v2/messages/{company}/0199c1f0-0000-7000-8000-000000000000", "GET"
    ),
    Bad("message id of 5,000", "message_not_found", "/api/v2/messages/{company}/" + "m" * 3000, "GET"),
    Bad("message id with NUL", "message_not_found", "/api/v2/messages/{company}/a%00b", "GET"),
    Bad("reaction to nothing", "message_not_found", "/api/messages/react/{company}/wamid.x", json={"reaction": "👍"}),
    Bad("no reaction", "invalid_field", "/api/messages/react/{company}/wamid.x", json={}, field="reaction"),
    Bad("read nothing", "message_not_found", "/api/v2/messages/read/{company}/wamid.x", json={}),
    Bad("page of 0", "invalid_field", "/api/v2/messages/{company}?limit=0", "GET", field="limit"),
    Bad("cursor is a word", "invalid_field", "/api/v2/messages/{company}?cursor=next", "GET", field="cursor"),
    Bad(
        "cursor too far",
        "invalid_field",
        "/api/v2/messages/{company}?cursor=9223372036854775808",
        "GET",
        field="cursor",
    ),
    Bad("status with NUL", "invalid_field", "/api/v2/messages/{company}?status=%00", "GET", field="status"),
    # -- phones
    Bad(
        "unknown connection type",
        "connection_type_unknown",
        PHONES,
        json={"connectionType": "pigeon"},
        field="connectionType",
    ),
    Bad("no connection type", "invalid_field", PHONES, json={}, field="connectionType"),
    Bad("config of no form", "invalid_field", PHONES, json=META | {"config": []}, field="config"),
    Bad(
        "config without token",
        "invalid_field",
        PHONES,
        json=META | {"config": {"phone_number_id": "1234567"}},
        field="config",
    ),
    Bad(
        "config with a stranger",
        "invalid_field",
        PHONES,
        json=META | {"config": META["config"] | {"x": 1}},
        field="config",
    ),
    Bad(
        "token is a number",
        "invalid_field",
        PHONES,
        json=META | {"config": {"phone_number_id": "1234567", "access_token": 1}},
    ),
    Bad(
        "hidden secret of a new phone",
        "invalid_field",
        PHONES,
        json=META | {"config": META["config"] | {"access_token": "***"}},
        field="config.access_token",
    ),
    Bad("phone index taken", "phone_exists", PHONES, json=META | {"phoneIndex": 0}, field="phoneIndex"),
    Bad("phone index negative", "invalid_field", PHONES, json=META | {"phoneIndex": -1}, field="phoneIndex"),
    Bad("policy unknown", "invalid_field", PHONES, json=META | {"onUnconfirmed": "hope"}, field="onUnconfirmed"),
    Bad("NUL in the configuration", "invalid_field", PHONES, json=META | {"config": {"a\0": 1}}, field="config"),
    Bad("unknown phone read", "phone_not_found", PHONES + "/9", "GET"),
    Bad("phone index is a word", "phone_not_found", PHONES + "/first", "GET"),
    Bad("phone index is huge", "phone_not_found", PHONES + "/99999999999999999999", "DELETE"),
    Bad("phone index in Arabic", "phone_not_found", PHONES + "/" + ARABIC_ZERO, "GET"),
    Bad("unknown phone replaced", "phone_not_found", PHONES + "/9", "PUT", json=META),
    # -- webhooks
    Bad("no signature", "signature_invalid", "/webhooks/meta", content=b"{}", key=None),
    Bad(
        "forged signature",
        "signature_invalid",
        "/webhooks/meta",
        content=b"{}",
        headers=sign(b"{}", "guessed"),
        key=None,
    ),
    Bad(
        "signature of other bytes", "signature_invalid", "/webhooks/meta", content=b"{ }", headers=sign(b"{}"), key=None
    ),
    Bad(
        "truncated webhook",
        "signature_invalid",
        "/webhooks/meta",
        content=b'{"entry": [',
        headers=sign(b'{"entry": []}'),
        key=None,
    ),
    Bad(
        "signature without prefix",
        "signature_invalid",
        "/webhooks/meta",
        content=b"",
        headers={"X-Hub-Signature-256": "00" * 32},
        key=None,
    ),
    Bad("signed with nothing", "signature_invalid", "/webhook/meta", content=b"{}", headers=sign(b"{}", ""), key=None),
    Bad("360dialog unsigned", "signature_invalid", "/webhook/360dialog", content=b"{}", key=None),
    Bad("4 MB webhook", "body_too_large", "/webhooks/meta", content=b"x" * 4_000_000, key=None),
    Bad("webhook of no channel", "not_found", "/webhooks/pigeon", content=b"{}", key=None),
    Bad("webhook of a channel without one", "not_found", "/webhooks/wwebjs", content=b"{}", key=None),
    Bad(
        "verification without token",
        "verification_refused",
        "/webhooks/meta?hub.mode=subscribe&hub.challenge=1",
        "GET",
        key=None,
    ),
    Bad(
        "verification with a wrong token",
        "verification_refused",
        "/webhook/meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=x",
        "GET",
        key=None,
    ),
]


def rows(api: Api) -> tuple[Any, ...]:
    """How much is stored."""
    tables = ("messages", "phone_configs", "provider_events", "idempotent_answers", "companies", "api_keys")
    return api.sql("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables))[0]


def chunks(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + 65_536] for start in range(0, len(content), 65_536))


@pytest.fixture(scope="module")
def target(api: Api) -> Company:
    return api.company()


@pytest.fixture(scope="module")
def other(api: Api) -> Company:
    return api.company()


@pytest.fixture(scope="module")
def loopback(api: Api) -> Company:
    """A company whose phone sends every kind, with one message of each direction."""
    company = api.company(phone=LOOPBACK)
    store(company, "outbound", OURS, "sent")
    store(company, "inbound", THEIRS)
    return company


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_bad_input_is_refused_as_documented(
    api: Api, target: Company, loopback: Company, other: Company, bad: Bad
) -> None:
    before = rows(api)
    if bad.channel == "loopback":
        target = loopback
    path = bad.path.replace("{company}", target.id).replace("{other}", other.id)
    headers = dict(bad.headers)
    if bad.key:
        headers["Authorization"] = "Bearer " + bad.key.replace("{key}", target.key)
    body = bad.body
    if headers.pop("X-Chunked", None):
        body = {"content": chunks(body["content"])}
    answer = api.client.request(bad.method, path, headers=headers, **body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert (answer.status_code, document["code"]) == (PROBLEMS[bad.code][0], bad.code), document
    assert document["status"] == answer.status_code
    if bad.field:
        assert document["field"] == bad.field
    assert answer.status_code != 401 or "Bearer" in answer.headers["WWW-Authenticate"]
    assert rows(api) == before


def test_a_refused_body_does_not_cost_the_next_request_its_connection(api: Api) -> None:
    port = int(api.url.rsplit(":", 1)[1])
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.connect()
    for _ in range(5):
        connection.request("POST", "/webhooks/meta", b"x" * 12_000_000)
        refused = connection.getresponse()
        assert refused.status == 413
        refused.read()
    used = connection.sock
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200
    assert connection.sock is used, "still the first connection"
    connection.close()


@pytest.mark.parametrize(
    ("scopes", "method", "path"),
    [
        (["read", "phones"], "POST", TEXT),
        (["send", "phones"], "GET", "/api/v2/messages/{company}"),
        (["send", "read"], "GET", PHONES),
        (["send", "read"], "POST", PHONES),
        (["send", "read"], "DELETE", PHONES + "/0"),
    ],
)
def test_a_key_without_the_scope_is_refused(api: Api, scopes: list[str], method: str, path: str) -> None:
    company = api.company(*scopes)
    answer = company.ask(method, path.replace("{company}", company.id), json=HELLO if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_no_answer_repeats_a_secret_or_a_text(target: Company) -> None:
    config = {"phone_number_id": "1234567", "access_token": "EAA-very-secret" * 200}
    answers = [
        target.ask("POST", f"/api/v2/phones/{target.id}", json={"connectionType": "meta_direct", "config": config}),
        target.ask("POST", f"/api/v2/messages/text/{target.id}/1", json={"message": ["my-private-text"]}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "secret" not in answer.text
        assert "private" not in answer.text


def mutations(seed: int) -> Iterator[bytes]:
    """Requests that were good once, and plain noise."""
    dice = random.Random(seed)
    whole = (
        b"POST /api/v2/messages/text/c1/60123456789@c.us HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
        b"Content-Type: application/json\r\nContent-Length: 19\r\n\r\n"
        b'{"message":"hello"}'
    )
    for _ in range(150):
        request = bytearray(whole if dice.random() < 0.8 else dice.randbytes(dice.randrange(1, 400)))
        for _ in range(dice.randrange(0, 12)):
            request[dice.randrange(len(request))] = dice.randrange(256)
        yield bytes(request[: dice.randrange(1, len(request) + 1)])


def test_random_bytes_never_break_it(api: Api) -> None:
    before = rows(api)
    port = int(api.url.rsplit(":", 1)[1])
    for request in mutations(seed=7):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            try:
                answer = sock.recv(65_536)
            except ConnectionResetError:
                continue
        assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), (request, answer)
    assert rows(api) == before
    assert api.client.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Transfer-Encoding: chunked", b"ZZ\r\n{}\r\n"),
        (b"Transfer-Encoding: chunked", b"5\r\n{}"),
        (b"Content-Length: 50", b'{"message": "hello"}'),
    ],
)
def test_a_broken_off_body_is_refused(target: Company, head: bytes, body: bytes) -> None:
    port = int(target.api.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        path = TEXT.replace("{company}", target.id)
        sock.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.key}\r\n".encode()
            + b"Content-Type: application/json\r\n"
            + head
            + b"\r\n\r\n"
            + body
        )
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as stream:
            answer = stream.read()
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"bad_request" in answer


def test_random_json_never_breaks_it(target: Company) -> None:
    dice = random.Random(11)
    values: list[Any] = [None, True, 0, -1, 1e300, "", "x", "\ufffe", "😀" * 50, [], {}, [[]], {"a": None}, 2**63]
    fields = [
        "message",
        "phoneIndex",
        "userName",
        "quotedMessageId",
        "priority",
        "previewUrl",
        "connectionType",
        "config",
        *("imageUrl", "audioUrl", "voice", "caption", "latitude", "longitude", "contacts", "question", "options"),
        *("choicesMax", "messageId", "sign", "seconds", "newText", "deleteForEveryone"),
    ]
    kinds = ("image", "audio", "location", "contacts", "poll", "forward", "typing")
    paths = [f"/api/v2/messages/{kind}/{{company}}/60123456789" for kind in kinds]
    paths += [TEXT, PHONES, "/api/messages/react/{company}/x", "/api/v2/messages/read/{company}/x", PHONES + "/0"]
    for _ in range(300):
        body = {dice.choice(fields): dice.choice(values) for _ in range(dice.randrange(6))}
        path = dice.choice(paths).replace("{company}", target.id)
        method = "PUT" if path.endswith("/0") else "POST"
        answer = target.ask(method, path, json=body)
        assert answer.status_code < 500, (path, body, answer.text)

"""Bytes and bodies that are no requests: never a 500, nothing stored, and the next request is answered."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.fixtures.api import Api, Company
from tests.fixtures.bad_input import PHONES, TEXT, rows


@pytest.fixture(scope="module")
def target(api: Api) -> Company:
    return api.company()


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

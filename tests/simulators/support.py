"""A simulator process and a receiver of its webhooks, for the tests of this folder."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT.parent / "shared" / "vectors" / "meta-openapi"

SECRET = "0123456789abcdef0123456789abcdef"
VERIFY_TOKEN = "a verify token"
TOKEN = "EAAsimulated"
PHONE = "106540352242922"
WABA = "102290129340398"
USER = "16505551234"

#: A wait that never happens in a healthy run; a slow machine with two busy cores fits in.
DEADLINE_S = 10.0
#: Short enough not to be felt, long enough to leave the processor to what is waited for.
POLL_S = 0.01

T = TypeVar("T")

_pause = threading.Event()


def eventually(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of ``condition``; fail when there is none in time."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not so within {deadline_s} s; last value {value!r}"
        _pause.wait(POLL_S)


def many(read: Callable[[], list[T]], count: int) -> list[T]:
    """Return what ``read`` gives as soon as there are exactly ``count``."""
    eventually(lambda: len(read()) == count)
    return read()


class Webhook(NamedTuple):
    """A request that the receiver got. ``at`` is monotonic seconds."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    at: float

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        value: dict[str, Any] = json.loads(self.raw)
        return value

    def is_signed(self, secret: str = SECRET) -> bool:
        """Tell whether Meta's signature is right for the bytes that came."""
        expected = "sha256=" + hmac.new(secret.encode(), self.raw, "sha256").hexdigest()
        return self.headers.get("x-hub-signature-256") == expected

    def values(self) -> Iterator[dict[str, Any]]:
        """Yield every ``value`` of the body."""
        for entry in self.json["entry"]:
            for change in entry["changes"]:
                yield change["value"]

    def statuses(self) -> list[dict[str, Any]]:
        """Return all statuses of the body."""
        return [status for value in self.values() for status in value.get("statuses", [])]


class Receiver:
    """Takes webhooks and answers as told."""

    def __init__(self, port: int = 0) -> None:
        self.webhooks: list[Webhook] = []
        self.answers: list[int] = []
        self.verify_token = VERIFY_TOKEN
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                receiver.webhooks.append(self._webhook(raw))
                self._answer(receiver.answers.pop(0) if receiver.answers else 200, b"")

            def do_GET(self) -> None:
                receiver.webhooks.append(self._webhook(b""))
                query = parse_qs(urlsplit(self.path).query)
                known = query.get("hub.verify_token") == [receiver.verify_token]
                subscribed = query.get("hub.mode") == ["subscribe"]
                if known and subscribed:
                    self._answer(200, query["hub.challenge"][0].encode())
                else:
                    self._answer(403, b"")

            def _webhook(self, raw: bytes) -> Webhook:
                headers = {name.lower(): value for name, value in self.headers.items()}
                return Webhook(self.command, self.path, headers, raw, time.monotonic())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A simulator that was stopped in mid-delivery is no error of the receiver."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/webhooks/meta"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def posts(self) -> list[Webhook]:
        """Return the webhooks without the handshakes."""
        return [webhook for webhook in self.webhooks if webhook.method == "POST"]

    def statuses(self) -> list[dict[str, Any]]:
        """Return all statuses that came, in order."""
        return [status for webhook in self.posts() for status in webhook.statuses()]

    def messages(self) -> list[dict[str, Any]]:
        """Return all inbound messages that came, in order."""
        return [
            message for webhook in self.posts() for value in webhook.values() for message in value.get("messages", [])
        ]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Simulator:
    """A running ``python -m simulators.graph``."""

    def __init__(self, *options: str, webhook_url: str = "") -> None:
        command = [sys.executable, "-m", "simulators.graph", "--app-secret", SECRET, "--verify-token", VERIFY_TOKEN]
        command += ["--webhook-url", webhook_url, *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("graph simulator on http://"), line
        self.base = line.split()[-1]
        self.port = int(self.base.rpartition(":")[2])
        self.http = httpx.Client(base_url=self.base, timeout=DEADLINE_S)

    def close(self) -> int:
        """Stop the process; return its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def call(self, method: str, path: str, *, token: str | None = TOKEN, **kwargs: Any) -> httpx.Response:
        """Make a Graph call."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, path, headers={**headers, **kwargs.pop("headers", {})}, **kwargs)

    def send(self, phone: str = PHONE, *, token: str | None = TOKEN, **members: Any) -> httpx.Response:
        """Send a message; a text unless the members say otherwise."""
        body: dict[str, Any] = {"messaging_product": "whatsapp", "to": f"+{USER}"}
        if "type" not in members:
            body.update(type="text", text={"body": "hello"})
        return self.call("POST", f"/v25.0/{phone}/messages", token=token, json={**body, **members})

    def admin(self, method: str, path: str, json: Any = None, **kwargs: Any) -> Any:
        """Make an administrative call; the answer must be 200."""
        response = self.http.request(method, f"/_sim/{path}", json=json, **kwargs)
        assert response.status_code == 200, response.text
        return response.json()

    def fault(self, **rule: Any) -> None:
        """Add a fault rule."""
        self.admin("POST", "faults", rule)

    def set(self, **values: Any) -> None:
        """Change settings."""
        self.admin("POST", "settings", values)

    def ledger(self, **query: Any) -> list[dict[str, Any]]:
        """Return what was accepted, with bodies."""
        entries: list[dict[str, Any]] = self.admin("GET", "ledger", params={"bodies": 1, "limit": 20_000, **query})[
            "entries"
        ]
        return entries


@contextmanager
def running(*options: str, webhook_url: str = "") -> Iterator[Simulator]:
    """Run a simulator for a block."""
    simulator = Simulator(*options, webhook_url=webhook_url)
    try:
        yield simulator
    finally:
        simulator.close()


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the ``error`` of an answer that must be one."""
    assert response.status_code >= 400, response.text
    error: dict[str, Any] = response.json()["error"]
    return error

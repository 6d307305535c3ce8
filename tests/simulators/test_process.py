"""The process: starts, tells its port, stops at once, idles for nothing, survives bad bytes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.simulators.support import PHONE, ROOT, TOKEN, Simulator, eventually


def test_sigterm_ends_it_within_a_second_with_zero(simulator: Simulator) -> None:
    simulator.send()
    simulator.fault(effect={"hang_after_s": 30})
    with socket.create_connection(("127.0.0.1", simulator.port)) as busy:
        body = b'{"messaging_product":"whatsapp","to":"1650","text":{"body":"x"}}'
        head = f"POST /{PHONE}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        busy.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: simulator.admin("GET", "ledger/summary")["count"] == 2)
        began = time.monotonic()
        simulator.process.send_signal(signal.SIGTERM)
        assert simulator.process.wait(5) == 0
        assert time.monotonic() - began < 1.0


def test_the_port_file_appears_when_requests_are_taken(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "simulators.graph", "--port-file", str(port_file)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        eventually(port_file.exists)
        with socket.create_connection(("127.0.0.1", int(port_file.read_text())), timeout=1) as connection:
            connection.sendall(b"GET /_sim/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.endswith(b'{"ready":true}')
    finally:
        process.terminate()
        process.wait(5)


def test_bad_bytes_end_only_their_connection(simulator: Simulator) -> None:
    for data in (b"\x16\x03\x01 not http\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", os.urandom(500) + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: connection.recv(4096), b"")).startswith((b"HTTP/1.1 400", b""))
    assert simulator.send().status_code == 200


def test_a_client_that_waits_for_100_continue_gets_it(simulator: Simulator) -> None:
    body = b'{"messaging_product":"whatsapp","to":"1650","text":{"body":"x"}}'
    head = f"POST /{PHONE}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert b"wamid." in connection.recv(4096)


def test_unix_style_options_are_explained_and_wrong_ones_refused() -> None:
    command = [sys.executable, "-m", "simulators.graph", "--phone", "nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ID:WABA:TOKEN" in done.stderr


def test_a_large_ledger_stays_cheap(simulator: Simulator) -> None:
    simulator.set(receipts=False, rate_per_s=0.0)
    body = b'{"messaging_product":"whatsapp","to":"16505551234","text":{"body":"x"},"biz_opaque_callback_data":"%d"}'
    head = f"POST /{PHONE}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: %d\r\n\r\n"
    many, batch = 20_000, 200
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=10) as connection:
        for start in range(0, many, batch):
            bodies = [body % number for number in range(start, start + batch)]
            connection.sendall(b"".join((head % len(one)).encode() + one for one in bodies))
            received = b""
            while received.count(b"wamid.") < batch:
                received += connection.recv(1 << 20)
    began = time.monotonic()
    summary = simulator.admin("GET", "ledger/summary")
    page = simulator.admin("GET", "ledger", params={"after": many - 10})
    assert time.monotonic() - began < 2.0
    assert (summary["count"], summary["distinct_callback_ids"], len(page["entries"])) == (many, many, 10)

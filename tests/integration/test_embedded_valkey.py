"""The embedded Valkey listens on a Unix socket only and keeps what it was told through a kill."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import redis

from tests.fixtures.services import embedded, until_answered


def client(home: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=f"{home}/var/run/valkey.sock")


def ask(home: Path) -> None:
    with client(home) as asked:
        asked.ping()


def wait_for(home: Path) -> None:
    until_answered(lambda: ask(home), redis.ConnectionError)


def test_what_it_was_told_survives_a_kill(tmp_path: Path) -> None:
    with embedded("valkey", tmp_path) as server:
        wait_for(tmp_path)
        process = psutil.Process(server.pid)
        assert process.name() == "valkey-server"
        assert process.net_connections("inet") == []
        with client(tmp_path) as told:
            assert told.config_get("appendonly") == {"appendonly": "yes"}
            assert told.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            told.set("word", "kept")
        server.kill()
        server.wait(10)
        with embedded("valkey", tmp_path) as again:
            wait_for(tmp_path)
            with client(tmp_path) as asked:
                assert asked.get("word") == b"kept"
            again.send_signal(signal.SIGTERM)
            assert again.wait(10) == 0

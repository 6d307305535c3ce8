"""What the table of processes says of channels: their phones, and the messages that wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from db.workload import WORKLOAD, Workload, workload
from tests.fixtures.circusd import SLEEPER, circusd, program, watcher
from tests.fixtures.services import embedded, settings_at, until_answered
from tests.fixtures.stores import MakeSender, Pool_of, Stores


def workloads(stores: Stores) -> dict[str, Workload]:
    with Pool_of(stores) as pool, pool.connection() as conn:
        return workload(conn)


def some_channel() -> str:
    """A channel that no other test knows."""
    return f"t{uuid4().hex[:8]}"


def test_phones_and_queued_messages_are_counted_by_channel(stores: Stores, make_sender: MakeSender) -> None:
    busy, idle = some_channel(), some_channel()
    first, second = make_sender(busy), make_sender(busy)
    make_sender(idle)
    handed_over = first.accept("60111111111@c.us")
    for chat in ("60122222222@c.us", "60133333333@c.us"):
        first.accept(chat)
        second.accept(chat)
    stores.sql("UPDATE messages SET status = 'sent' WHERE id = %s", handed_over)
    found = workloads(stores)
    assert found[busy] == Workload(busy, phones=2, queued=4)
    assert found[idle] == Workload(idle, phones=1, queued=0)
    assert some_channel() not in found


def test_history_is_not_read(stores: Stores, make_sender: MakeSender) -> None:
    sender = make_sender(some_channel())
    sender.accept("60111111111@c.us")
    stores.sql(
        "INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, status) "
        "SELECT gen_random_uuid(), %s, 0, 'old', 'outbound', 'text', 'meta', 'read' FROM generate_series(1, 5000)",
        sender.lane.company_id,
    )
    stores.sql("ANALYZE messages")
    [(plan,)] = stores.sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {WORKLOAD}")
    scans = [node for node in nodes_of(plan) if node.get("Relation Name") == "messages"]
    assert [node["Index Name"] for node in scans] == ["messages_claim"], plan
    stores.sql("DELETE FROM messages WHERE chat_id = 'old'")


def nodes_of(plan: Any) -> list[dict[str, Any]]:
    """Every node of an EXPLAIN."""
    if isinstance(plan, list):
        return [node for part in plan for node in nodes_of(part)]
    if isinstance(plan, dict):
        return [plan, *(node for part in plan.values() for node in nodes_of(part))]
    return []


def test_a_database_without_a_schema_has_no_workload(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    with embedded("postgres", tmp_path):
        until_answered(lambda: psycopg.connect(settings.database_conninfo).close(), psycopg.OperationalError)
        assert workloads(Stores(settings)) == {}


def test_the_table_of_processes_shows_them(stores: Stores, make_sender: MakeSender, tmp_path: Path) -> None:
    sender = make_sender("loopback")
    sender.accept("60111111111@c.us")
    expected = workloads(stores)["loopback"]
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    gateway = {"DATABASE_URL": stores.settings.database_conninfo, "BISNES_HOME": str(tmp_path)}
    gateway["BISNES_RUN_DIR"] = str(tmp_path / "var/run")
    with circusd(tmp_path, watcher("loopback", sleeper) + watcher("api", sleeper)):
        command = [sys.executable, "-m", "bisnes_cli", "status", "--json"]
        answer = subprocess.run(
            command, env=os.environ | gateway, capture_output=True, text=True, timeout=30, check=True
        )
    rows = {row["process"]: (row["phones"], row["queue"]) for row in json.loads(answer.stdout)["processes"]}
    assert rows == {"loopback": (expected.phones, expected.queued), "api": (None, None)}

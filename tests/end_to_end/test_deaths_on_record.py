"""What happens to a process is on record in the database, with the reason, and concerns no other process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import Gateway, start_gateway
from tests.fixtures.hanging_channel import NAME, install_hanging_channel
from tests.fixtures.services import ROOT, free_port


def events_of(gateway: Gateway, pid: int, event: str) -> list[tuple[str, dict[str, Any]]]:
    """Severity and data of what was recorded about a process."""
    query = (
        f"SELECT severity, event_data FROM process_events WHERE event_type = '{event}' AND event_data->>'pid' = '{pid}'"
    )
    return gateway.rows(query)


def test_a_killed_process_is_on_record_with_reason_signal_and_uptime(gateway: Gateway) -> None:
    pid = gateway.kill("meta")
    [(severity, data)] = eventually(lambda: events_of(gateway, pid, "ended"), 10, "its end on record")
    assert severity == "error"
    assert (data["exit_code"], data["cause"]) == (-9, "killed from outside")
    assert "SIGKILL" in data["reason"]
    assert data["uptime_s"] > 0
    gateway.wait_for_successor("meta", pid, 2)
    eventually(lambda: gateway.runs("meta"), 20, "its successor to work")
    for living in gateway.pids("meta"):
        assert eventually(lambda: events_of(gateway, living, "ready"), 10, "the others, too")  # noqa: B023 - called now


def test_a_hang_shows_where_and_ends_that_process_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(ROOT / "circus.d", home / "circus.d")
    shutil.copy(ROOT / "circus.ini", home)
    own = (home / "circus.d" / "loopback.ini").read_text().replace("loopback", NAME)
    own = own.replace("port_env = BISNES_LOOPBACK_PORT\n", "").replace("port = 3005", f"port = {free_port()}")
    (home / "circus.d" / f"{NAME}.ini").write_text(own.replace("hang_timeout = 30s", "hang_timeout = 3s"))
    with start_gateway(home, install_hanging_channel(tmp_path / "plug-in"), phones=False) as gateway:
        gateway.add_phone(2, NAME)
        eventually(lambda: gateway.runs(NAME), 20, "the channel to start")
        others = {name: gateway.pids(name) for name in ("api", "relay", "events", "postgres", "valkey")}
        [victim] = gateway.pids(NAME)
        message = gateway.send("the first one", phone=2)
        [(severity, data)] = eventually(lambda: events_of(gateway, victim, "ended"), 30, "the end of what hung")
        assert (severity, data["cause"]) == ("error", "hung")
        assert "no answer from" in data["reason"]
        errors = home / "logs" / f"{NAME}-error.log"
        told = "in wait_where_nobody_may_wait"
        eventually(lambda: errors.exists() and told in errors.read_text(), 10, "where it hung")
        gateway.wait_for_status(message, "sent", deadline_s=30)
        assert gateway.pids(NAME) != [victim]
        assert {name: gateway.pids(name) for name in others} == others

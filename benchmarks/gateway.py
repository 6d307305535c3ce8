"""A gateway to measure: a whole one, durable, in a folder of its own, against a simulator of its own.

It is the one that the tests start (`tests/fixtures/gateway.py`): two API processes, two `meta`, relay, two `events`,
embedded PostgreSQL with `fsync` on, and Valkey.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import COMPANY, Gateway, start_gateway

#: All that was accepted must be delivered this long after the load.
DRAIN_S = 120.0
#: States in which more is to come.
OPEN = "('queued', 'sending', 'unconfirmed', 'sent')"


@contextmanager
def measured_gateway(parent: Path | None = None, statuses_per_body: int | None = None) -> Iterator[Gateway]:
    """Starts a gateway and ends it afterwards.

    Args:
        parent: folder on the disk to measure; default: the system's folder for temporary files.
        statuses_per_body: receipts that the simulator puts into one webhook at most; default: its own.
    """
    folder = tempfile.TemporaryDirectory(prefix="bisnes-bench-", dir=parent, ignore_cleanup_errors=True)
    with folder as home, start_gateway(Path(home)) as gateway:
        if statuses_per_body:
            gateway.simulator("POST", "settings", {"statuses_per_body": statuses_per_body})
        yield gateway


def newest_seq(gateway: Gateway) -> int:
    """The place of the last accepted message in the order of acceptance; 0 when there is none."""
    return int(gateway.rows("SELECT coalesce(max(seq), 0) FROM messages")[0][0])


def wait_for_ends(gateway: Gateway, seq: int) -> int:
    """Waits until every message accepted after `seq` has reached an end; answers how many were delivered.

    Looks at the newest open message only: cheap, since it is done while the machine is measured.
    """
    newest_open = (
        f"SELECT seq FROM messages WHERE company_id = '{COMPANY}' AND seq > {seq} AND status IN {OPEN} "  # noqa: S608 - ours
        "ORDER BY seq DESC LIMIT 1"
    )
    with closing(gateway.database()) as conn:
        eventually(lambda: conn.execute(newest_open.encode()).fetchone() is None, DRAIN_S, "every message to end")
        delivered = f"SELECT count(delivered_at) FROM messages WHERE company_id = '{COMPANY}' AND seq > {seq}"  # noqa: S608 - ours
        return int(conn.execute(delivered.encode()).fetchall()[0][0])


def wait_for_quiet(gateway: Gateway) -> None:
    """Waits until no message is on its way and no provider event waits."""

    def quiet() -> bool:
        query = (
            f"SELECT NOT EXISTS (SELECT 1 FROM messages WHERE status IN {OPEN}) "  # noqa: S608 - ours
            "AND NOT EXISTS (SELECT 1 FROM provider_events WHERE parsed_at IS NULL)"
        )
        return bool(gateway.rows(query)[0][0])

    eventually(quiet, DRAIN_S, "the gateway to have delivered everything")

"""The legacy server's `phone_status` is taken over as it is: its rows, its columns, and what it never cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from bisnes_core.phone import Lane
from bisnes_core.session import PhoneState, SessionNews
from bisnes_core.settings import Settings
from db import phone_sessions, phones
from db.migrate import migrate
from db.phones import NewPhone
from db.pool import AsyncPool, Pool
from tests.fixtures.stores import Stores

LEGACY = """
CREATE TABLE phone_status (
    id serial PRIMARY KEY, company_id varchar(255) NOT NULL, phone_index text, phone_number varchar(50),
    status varchar(50), last_seen timestamptz, metadata text, details text, updated_at timestamptz DEFAULT now());
INSERT INTO phone_status (company_id, phone_index, phone_number, status, metadata, updated_at) VALUES
    ('acme', '0', 'phone_0', 'qr', '{"qrCode":"data:image/png;base64,AAAA"}', '2026-01-02'),
    ('acme', '0', 'phone_0', 'error', '{"error":"x"}', '2026-01-01'),
    ('acme', '0', 'phone_0', 'unknown', NULL, NULL),
    ('acme', '1', '60123456789', 'ready', 'no json', '2026-01-01'),
    ('acme', NULL, NULL, 'ready', NULL, NULL);
"""


@pytest.fixture
def legacy(stores: Stores) -> Iterator[Stores]:
    """A schema, as good as a database, in which the legacy server ran."""
    name = f"legacy{uuid4().hex[:8]}"
    stores.sql(f"CREATE SCHEMA {name}")
    url = f"{stores.settings.database_conninfo}&options=-csearch_path%3D{name}"
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(LEGACY.encode())
    yield Stores(Settings(database_url=url))
    stores.sql(f"DROP SCHEMA {name} CASCADE")


def test_its_newest_rows_stay_and_are_shown_and_written_on(legacy: Stores) -> None:
    assert migrate(legacy.settings.database_conninfo)
    assert migrate(legacy.settings.database_conninfo) == []
    pool = Pool(legacy.settings, patience_s=10)
    pool.open()
    with pool.connection() as conn:
        shown = phone_sessions.list_statuses(conn, "acme")
        assert [(s.phone_index, s.status, dict(s.metadata)) for s in shown] == [
            (1, "ready", {}),
            (0, "qr", {"qrCode": "data:image/png;base64,AAAA"}),
        ]
        phones.create_phone(conn, NewPhone("acme", 0, "wwebjs", "wwebjs", {}, {}, "acme-0"), None)
        phone_sessions.watch(conn, Lane("acme", 0))

    async def show(workers: AsyncPool) -> bool:
        news = SessionNews(PhoneState.ERROR, "gave up", build="2.3000")
        async with workers.connection() as conn, conn.transaction():
            return await phone_sessions.show_state(conn, Lane("acme", 0), 0, news, pauses=True)

    assert legacy.with_pool(show)
    with pool.connection() as conn:
        found = phone_sessions.find_status(conn, Lane("acme", 0))
    pool.close()
    assert found is not None
    assert (found.status, found.detail, found.metadata["error"]) == ("error", "gave up", "gave up")
    assert legacy.sql("SELECT process_name FROM phone_status WHERE phone_index = '0'") == [("wwebjs",)]

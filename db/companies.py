"""Companies (tenants)."""

from __future__ import annotations

from db.pool import Connection


def create_company(conn: Connection, company_id: str, name: str = "") -> bool:
    """Creates a company; False when it is there already."""
    return (
        conn.execute(
            "INSERT INTO companies (company_id, name) VALUES (%s, %s) ON CONFLICT (company_id) DO NOTHING",
            (company_id, name),
        ).rowcount
        == 1
    )


def company_exists(conn: Connection, company_id: str) -> bool:
    """Whether there is such a company."""
    return conn.execute("SELECT 1 FROM companies WHERE company_id = %s", (company_id,)).fetchone() is not None

"""PostgreSQL: migrations, pools and every SQL statement of the gateway.

Functions take a connection, run a statement or a few and never commit; the use case owns the transaction.
"""

"""Who calls: bearer keys, their company and scopes. A key of one company sees nothing of another: 404, not 403."""

from __future__ import annotations

from flask import request

from bisnes_api.fresh import Fresh
from bisnes_api.problem import Problem
from db import keys
from db.keys import ApiKey
from db.pool import Pool

#: Age of what we know of a key: a revoked key works at most this much longer.
KEY_AGE_S = 5.0
#: Longer ones are not ours and not worth a hash.
KEY_MAX_CHARACTERS = 200

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="bisnes"'}


class Gate:
    """Admits requests by their key."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: Fresh[str, ApiKey] = Fresh(self._find, KEY_AGE_S)

    def _find(self, key: str) -> ApiKey | None:
        with self._pool.connection() as conn:
            return keys.find_key(conn, key)

    def admit(self, company_id: str, scope: str) -> ApiKey:
        """The key of the current request, when it may do `scope` in this company.

        Raises:
            Problem: `key_missing`, `key_unknown`, `company_not_found` or `scope_missing`.
        """
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        key = key.strip()
        if kind.lower() != "bearer" or not key:
            raise Problem("key_missing", "Send the header Authorization: Bearer <key>.", headers=_CHALLENGE)
        found = self._keys.get(key) if len(key) <= KEY_MAX_CHARACTERS else None
        if found is None:
            raise Problem("key_unknown", "This key does not exist or was revoked.", headers=_CHALLENGE)
        if found.company_id != company_id:
            raise Problem("company_not_found", "There is no such company, or the key belongs to another.")
        if not found.allows(scope):
            raise Problem("scope_missing", f"This needs a key with the scope {scope!r}.", scope=scope)
        return found

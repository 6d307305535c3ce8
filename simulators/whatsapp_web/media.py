"""Files of messages: uploaded by pages or given by the control API, served to pages."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

from simulators.whatsapp_web.store import Store

#: Where the page finds a file; WhatsApp's own direct paths look like it.
PREFIX = "/v/t62.7118-24/"


class Media:
    """Bytes by direct path. They are kept as they are: the simulator has no end-to-end encryption."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bytes: dict[str, bytes] = {}

    def keep(self, body: bytes) -> dict[str, Any]:
        """Keep a file and return the fields by which a message names it."""
        digest = hashlib.sha256(body).digest()
        path = PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if path not in self._bytes:
            self._bytes[path] = body
            self._store.put_media(path, body)
        filehash = base64.b64encode(digest).decode()
        return {
            "directPath": path,
            "filehash": filehash,
            "encFilehash": filehash,
            "mediaKey": base64.b64encode(secrets.token_bytes(32)).decode(),
            "size": len(body),
        }

    def get(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        body = self._bytes.get(path)
        return self._store.media(path) if body is None else body

    def described(self, path: str | None, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the ledger says about a message's file: what is kept, not what the page claims."""
        body = self.get(path) if path else None
        if body is None:
            return None
        return {
            "sha256": hashlib.sha256(body).hexdigest(),
            "size_bytes": len(body),
            "mimetype": fields.get("mimetype"),
            "filename": fields.get("filename"),
        }

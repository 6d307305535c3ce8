"""Secrets at rest: AES-256-GCM in the legacy server's text form, so that its rows stay readable.

Form: `iv:tag:ciphertext`, each lower-case hex, 16-byte IV, 16-byte tag, no associated data (legacy-compat §10.2).
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: The legacy server used 16 bytes where 12 are usual; kept, since the form is fixed by existing rows.
IV_BYTES = 16
TAG_BYTES = 16


class BadSeal(ValueError):
    """A key of the wrong form, or a text that this key did not seal."""


class Sealer:
    """Seals and opens secrets with the installation's `ENCRYPTION_KEY`.

    Args:
        key_hex: 64 hex digits.

    Raises:
        BadSeal: when the key has another form.
    """

    def __init__(self, key_hex: str) -> None:
        try:
            key = bytes.fromhex(key_hex)
        except ValueError as error:
            raise BadSeal("ENCRYPTION_KEY is not hexadecimal") from error
        if len(key) != 32:
            raise BadSeal(f"ENCRYPTION_KEY has {len(key)} bytes; it needs 32, written as 64 hex digits")
        self._cipher = AESGCM(key)

    def seal(self, secret: str) -> str:
        """The sealed form of a secret."""
        iv = os.urandom(IV_BYTES)
        sealed = self._cipher.encrypt(iv, secret.encode(), None)
        return f"{iv.hex()}:{sealed[-TAG_BYTES:].hex()}:{sealed[:-TAG_BYTES].hex()}"

    def open(self, text: str) -> str:
        """The secret behind a sealed form.

        Raises:
            BadSeal: when the text was not sealed with this key.
        """
        try:
            iv, tag, ciphertext = (bytes.fromhex(part) for part in text.split(":"))
            return self._cipher.decrypt(iv, ciphertext + tag, None).decode()
        except (ValueError, InvalidTag) as error:
            raise BadSeal("a stored secret cannot be opened with this ENCRYPTION_KEY") from error

"""The provider of the loopback channel: an append-only file of JSON lines, shared by all its processes.

`accepted` lines are what the provider took; a message that appears twice there was sent twice. `struck` lines count the
faults that a message met, so that a fault that strikes once does so even when it ended the process.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from bisnes_core.phone import Lane


def ledger_of(home: Path, lane: Lane) -> Ledger:
    """The ledger of a phone; a company's name never leaves the folder."""
    return Ledger(home / "var" / "loopback" / f"{quote(str(lane), safe='')}.jsonl")


class Ledger:
    """One phone's file. Blocking; called in threads, one call per line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def accept(self, message_id: UUID, chat_id: str, text: str | None) -> str:
        """Takes a message durably; answers the provider's id of it."""
        provider_id = f"loopback.{uuid4().hex}"
        self._append(
            {
                "event": "accepted",
                "message_id": str(message_id),
                "provider_id": provider_id,
                "chat_id": chat_id,
                "text": text,
            }
        )
        return provider_id

    def note_strike(self, message_id: UUID) -> None:
        """Notes durably that a fault struck a message."""
        self._append({"event": "struck", "message_id": str(message_id)})

    def find(self, message_id: UUID) -> str | None:
        """The provider's id of a message, if it took it."""
        taken = (line for line in self._about(message_id) if line["event"] == "accepted")
        return next((str(line["provider_id"]) for line in taken), None)

    def strikes(self, message_id: UUID) -> int:
        """How often faults struck a message."""
        return sum(line["event"] == "struck" for line in self._about(message_id))

    def accepted(self) -> list[dict[str, Any]]:
        """Everything that the provider took, in order."""
        return [line for line in self._read(b"") if line["event"] == "accepted"]

    def _about(self, message_id: UUID) -> list[dict[str, Any]]:
        return [line for line in self._read(str(message_id).encode()) if line["message_id"] == str(message_id)]

    def _read(self, needle: bytes) -> list[dict[str, Any]]:
        """Whole lines that hold the needle; a line that a dying process left unfinished does not count."""
        if not self.path.exists():
            return []
        whole = self.path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in whole if needle in line and line.endswith(b"}")]

    def _append(self, line: dict[str, Any]) -> None:
        """One write call per line, behind everything that is there: lines of several processes never mix.

        The line feed in front parts the line from one that a dying machine left unfinished.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(handle, b"\n" + json.dumps(line).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

"""Pairing a phone: its QR code while somebody watches, its pairing code, and the note of when it was paired."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Final

from bisnes_core.session import Ask, PhoneState, Request, SessionHost
from plugins.wwebjs.intake import now
from plugins.wwebjs.level import Level, Phase
from plugins.wwebjs.page import Page
from plugins.wwebjs.telling import Telling

#: A pairing code is good for about three minutes.
#: Source: wa-js 4.6.0, src/conn/functions/linkDeviceCodeLifecycle.ts, read 2026-11-25.
PAIRING_CODE_S: Final = 180.0
#: Phases in which the page has a login.
PAIRED: Final = frozenset({Phase.PAIRING, Phase.SYNCING, Phase.ATTACHING, Phase.READY})
#: File in the profile that says when it was paired: where catching up begins while nothing is stored yet.
_NOTE: Final = "bisnes-paired"


class Pairing:
    """One phone's.

    Args:
        host: knows who watches.
        idle_s: a code that nobody has watched for so long is given up.
    """

    def __init__(self, host: SessionHost, idle_s: float) -> None:
        self._host, self._idle_s = host, idle_s
        self._watched_at = time.monotonic()
        self._shown = False
        self._number: str | None = None
        self._code: tuple[str, float] | None = None

    def begin(self) -> None:
        """Another browser: no code is shown yet."""
        self._shown, self._code = False, None

    def done(self) -> None:
        """The phone is paired."""
        self._number = self._code = None

    def asked(self, request: Request) -> None:
        """Somebody wants a QR code, or a pairing code for a number."""
        self._watched_at, self._code = time.monotonic(), None
        self._number = request.phone_number if request.ask is Ask.PAIRING_CODE else None

    def watched(self) -> bool:
        """Whether somebody watches the code, or did a moment ago; before its first showing nobody can."""
        if self._host.watched() or not self._shown:
            self._watched_at = time.monotonic()
        return time.monotonic() - self._watched_at <= self._idle_s

    async def show(self, page: Page, level: Level, telling: Telling) -> None:
        """Shows the code that was asked for; an empty one is left out."""
        if self._number is not None:
            code = await self._pairing_code(page, self._number)
            telling.show(PhoneState.PAIRING_CODE, pairing_code=code, phone_number=self._number, build=level.version)
        elif qr := await page.ask("qr"):
            telling.show(PhoneState.QR, qr=qr, build=level.version)
        self._shown = True

    async def _pairing_code(self, page: Page, number: str) -> str:
        if self._code is None or time.monotonic() - self._code[1] > PAIRING_CODE_S:
            code = str(await page.ask("pairingCode", number))
            self._code = (code.replace("-", ""), time.monotonic())
        return self._code[0]


# -- the note ----------------------------------------------------------------------------------------------------------
def note_pairing(profile: Path) -> None:
    """Notes in a profile that it is paired, unless that is noted already."""
    note = profile / _NOTE
    if not note.exists():
        note.write_text(now().isoformat())


def is_paired(profile: Path) -> bool:
    """Whether a profile was paired once."""
    return (profile / _NOTE).exists()


def paired_at(profile: Path) -> datetime:
    """When it was; now, if nobody knows."""
    try:
        return datetime.fromisoformat((profile / _NOTE).read_text())
    except (OSError, ValueError):
        return now()

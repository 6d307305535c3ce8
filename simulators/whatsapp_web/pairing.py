"""How a page becomes a linked device: QR codes, pairing codes, and the ends of a login."""

from __future__ import annotations

import asyncio
import base64
import secrets
from dataclasses import dataclass
from time import time

from simulators.whatsapp_web.accounts import Account
from simulators.whatsapp_web.pages import Page
from simulators.whatsapp_web.problems import Problem
from simulators.whatsapp_web.world import World

#: Characters of a pairing code. Source: whatsmeow, pair-code.go, linkingBase32, read 2026-11.
CODE_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"
#: How many old refs are remembered, to tell "expired" from "never heard of".
OLD_REFS_MAX = 10_000


@dataclass
class Code:
    """A pairing code that a page shows and a phone shall enter."""

    code: str
    page: str
    number: str


class Pairing:
    """Makes refs and codes, and takes what a telephone scans or enters."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._old_refs: dict[str, None] = {}
        self.codes: dict[str, Code] = {}

    # -- QR ----------------------------------------------------------------------------------------------------------

    def show_refs(self, page: Page) -> None:
        """Start with a fresh series of QR codes on an unpaired page."""
        self._retire(page)
        page.stop_refs()
        page.refs_shown = 0
        page.ref_timer = asyncio.ensure_future(self._cycle(page))

    async def _cycle(self, page: Page) -> None:
        settings = self._world.settings
        while page.refs_shown < settings.refs_max:
            self._retire(page)
            page.refs_shown += 1
            if self._world.faults.take(page, "empty_ref"):
                page.ref = ""
            else:
                page.ref = "2@" + base64.b64encode(secrets.token_bytes(96)).decode()
            page.tell("ref", ref=page.ref)
            await asyncio.sleep(settings.ref_lifetime_s)
        self._retire(page)
        page.ref = ""
        page.tell("idle")

    def _retire(self, page: Page) -> None:
        if page.ref:
            self._old_refs[page.ref] = None
            if len(self._old_refs) > OLD_REFS_MAX:
                self._old_refs.pop(next(iter(self._old_refs)))

    def scan(self, qr: str, number: str) -> Page:
        """Let the telephone of ``number`` scan the text of a QR code.

        Raises:
            Problem: When the text is no QR code of a page, is expired, or the account cannot take it.
        """
        parts = qr.split(",")
        if len(parts) not in {4, 5}:
            raise Problem(422, "bad_qr", "a QR code is ref,noise key,identity key,secret and perhaps a platform")
        ref, *keys = parts[:4]
        if ref in self._old_refs:
            raise Problem(410, "ref_expired", "this QR code has been replaced by a newer one")
        page = next((each for each in self._world.pages.linked() if ref and each.ref == ref), None)
        if page is None:
            raise Problem(404, "ref_unknown", "no page shows this QR code")
        if keys != [page.identity.get(name) for name in ("noise", "identity", "secret")]:
            raise Problem(422, "qr_mismatch", "the QR code's keys are not those of the page with this ref")
        return self._pair(page, number)

    # -- pairing code ------------------------------------------------

    def new_code(self, page: Page, number: str) -> str:
        """Make the code that a page shows for a number."""
        for old in [code for code in self.codes.values() if code.page == page.id]:
            del self.codes[old.code]
        code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(8))
        self.codes[code] = Code(code, page.id, number)
        return code

    def enter(self, text: str, number: str) -> Page:
        """Let the telephone of ``number`` enter a pairing code.

        Raises:
            Problem: When no page shows it for that number.
        """
        code = self.codes.get(text.replace("-", "").upper())
        page = self._world.pages.by_id.get(code.page) if code else None
        if code is None or page is None or page.link is None or page.account is not None:
            raise Problem(404, "code_unknown", "no page shows this pairing code")
        if code.number != number:
            raise Problem(422, "code_mismatch", "this pairing code was made for another number")
        del self.codes[code.code]
        return self._pair(page, number)

    # -- login and logout ------------------------------------------------

    def _pair(self, page: Page, number: str) -> Page:
        account = self._world.accounts.get(number)
        if account.banned:
            raise Problem(403, "banned", "this account is banned")
        if len(account.logins) >= self._world.settings.logins_max:
            raise Problem(409, "too_many_logins", f"an account has at most {self._world.settings.logins_max}")
        self._retire(page)
        page.stop_refs()
        page.account, page.login = account, account.link(page.device, time())
        page.tell("paired", token=page.login.token, number=number, lid=account.lid, name=account.name)
        return page

    def end(self, account: Account, reason: str) -> int:
        """Unlink every device of an account; returns how many there were."""
        tokens = list(account.logins)
        for page in self._world.pages.of(account.number):
            page.account = page.login = None
            page.tell("logout", reason=reason)
        for token in tokens:
            account.unlink(token)
        return len(tokens)

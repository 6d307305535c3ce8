"""What is written while the worker is away is stored once each, in the order of each chat, when it is back."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.paired_phones import PairedPhones

MESSAGES, CHATS = 500, 20
#: The restart delay, a browser, the backfill, and a second time all of it.
BACK_S = 90.0

FILE = {"base64": base64.b64encode(b"a file of somebody").decode(), "mimetype": "image/png", "filename": "seen.png"}
#: One after the other, over and over.
KINDS: tuple[dict[str, Any], ...] = (
    {"text": "hello"},
    {"type": "image", "media": FILE, "caption": "look"},
    {"text": "forwarded", "forwarded": True},
    {"type": "location", "lat": 3.1, "lng": 101.6},
    {"type": "ptt", "media": FILE},
    {"type": "vcard", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nTEL;waid=60122:+60122\nEND:VCARD"},
    {"type": "poll_creation", "text": "Tea?", "options": ["yes", "no"]},
)


class Writers:
    """People who write to a phone: what they wrote, in order, by chat."""

    def __init__(self, site: PairedPhones, phone: int) -> None:
        self._site, self._phone = site, phone
        self.written: defaultdict[str, list[str]] = defaultdict(list)

    def write(self, count: int) -> None:
        """The chats in turn; every fifth of them is a group."""
        bodies = [self._body(place) for place in range(count)]
        path = f"/accounts/{self._site.numbers[self._phone]}/messages"
        ids = self._site.web.call("POST", path, {"messages": bodies})["ids"]
        for body, made in zip(bodies, ids, strict=True):
            self.written[body.get("chat") or f"{body['from']}@c.us"].append(made)

    def _body(self, place: int) -> dict[str, Any]:
        chat = place % CHATS
        # Counted on with the rounds through the chats, so that each chat gets every kind.
        body = {"from": f"64{self._phone:02d}{chat:07d}", **KINDS[(place + place // CHATS) % len(KINDS)]}
        return body | {"chat": f"1203630000{self._phone:02d}{chat:06d}@g.us"} if chat % 5 == 0 else body

    def stored(self) -> dict[str, list[str]]:
        """What the gateway has of them: ids by chat, in the order in which they were stored."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        query = f"SELECT chat_id, external_id FROM messages WHERE direction = 'inbound' AND phone_index = {self._phone}"
        for chat, external_id in self._site.gateway.rows(f"{query} ORDER BY seq"):
            found[chat].append(str(external_id).split("_")[2])
        return found

    def missing(self) -> list[str]:
        """Ids that are not stored."""
        stored = self.stored()
        return [made for chat, ids in self.written.items() for made in ids if made not in stored[chat]]

    def until_stored(self) -> None:
        """Waits until nothing is missing; then each is there once, and in order."""
        eventually(lambda: not self.missing(), BACK_S, "every message stored")
        assert self.stored() == self.written


# -- how the worker goes and comes -------------------------------------------------------------------------------------
def stop_it(site: PairedPhones) -> None:
    assert site.gateway.cli("stop", "wwebjs").returncode == 0


def start_it(site: PairedPhones) -> None:
    assert site.gateway.cli("start", "wwebjs").returncode == 0


def kill_it(site: PairedPhones) -> None:
    site.gateway.kill("wwebjs")


def it_comes_by_itself(_: PairedPhones) -> None:
    """Circus starts it after five seconds."""


# -- when it is killed again -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Away:
    """A worker that was away, as it comes back."""

    site: PairedPhones
    phone: int
    told: int
    stored: int


def it_begins_to_fetch(away: Away) -> bool:
    return "ready" in away.site.states(away.phone)[away.told :]


def some_of_it_is_stored(away: Away) -> bool:
    return count_heard(away.site, away.phone) > away.stored


def count_heard(site: PairedPhones, phone: int) -> int:
    """Messages that are stored for a phone, parsed or not."""
    query = f"SELECT count(*) FROM messages WHERE direction = 'inbound' AND phone_index = {phone}"
    return int(site.gateway.rows(query)[0][0])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("phone", "go", "come", "moment"),
    [(7, stop_it, start_it, some_of_it_is_stored), (8, kill_it, it_comes_by_itself, it_begins_to_fetch)],
    ids=["stopped", "killed"],
)
def test_what_was_written_meanwhile_is_stored_once_each_and_in_order(
    site: PairedPhones,
    phone: int,
    go: Callable[[PairedPhones], None],
    come: Callable[[PairedPhones], None],
    moment: Callable[[Away], bool],
) -> None:
    site.pair(phone)
    writers = Writers(site, phone)
    writers.write(CHATS)
    writers.until_stored()
    away = Away(site, phone, len(site.states(phone)), count_heard(site, phone))
    go(site)
    eventually(lambda: not site.tree(phone), 30, "the browser's end")
    writers.write(MESSAGES)
    come(site)
    eventually(lambda: moment(away), BACK_S, "the middle of the backfill")
    writers.write(CHATS)
    told = len(site.states(phone))
    site.gateway.kill("wwebjs")
    site.until_ready(phone, told, BACK_S)
    writers.write(CHATS)
    writers.until_stored()

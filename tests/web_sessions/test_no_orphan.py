"""Whatever dies, in whatever order: no browser stays behind without an owner, and no profile stays locked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from plugins.wwebjs.browser_failed import ProfileInUse
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import COMPANY
from tests.fixtures.paired_phones import PairedPhones, kill, start_paired_phones, words_of
from tests.fixtures.services import family_of, gone
from tests.fixtures.whatsapp_web import WhatsApp
from tests.web_sessions.moments import pass_time

PHONES = (5, 6)
KILLS = 50
#: Every so many kills it is the worker: Circus starts it anew after five seconds, ten times in a row at most.
WORKER_EVERY = 10
#: Shortest and longest time between two kills.
PAUSE_S = (0.1, 1.5)
#: After the worker's end its browsers end within this, on a busy machine; it is below the five seconds.
END_S = 4.0
SEED = 4

# -- victims -----------------------------------------------------------------------------------------------------------
Sort = Callable[[psutil.Process], bool]


def is_guardian(process: psutil.Process) -> bool:
    return any(word.endswith("guardian.py") for word in words_of(process))


def is_driver(process: psutil.Process) -> bool:
    return words_of(process)[:1] != [] and words_of(process)[0].endswith("chromedriver")


def is_renderer(process: psutil.Process) -> bool:
    return any("--type=renderer" in word for word in words_of(process))


def is_browser(process: psutil.Process) -> bool:
    words = words_of(process)
    return not (is_guardian(process) or is_driver(process)) and not any("--type=" in word for word in words)


SORTS: tuple[Sort, ...] = (is_guardian, is_driver, is_renderer, is_browser)


class Operator:
    """Asks a phone to begin anew whenever it says `error`: it met more trouble than it mends by itself."""

    def __init__(self, site: PairedPhones) -> None:
        self._site = site
        self._answered: Counter[int] = Counter()

    def look(self) -> None:
        """Answers each error once."""
        for phone in PHONES:
            errors = self._site.states(phone).count("error")
            if errors > self._answered[phone]:
                self._answered[phone] = errors
                path = f"/api/v2/phones/{COMPANY}/{phone}/restart"
                assert self._site.gateway.request("POST", path).status_code == 202


def a_victim(site: PairedPhones, operator: Operator, dice: random.Random) -> psutil.Process:
    """A process of any phone's browser, each sort as likely; waits for one while all browsers are on their way."""
    sort = dice.choice(SORTS)
    phones = dice.sample(PHONES, len(PHONES))

    def of_this_sort() -> list[psutil.Process]:
        operator.look()
        return [each for phone in phones for each in site.tree(phone) if sort(each)][:1]

    return eventually(of_this_sort, 60, f"a process for which {sort.__name__}")[0]


# -- what is left ------------------------------------------------------------------------------------------------------
def browsers(site: PairedPhones) -> list[psutil.Process]:
    """Every process of this gateway's browsers."""
    return [process for phone in PHONES for process in site.tree(phone)]


def kill_the_worker(site: PairedPhones) -> None:
    """Its browsers end with it."""
    (worker,) = eventually(lambda: site.gateway.pids("wwebjs"), 30, "a worker")
    family = family_of(worker)
    psutil.Process(worker).kill()
    assert gone(family, END_S) == []
    eventually(lambda: not browsers(site), END_S, "the end of all browsers")


def zombies(site: PairedPhones) -> list[psutil.Process]:
    """Dead children that nobody in the gateway has collected."""
    return [each for each in family_of(site.gateway.child.pid) if status_of(each) == psutil.STATUS_ZOMBIE]


def status_of(process: psutil.Process) -> str | None:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return None


def owned_by_the_worker(site: PairedPhones) -> bool:
    """Whether every browser has an owner that lives, and there is one for each phone."""
    family = {each for pid in site.gateway.pids("wwebjs") for each in family_of(pid)}
    return all(site.tree(phone) for phone in PHONES) and set(browsers(site)) <= family


def all_is_well(site: PairedPhones, operator: Operator) -> bool:
    """Whether each phone is ready, and every browser has an owner."""
    operator.look()
    return all(site.states(phone)[-1] == "ready" for phone in PHONES) and owned_by_the_worker(site)


@pytest.mark.timeout(400)
def test_fifty_random_kills_leave_no_orphan_and_no_lock(web: WhatsApp, tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with start_paired_phones(tmp_path, web) as site:
        operator = Operator(site)
        site.pair(*PHONES)
        for nth in range(1, KILLS + 1):
            if nth % WORKER_EVERY == 0:
                kill_the_worker(site)
            else:
                kill([a_victim(site, operator, dice)])
            pass_time(dice.uniform(*PAUSE_S))
        eventually(lambda: all_is_well(site, operator), 90, "each phone ready, with an owner for its browser")
        for phone in PHONES:
            site.until_sent(site.gateway.send("all is well", phone=phone), phone)
            assert site.scans(phone) == 1
        assert eventually(lambda: not zombies(site), 10, "no dead child uncollected")
    assert browsers(site) == []
    for phone in PHONES:
        assert_free(site, phone)


def assert_free(site: PairedPhones, phone: int) -> None:
    profile = site.profile(phone)
    try:
        profile.hold()
    except ProfileInUse as held:
        raise AssertionError(f"phone {phone}: {held}") from held
    profile.release()

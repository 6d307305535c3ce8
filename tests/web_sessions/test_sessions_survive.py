"""A paired phone stays paired: killed browsers, restarted services, a lock of another host; never a second QR."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.paired_phones import PairedPhones, kill, start_paired_phones
from tests.fixtures.services import family_of, gone
from tests.fixtures.whatsapp_web import WhatsApp
from tests.web_sessions.moments import LOGIN, SENDING, Moment, Trial, slow_acknowledgements

#: Each moment is met by so many phones.
ROUNDS = 3
#: Phones that are killed side by side.
AT_ONCE = 3
#: States that a phone shows when it needs a person.
NEEDS_A_PERSON = {"qr", "needs_qr", "pairing_code", "error", "conflict", "blocked", "incompatible", "no_browser"}


def is_ready_again(site: PairedPhones, phone: int, told: int) -> None:
    """By itself, with its only login, and without having asked for a person after its first `told` states."""
    site.until_ready(phone, told)
    assert NEEDS_A_PERSON.isdisjoint(site.states(phone)[told:]), site.states(phone)
    assert site.scans(phone) == 1


def kill_at(trial: Trial, moment: Moment) -> None:
    moment(trial)
    told = len(trial.site.states(trial.phone))
    kill(trial.site.tree(trial.phone))
    is_ready_again(trial.site, trial.phone, told)


def live_through(trial: Trial, login: Moment, sending: Moment) -> None:
    """Two moments of one phone's life."""
    site = trial.site
    site.add(trial.phone)
    site.scan(trial.phone)
    kill_at(trial, login)
    kill_at(trial, sending)
    trial.send()
    for message in trial.accepted.values():
        site.until_sent(message, trial.phone)
    # WhatsApp's page may hand a message over twice; under one id that is one message.
    assert sorted(row["body"] for row in site.web.ledger(trial.number)) == sorted(trial.accepted)
    site.gateway.remove_phone(trial.phone)
    eventually(lambda: not site.tree(trial.phone), 20, "the removed phone's browser to end")


@pytest.mark.timeout(300)
def test_browsers_killed_at_ten_moments_are_ready_again_thirty_of_thirty(site: PairedPhones) -> None:
    phones = count(100)
    trials = [
        (Trial(site, next(phones)), f"{login}; {sending}", LOGIN[login], SENDING[sending])
        for _ in range(ROUNDS)
        for login, sending in zip(LOGIN, SENDING, strict=True)
    ]
    with slow_acknowledgements(site, 0.3), ThreadPoolExecutor(AT_ONCE) as pool:
        lives = {
            f"{trial.phone}: {name}": pool.submit(live_through, trial, login, sending)
            for trial, name, login, sending in trials
        }
    broken = []
    for name, life in lives.items():
        if error := life.exception():
            error.add_note(name)
            broken.append(error)
    if broken:
        raise BaseExceptionGroup(f"{len(broken)} of {len(lives)}", broken)


def test_a_profile_whose_settings_a_kill_left_empty_opens_again(site: PairedPhones) -> None:
    """They are written anew in place with each start, by chromedriver, which reads them first."""
    phone = 9
    site.pair(phone)
    told = len(site.states(phone))
    assert site.gateway.cli("stop", "wwebjs").returncode == 0
    for name in ("Default/Preferences", "Local State"):
        (site.profile(phone).path / name).write_bytes(b"")
    assert site.gateway.cli("start", "wwebjs").returncode == 0
    is_ready_again(site, phone, told)


# -- the whole machine -------------------------------------------------------------------------------------------------
PHONES = (3, 4)
#: The browser that minds another host's lock, and one that is stricter about its profile than the usual one.
CHROMIUM = {"BISNES_WWEBJS_BROWSER": "chromium"}


def plant_foreign_locks(site: PairedPhones) -> None:
    """As a container leaves them on a volume: Chromium refuses a profile that another host seems to use."""
    for phone in PHONES:
        lock = site.profile(phone).path / "SingletonLock"
        lock.unlink(missing_ok=True)
        lock.symlink_to("another-host-4711")


def lose_power(site: PairedPhones) -> None:
    """Everything ends at once: gateway, PostgreSQL, Valkey, browsers."""
    everything = family_of(site.gateway.child.pid)
    kill(everything)
    assert gone(everything, 10) == []
    eventually(lambda: not any(site.tree(phone) for phone in PHONES), 10, "the browsers' end")


@pytest.mark.timeout(300)
def test_a_restart_of_all_services_and_a_lock_of_another_host_cost_no_pairing(web: WhatsApp, tmp_path: Path) -> None:
    with start_paired_phones(tmp_path, web, CHROMIUM) as site:
        site.pair(*PHONES)
        told = [len(site.states(phone)) for phone in PHONES]
    plant_foreign_locks(site)
    with start_paired_phones(tmp_path, web, CHROMIUM, numbers=site.numbers) as restarted:
        all_ready_again(restarted, told)
        told = [len(restarted.states(phone)) for phone in PHONES]
        lose_power(restarted)
    with start_paired_phones(tmp_path, web, CHROMIUM, numbers=site.numbers) as powered:
        all_ready_again(powered, told)


def all_ready_again(site: PairedPhones, told: list[int]) -> None:
    for phone, before in zip(PHONES, told, strict=True):
        is_ready_again(site, phone, before)
        site.until_sent(site.gateway.send("still here", phone=phone), phone)

"""What goes wrong on the host: no network, a profile or a browser that cannot be had; the phone says it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from bisnes_core.session import PhoneState
from plugins.wwebjs.profile import Profile
from tests.fixtures.one_browser import pid_of
from tests.fixtures.whatsapp_web import READY_S, Channel, WhatsApp


def test_without_a_network_the_phone_waits(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """Row network_down: the same browser tries again."""
    gone = WhatsApp()
    url = gone.url
    gone.close()
    channel = Channel(whatsapp, tmp_path)
    channel.adapter.settings = channel.settings.model_copy(update={"wwebjs_url": f"{url}/"})
    try:
        phone = channel.listen()
        news = phone.until(PhoneState.DISCONNECTED)
        assert "cannot be reached" in news.detail
        assert phone.processes()
        session = phone.session
        assert session.common.spent.restarts(session.common.now()) == 0
        session.common.settings = channel.settings
        phone.until(PhoneState.QR)
    finally:
        channel.close()


def test_a_profile_that_somebody_else_holds_is_a_conflict_until_it_is_free(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """Row profile_in_use."""
    channel = Channel(whatsapp, tmp_path)
    other = Profile(channel.settings.wwebjs_profiles_dir, "42", 0)
    other.hold()
    try:
        phone = channel.listen()
        phone.until(PhoneState.CONFLICT)
        other.release()
        phone.until(PhoneState.QR)
    finally:
        other.release()
        channel.close()


def test_a_session_that_is_told_to_end_again_and_again_closes_its_browser(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """A Chromium that stands still does not end by itself, and is killed."""
    channel = Channel(whatsapp, tmp_path)
    try:
        phone = channel.listen()
        phone.until(PhoneState.QR)
        profile = Profile(channel.settings.wwebjs_profiles_dir, "42", 0)
        psutil.Process(pid_of(profile, "browser")).suspend()

        async def insist() -> None:
            while phone.task is not None and not phone.task.done():
                phone.task.cancel()
                await asyncio.sleep(0.1)

        channel.run(insist())
        assert phone.processes() == []
        profile.hold()
        profile.release()
    finally:
        channel.close()


def test_a_browser_that_does_not_start_is_tried_three_times_more(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """Row start_failed."""
    browser = tmp_path / "chromium"
    starts = tmp_path / "starts"
    browser.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/chromium --version\necho x >> {starts}\nexit 1\n'
    )
    browser.chmod(0o700)
    channel = Channel(whatsapp, tmp_path, wwebjs_browser=str(browser))
    try:
        phone = channel.listen()
        news = phone.until(PhoneState.ERROR)
        assert "does not start" in news.detail
        assert len(starts.read_text().splitlines()) >= 4
    finally:
        channel.close()


def test_a_profile_that_cannot_be_written_is_an_error(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """Row profile_unwritable."""
    (tmp_path / "profiles").write_text("not a folder")
    channel = Channel(whatsapp, tmp_path, wwebjs_profiles=tmp_path / "profiles")
    try:
        phone = channel.listen()
        assert "cannot be written" in phone.until(PhoneState.ERROR, READY_S).detail
    finally:
        channel.close()

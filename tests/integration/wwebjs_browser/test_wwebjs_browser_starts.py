"""How a browser starts, and what is left of a start that fails."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from plugins.wwebjs.browser import Browser
from plugins.wwebjs.browser_failed import BrowserFailed, ProfileInUse, Reason
from plugins.wwebjs.chromium import Chromium
from plugins.wwebjs.process_tree import processes_of
from plugins.wwebjs.profile import Profile
from tests.fixtures.eventually import eventually
from tests.fixtures.one_browser import KINDS, OFFLINE, browser_on, chromium, run


def test_one_browser_per_profile(profile: Profile, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with browser_on(profile) as browser:
            with pytest.raises(ProfileInUse):
                await Browser.start(profile, chromium(KINDS[0]), extra_arguments=OFFLINE)
            with pytest.raises(ProfileInUse):
                Profile(tmp_path / "profiles", "acme", 0).hold()
            assert await browser.call("() => 1") == 1

    run(scenario)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_of_another_host_does_not_stop_a_start(profile: Profile, kind: str) -> None:
    profile.prepare()
    (profile.path / "SingletonLock").symlink_to("container-7f3a-4711")
    (profile.path / "SingletonCookie").symlink_to("1234567890")

    async def scenario() -> None:
        async with browser_on(profile, kind=kind) as browser:
            assert await browser.call("() => 1") == 1

    run(scenario)


def test_what_a_dead_owner_left_is_killed_first(profile: Profile, tmp_path: Path) -> None:
    profile.prepare()
    command = [str(chromium(KINDS[0]).browser), "--no-sandbox", "--remote-debugging-port=0", *OFFLINE]
    orphans = [
        subprocess.Popen([*command, f"--user-data-dir={path}"], stderr=subprocess.DEVNULL, start_new_session=True)
        for path in (profile.path, tmp_path / "profiles" / "acme-01")
    ]
    try:
        eventually(lambda: len(processes_of(profile.path)) > 2, 10, "the orphan runs")

        async def scenario() -> None:
            async with browser_on(profile) as browser:
                assert await browser.call("() => 1") == 1
                assert orphans[0].wait(5) == -signal.SIGKILL
                assert orphans[1].poll() is None  # its folder's name only begins the same way

        run(scenario)
    finally:
        for orphan in orphans:
            if orphan.poll() is None:
                os.killpg(orphan.pid, signal.SIGKILL)
            orphan.wait(5)


BROKEN_DRIVER = "#!/bin/sh\necho 'no libnss3.so here' >&2\nexit 3\n"
HANGING_DRIVER = f"""#!{sys.executable}
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(f"ChromeDriver was started successfully on port {{listener.getsockname()[1]}}.", flush=True)
while True:
    kept = listener.accept()
"""
BROKEN_BROWSER = "#!/bin/sh\necho 'cannot open shared object' >&2\nexit 1\n"
FULL_DISK_BROWSER = "#!/bin/sh\necho 'mkdir: No space left on device' >&2\nexit 1\n"


@pytest.mark.parametrize(
    ("name", "text", "reason", "words"),
    [
        ("driver", BROKEN_DRIVER, "start_failed", "no libnss3.so here"),
        ("driver", HANGING_DRIVER, "start_failed", "not up within 1.5 s"),
        ("driver", "", "start_failed", "Exec format error"),
        ("browser", BROKEN_BROWSER, "start_failed", "cannot open shared object"),
        ("browser", FULL_DISK_BROWSER, "disk_full", "No space left on device"),
    ],
)
def test_a_failed_start_says_why_and_leaves_nothing(
    profile: Profile, tmp_path: Path, name: str, text: str, reason: Reason, words: str
) -> None:
    script = tmp_path / name
    script.write_text(text)
    script.chmod(0o755)
    real = chromium(KINDS[0])
    broken = Chromium(
        script if name == "browser" else real.browser, script if name == "driver" else real.driver, real.version, True
    )

    async def scenario() -> None:
        with pytest.raises(BrowserFailed, match=words) as caught:
            await Browser.start(profile, broken, extra_arguments=OFFLINE, timeout_s=1.5 if "listener" in text else 20)
        assert caught.value.reason == reason
        assert processes_of(profile.path) == []
        names = [thread.name for thread in threading.enumerate()]
        assert not [thread for thread in names if thread.startswith("browser-start")], names

    run(scenario)
    run(lambda: _starts(profile))


def test_a_driver_that_finds_its_port_taken_gets_another(profile: Profile, tmp_path: Path) -> None:
    """It takes one that is free for IPv6, and ends when somebody listens there on IPv4 (chromedriver 156)."""
    real, driver, tries = chromium(KINDS[0]), tmp_path / "driver", tmp_path / "tries"
    driver.write_text(
        f'#!/bin/sh\necho x >> {tries}\n[ $(wc -l < {tries}) -gt 2 ] && exec {real.driver} "$@"\n'
        "echo 'IPv4 port not available. Exiting...'\nexit 1\n"
    )
    driver.chmod(0o755)

    async def scenario() -> None:
        browser = await Browser.start(profile, replace(real, driver=driver), extra_arguments=OFFLINE)
        assert await browser.call("() => 1") == 1
        await browser.kill()

    run(scenario)
    assert len(tries.read_text().splitlines()) == 3


async def _starts(profile: Profile) -> None:
    async with browser_on(profile) as browser:
        assert await browser.call("() => 1") == 1


def test_a_cancelled_start_leaves_nothing(profile: Profile) -> None:
    async def scenario() -> None:
        start = asyncio.create_task(Browser.start(profile, chromium(KINDS[0]), extra_arguments=OFFLINE))
        await asyncio.to_thread(eventually, lambda: len(processes_of(profile.path)) > 2, 10, "Chromium is coming up")
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert processes_of(profile.path) == []

    run(scenario)
    run(lambda: _starts(profile))

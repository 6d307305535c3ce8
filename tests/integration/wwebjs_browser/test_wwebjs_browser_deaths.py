"""Nothing of a browser is left when somebody of its chain is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.wwebjs.browser_failed import BrowserFailed, ProfileInUse, Reason
from plugins.wwebjs.process_tree import processes_of
from plugins.wwebjs.profile import Profile
from tests.fixtures.eventually import eventually
from tests.fixtures.one_browser import GONE_S, KINDS, OFFLINE, browser_on, gone, pid_of, run

OWNER = """
import asyncio, sys
from pathlib import Path
from plugins.wwebjs.browser import Browser
from plugins.wwebjs.chromium import find_chromium
from plugins.wwebjs.profile import Profile

async def main():
    profile = Profile(Path(sys.argv[1]), "acme", 0)
    profile.hold()
    await Browser.start(profile, await find_chromium(sys.argv[2]), extra_arguments=sys.argv[3:])
    sys.stdout.write("up\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", ["driver", "guardian"])
def test_nothing_is_left_when_driver_or_guardian_are_killed(profile: Profile, url: str, kind: str, victim: str) -> None:
    async def scenario() -> None:
        told: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        async with browser_on(profile, url, kind, told.set_result) as browser:
            under_way = asyncio.create_task(browser.call("() => new Promise(() => {})", timeout_s=30))
            await browser.call("() => 1")
            os.kill(pid_of(profile, victim), signal.SIGKILL)
            await asyncio.to_thread(gone, profile)  # by itself: nobody has called kill()
            async with asyncio.timeout(5):
                assert await told == "driver_gone"
            with pytest.raises(BrowserFailed) as caught:
                await under_way
            assert caught.value.reason == "driver_gone"

    run(scenario)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_browser_is_told_and_kill_ends_the_rest(profile: Profile, url: str, kind: str) -> None:
    async def scenario() -> None:
        told: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        async with browser_on(profile, url, kind, told.set_result) as browser:
            os.kill(pid_of(profile, "browser"), signal.SIGKILL)
            async with asyncio.timeout(5):
                assert await told == "browser_gone"
            await browser.kill()
            assert processes_of(profile.path) == []
        async with browser_on(profile, url, kind) as browser:
            assert await browser.call("() => 1") == 1

    run(scenario)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_when_our_process_is_killed(tmp_path: Path, url: str, kind: str) -> None:
    profile = Profile(tmp_path, "acme", 0)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), kind, *OFFLINE], stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        assert len(processes_of(profile.path)) > 4
        with pytest.raises(ProfileInUse):
            profile.hold()
        owner.kill()
    gone(profile)
    eventually(lambda: _held(profile), GONE_S, "the lock is free")

    async def scenario() -> None:
        async with browser_on(profile, url, kind) as browser:
            assert await browser.call("() => 1") == 1

    run(scenario)
    profile.release()


def _held(profile: Profile) -> bool:
    try:
        profile.hold()
    except ProfileInUse:
        return False
    return True


def test_a_stopped_guardian_does_not_save_the_browser(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            os.kill(pid_of(profile, "guardian"), signal.SIGSTOP)
            await browser.kill()
            assert processes_of(profile.path) == []

    run(scenario)


def test_a_terminated_guardian_takes_the_tree_along(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url):
            os.kill(pid_of(profile, "guardian"), signal.SIGTERM)
            await asyncio.to_thread(gone, profile)

    run(scenario)

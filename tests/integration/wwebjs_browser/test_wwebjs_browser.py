"""One real Chromium: what it does when it is well, and when its page is not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from plugins.wwebjs import browser as browser_module
from plugins.wwebjs import guardian
from plugins.wwebjs.browser import Browser
from plugins.wwebjs.browser_failed import BrowserFailed, PageError, Reason
from plugins.wwebjs.process_tree import command_line_of, processes_of
from plugins.wwebjs.profile import Profile
from tests.fixtures.one_browser import FIVE_MIB, KINDS, PATTERN, browser_on, pid_of, run

# -- when it is well ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_called_and_weighed_and_seen(profile: Profile, url: str, kind: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url, kind) as browser:
            assert await browser.call("(a, b) => ({ sum: a + b.n })", 1, {"n": 2}) == {"sum": 3}
            assert await browser.call("async () => undefined") is None
            with pytest.raises(PageError, match="TypeError: no chat") as caught:
                await browser.call("async () => { throw Object.assign(new TypeError('no chat'), {code: 'gone'}); }")
            assert (caught.value.name, caught.value.code) == ("TypeError", "gone")
            with pytest.raises(PageError, match="SyntaxError"):
                await browser.call("() => {(")
            seen = await browser.call(
                "() => [navigator.userAgent, navigator.webdriver, JSON.stringify(navigator.userAgentData.brands)]"
            )
            assert "Chrome/" in seen[0]
            assert "Headless" not in str(seen)
            assert seen[1] is False
            assert 80 * 2**20 < await browser.memory_bytes() < 2**30
            assert (await browser.screenshot()).startswith(b"\x89PNG")
            await browser.stop()
            assert await browser.memory_bytes() == 0
            with pytest.raises(BrowserFailed) as ended:
                await browser.call("() => 1")
            assert ended.value.reason == "browser_gone"

    run(scenario)


def scheduling_group(process: psutil.Process) -> str | None:
    """The kernel's, with its niceness; None where it makes none of sessions."""
    path = Path(f"/proc/{process.pid}/autogroup")
    return path.read_text() if path.exists() else None


def living_parts(profile: Profile) -> list[tuple[dict[str, str], int, str | None]]:
    """Environment, niceness and scheduling group of each of Chromium's processes; some live for a moment only."""
    found = []
    for pid in processes_of(profile.path):
        with suppress(psutil.NoSuchProcess, OSError):
            one = psutil.Process(pid)
            if one.name().startswith("chrom") and one.status() != psutil.STATUS_ZOMBIE:
                found.append((one.environ(), one.nice(), scheduling_group(one)))
    return found


def test_a_browser_has_none_of_our_secrets_and_yields_the_processors(
    profile: Profile, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEY", "only-for-us")

    async def scenario() -> None:
        async with browser_on(profile, url):
            parts = living_parts(profile)
            assert len(parts) > 3
            assert all("only-for-us" not in environ.values() for environ, _, _ in parts)
            assert min(niceness for _, niceness, _ in parts) >= os.nice(0) + guardian.NICENESS
            groups = {group for _, _, group in parts if group}
            assert {int(group.split()[-1]) for group in groups} <= {os.nice(0) + guardian.NICENESS}
            assert scheduling_group(psutil.Process()) not in groups, "that would slow us down, too"

    run(scenario)


def test_collected_garbage_is_given_back(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            await browser.call("() => { window.kept = Array.from({ length: 1_000_000 }, (_, at) => ({ at })); }")
            await browser.call("() => { delete window.kept; }")
            grown = await browser.memory_bytes()
            async with asyncio.timeout(10):
                while await browser.memory_bytes() > grown - 10 * 2**20:
                    await browser.collect_garbage()

    run(scenario)


def test_a_call_costs_milliseconds(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            taken = []
            for _ in range(100):
                began = time.perf_counter()
                await browser.call("() => 1")
                taken.append(time.perf_counter() - began)
            # 2 ms on an idle machine; anything that polls or sleeps per reply would be far above.
            assert statistics.median(taken) < 0.02

    run(scenario)


def test_the_driver_keeps_no_log_of_what_passes(profile: Profile, url: str) -> None:
    """Its own tab would show every command and event, texts included, and take half the time of each."""

    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            await browser.call("(text) => text", "a confidential text")
            targets = (await browser._cdp("Target.getTargets"))["targetInfos"]
            mapper = next(one["targetId"] for one in targets if one["title"] == browser_module._MAPPER)
            content = "document.documentElement.outerHTML"
            assert "<div" not in await evaluate_in(browser, mapper, content)

    run(scenario)


async def evaluate_in(browser: Browser, target: str, expression: str) -> str:
    """Value of an expression in another tab, left as its title: such a session's answers come as events."""
    session = (await browser._cdp("Target.attachToTarget", targetId=target, flatten=False))["sessionId"]
    code = json.dumps(
        {"id": 1, "method": "Runtime.evaluate", "params": {"expression": f"document.title = 'is ' + {expression}"}}
    )
    await browser._cdp("Target.sendMessageToTarget", sessionId=session, message=code)
    await browser._cdp("Target.detachFromTarget", sessionId=session)
    async with asyncio.timeout(5):
        while True:
            infos = (await browser._cdp("Target.getTargets"))["targetInfos"]
            title = str(next(one["title"] for one in infos if one["targetId"] == target))
            if title.startswith("is "):
                return title


def test_events_of_a_burst_come_all_and_in_order(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile) as browser:
            heard: list[str] = []
            all_heard = asyncio.Event()

            def hear(text: str) -> None:
                heard.append(text)
                if len(heard) == 2001:
                    all_heard.set()
                if text == "7":
                    raise ValueError("a listener that fails costs no other event")

            failures: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
            await browser.add_preload("(emit) => { if (top === window) { window.emit = emit; emit('up'); } }", hear)
            await browser.open(url)
            await browser.call("() => { for (let n = 0; n < 2000; n++) window.emit(String(n)); }")
            async with asyncio.timeout(20):
                await all_heard.wait()
            assert heard == ["up", *map(str, range(2000))]
            assert [type(failure) for failure in failures] == [ValueError]

    run(scenario)


def test_a_removed_preload_runs_in_no_new_document(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile) as browser:
            preload = await browser.add_preload("() => { window.marked = true; }", lambda _: None)
            await browser.open(url)
            assert await browser.call("() => window.marked") is True
            await browser.reload()
            assert await browser.call("() => window.marked") is True
            await browser.remove_preload(preload)
            await browser.reload()
            assert await browser.call("() => window.marked ?? null") is None

    run(scenario)


def test_files_go_in_and_downloads_come_out(profile: Profile, url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            given = tmp_path / "five.bin"
            given.write_bytes(PATTERN)
            await browser.set_files("#file", [given])
            assert await browser.call("() => window.digest()") == hashlib.sha256(PATTERN).hexdigest()
            got = await asyncio.gather(
                *(browser.download("(name, n) => saveAs(name, n)", f"{n}.bin", FIVE_MIB) for n in range(2))
            )
            assert [path.name for path in got] == ["0.bin", "1.bin"]
            assert all(path.parent == browser.downloads and path.read_bytes() == PATTERN for path in got)
            with pytest.raises(PageError, match="no element #nowhere"):
                await browser.set_files("#nowhere", [given])
            with pytest.raises(BrowserFailed) as caught:
                await browser.download("() => 'never.bin'", timeout_s=0.2)
            assert caught.value.reason == "timeout"

    run(scenario)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_profile_remembers(profile: Profile, url: str, end: str) -> None:
    write = """(word) => new Promise((done, failed) => {
        const open = indexedDB.open("login", 1);
        open.onupgradeneeded = () => open.result.createObjectStore("keys");
        open.onsuccess = () => {
            const change = open.result.transaction("keys", "readwrite", { durability: "strict" });
            change.objectStore("keys").put(word, "me");
            change.oncomplete = () => done();
        };
        open.onerror = failed;
    })"""
    read = """() => new Promise((done) => {
        const open = indexedDB.open("login", 1);
        open.onsuccess = () => {
            open.result.transaction("keys").objectStore("keys").get("me").onsuccess = (got) => done(got.target.result);
        };
    })"""

    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            await browser.call(write, end)
            await getattr(browser, end)()
        async with browser_on(profile, url) as browser:
            assert await browser.call(read) == end

    run(scenario)


# -- pages that misbehave ----------------------------------------------------------------------------------------------


def test_a_page_in_an_endless_loop_hurts_only_its_own_browser(profile: Profile, url: str, tmp_path: Path) -> None:
    other_profile = Profile(tmp_path / "profiles", "acme", 1)
    other_profile.hold()

    async def scenario() -> None:
        async with browser_on(profile, url) as stuck, browser_on(other_profile, url) as other:
            calls = [asyncio.create_task(stuck.call("() => { for (;;); }", timeout_s=3.0)) for _ in range(8)]
            began = time.monotonic()
            assert await other.call("() => 2") == 2
            assert time.monotonic() - began < 2.4  # it waited for nobody's deadline
            failures = await asyncio.gather(*calls, return_exceptions=True)
            assert [failure.reason for failure in failures if isinstance(failure, BrowserFailed)] == ["timeout"] * 8
            began = time.monotonic()
            await stuck.kill()
            assert time.monotonic() - began < 1.5  # 0.03 s on an idle machine, and no deadline of ours is that short
            assert processes_of(profile.path) == []
            assert await other.call("() => 3") == 3

    run(scenario)
    other_profile.release()
    assert processes_of(other_profile.path) == []


def test_a_graceful_stop_of_a_hanging_browser_ends_in_time(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            os.kill(pid_of(profile, "browser"), signal.SIGSTOP)
            began = time.monotonic()
            await browser.stop(timeout_s=0.5)
            assert time.monotonic() - began < 2.5
            assert processes_of(profile.path) == []

    run(scenario)


def test_calls_that_never_end_cost_nothing_after_their_deadline(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            threads = threading.active_count()
            calls = [browser.call("() => new Promise(() => {})", timeout_s=0.2) for _ in range(50)]
            failures = await asyncio.gather(*calls, return_exceptions=True)
            assert {failure.reason for failure in failures if isinstance(failure, BrowserFailed)} == {"timeout"}
            assert threading.active_count() == threads
            assert await browser.call("() => 1") == 1

    run(scenario)


def test_a_page_that_goes_elsewhere_leaves_the_outcome_open(profile: Profile, url: str) -> None:
    async def scenario() -> None:
        async with browser_on(profile, url) as browser:
            under_way = asyncio.create_task(browser.call("() => new Promise(() => {})", timeout_s=10))
            await asyncio.wait({under_way}, timeout=0.1)
            await browser.reload()
            with pytest.raises(BrowserFailed) as caught:
                await under_way
            assert caught.value.reason == "page_navigated"
            assert browser.gone is None

    run(scenario)


def test_an_address_that_cannot_be_had_is_told(profile: Profile) -> None:
    async def scenario() -> None:
        async with browser_on(profile) as browser:
            with pytest.raises(BrowserFailed, match="net::ERR_NAME_NOT_RESOLVED") as caught:
                await browser.open("https://web.whatsapp.com/")
            assert caught.value.reason == "open_failed"

    run(scenario)


async def crash(browser: Browser, profile: Profile) -> None:
    with pytest.raises(BrowserFailed):
        await browser.open("chrome://crash")


async def kill_the_pages_process(browser: Browser, profile: Profile) -> None:
    """As the kernel does when memory is short; the other renderer is chromedriver's, and smaller."""
    await browser.call("() => { window.much = Array.from({ length: 15e6 }, Math.random); }")
    renderers = [pid for pid in processes_of(profile.path) if b"--type=renderer" in command_line_of(pid)]
    max((psutil.Process(pid) for pid in renderers), key=lambda one: int(one.memory_info().rss)).kill()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [crash, kill_the_pages_process])
def test_a_crashed_tab_is_told_and_ends_calls_at_once(
    profile: Profile, url: str, kind: str, end: Callable[[Browser, Profile], Awaitable[None]]
) -> None:
    async def scenario() -> None:
        told: list[Reason] = []
        async with browser_on(profile, url, kind, told.append) as browser:
            under_way = asyncio.create_task(browser.call("() => new Promise(() => {})", timeout_s=30))
            await end(browser, profile)
            with pytest.raises(BrowserFailed) as caught:
                await under_way
            assert caught.value.reason == browser.gone == "page_crashed"
            assert told == ["page_crashed"]

    run(scenario)

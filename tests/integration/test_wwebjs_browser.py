"""One real Chromium: what it does when it is well, and that nothing of it is left when somebody is killed."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import http.server
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from plugins.wwebjs import browser as browser_module
from plugins.wwebjs import guardian
from plugins.wwebjs.browser import Browser
from plugins.wwebjs.browser_failed import BrowserFailed, PageError, ProfileInUse, Reason
from plugins.wwebjs.chromium import Chromium, find_chromium
from plugins.wwebjs.process_tree import command_line_of, processes_of
from plugins.wwebjs.profile import Profile
from tests.fixtures.eventually import eventually

#: No request leaves the machine.
OFFLINE = ("--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
#: Within this, nothing of a browser is left after a death.
GONE_S = 3.0
KINDS = ("chromium-headless-shell", "chromium")
KIND_ENDINGS = tuple(f"/{kind}".encode() for kind in KINDS)
FIVE_MIB = 5 * 1024 * 1024

PAGE = b"""<!doctype html><title>A page</title><body><input type="file" id="file" hidden><script>
window.saveAs = (name, bytes) => {
  const link = document.createElement("a");
  const content = Uint8Array.from({ length: bytes }, (_, at) => at % 251);
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  return name;
};
window.digest = async () => {
  const bytes = await document.querySelector("#file").files[0].arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
};
</script>"""
PATTERN = bytes(at % 251 for at in range(FIVE_MIB))

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


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@functools.cache
def chromium(kind: str) -> Chromium:
    return asyncio.run(find_chromium(kind))


@pytest.fixture(scope="module", autouse=True)
def _chromium_found() -> None:
    """Looked for before any test has an event loop; without a browser it fails with the command that mends it."""
    for kind in KINDS:
        chromium(kind)


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    """A held profile on which nothing runs at the end."""
    profile = Profile(tmp_path / "profiles", "acme", 0)
    profile.hold()
    yield profile
    profile.release()
    assert processes_of(profile.path) == []
    profile.clean()


@asynccontextmanager
async def browser_on(
    profile: Profile, url: str | None = None, kind: str = KINDS[0], on_gone: Callable[[Reason], None] | None = None
) -> AsyncIterator[Browser]:
    """A started browser, on the page where one is given; killed at the end."""
    browser = await Browser.start(profile, chromium(kind), extra_arguments=OFFLINE, on_gone=on_gone)
    try:
        if url is not None:
            await browser.open(url)
        yield browser
    finally:
        await browser.kill()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Runs a scenario, which may take no longer than this suite's patience with a hanging browser."""

    async def bounded() -> None:
        async with asyncio.timeout(50):
            await scenario()

    asyncio.run(bounded())


def pid_of(profile: Profile, part: str) -> int:
    """The one process of this part of the tree."""
    tests: dict[str, Callable[[list[bytes]], bool]] = {
        "guardian": lambda words: any(word.endswith(b"guardian.py") for word in words),
        "driver": lambda words: words[0].endswith(b"chromedriver"),
        "browser": lambda words: words[0].endswith(KIND_ENDINGS) and not any(w.startswith(b"--type=") for w in words),
    }
    (pid,) = [pid for pid in processes_of(profile.path) if tests[part](command_line_of(pid).split(b"\0"))]
    return pid


def gone(profile: Profile) -> None:
    eventually(lambda: not processes_of(profile.path), GONE_S, "no process has this profile")


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


def scheduling_groups(processes: list[psutil.Process]) -> set[str]:
    """The kernel's, with their niceness; none where it makes none of sessions."""
    return {path.read_text() for one in processes if (path := Path(f"/proc/{one.pid}/autogroup")).exists()}


def test_a_browser_has_none_of_our_secrets_and_yields_the_processors(
    profile: Profile, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEY", "only-for-us")

    async def scenario() -> None:
        async with browser_on(profile, url):
            tree = [psutil.Process(pid) for pid in processes_of(profile.path)]
            browsers = [one for one in tree if one.name().startswith("chrom") and one.status() != psutil.STATUS_ZOMBIE]
            assert len(browsers) > 3
            assert all("only-for-us" not in one.environ().values() for one in browsers)
            assert min(one.nice() for one in browsers) >= os.nice(0) + guardian.NICENESS
            groups = scheduling_groups(browsers)
            assert {int(group.split()[-1]) for group in groups} <= {os.nice(0) + guardian.NICENESS}
            assert not groups & scheduling_groups([psutil.Process()]), "that would slow us down, too"

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
            calls = [asyncio.create_task(stuck.call("() => { for (;;); }", timeout_s=1.0)) for _ in range(8)]
            began = time.monotonic()
            assert await other.call("() => 2") == 2
            assert time.monotonic() - began < 0.8  # it waited for nobody's deadline
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_crashed_tab_is_told_and_ends_calls_at_once(profile: Profile, url: str, kind: str) -> None:
    async def scenario() -> None:
        told: list[Reason] = []
        async with browser_on(profile, url, kind, told.append) as browser:
            under_way = asyncio.create_task(browser.call("() => new Promise(() => {})", timeout_s=30))
            with pytest.raises(BrowserFailed):
                await browser.open("chrome://crash")
            with pytest.raises(BrowserFailed) as caught:
                await under_way
            assert caught.value.reason == browser.gone == "page_crashed"
            assert told == ["page_crashed"]

    run(scenario)


def test_a_page_without_successor_is_told_where_the_driver_tells_of_no_crash(
    profile: Profile, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_module, "_CRASHED", "goog:cdp.Inspector.neverSent")

    async def scenario() -> None:
        told: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        async with browser_on(profile, url, on_gone=told.set_result) as browser:
            with pytest.raises(BrowserFailed):
                await browser.open("chrome://crash")
            async with asyncio.timeout(10):
                assert await told == "page_crashed"

    run(scenario)


# -- deaths ------------------------------------------------------------------------------------------------------------


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


# -- starts ------------------------------------------------------------------------------------------------------------


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

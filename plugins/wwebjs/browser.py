"""One Chromium with one page, on one profile: started through Selenium, spoken to over WebDriver BiDi.

Everything is asynchronous and has a deadline of its own; a browser that hangs blocks neither the event loop nor another
browser. After the start nothing uses a classic command: one that waits blocks all others of its session.
What to do about a failure is decided elsewhere; here it gets a reason (`browser_failed`).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from plugins.wwebjs import guardian, page_call, process_tree
from plugins.wwebjs.bidi import BidiSocket
from plugins.wwebjs.browser_failed import BrowserFailed, PageError, Reason
from plugins.wwebjs.chromium import Chromium
from plugins.wwebjs.downloads import Downloads
from plugins.wwebjs.driver_process import DriverProcess
from plugins.wwebjs.flags import chromium_arguments, honest_brands
from plugins.wwebjs.last_words import last_words
from plugins.wwebjs.profile import Profile
from plugins.wwebjs.sandbox import sandbox_possible, shared_memory_bytes
from plugins.wwebjs.selenium_session import open_session, start_failure

#: Orphans of a dead owner are gone in some 20 ms.
REAP_TIMEOUT_S: Final = 3.0
#: Commands that only set something; a browser that needs longer hangs.
SETTING_TIMEOUT_S: Final = 10.0
#: After a socket closed because the driver died, its guardian has killed the tree and is gone within this (some 50 ms).
DRIVER_DEATH_S: Final = 0.5
#: Between two looks at a browser that was asked to end.
LOOK_EVERY_S: Final = 0.02

#: chromedriver's own event, 20 ms after the crash (156). That a page has no realm for a while says nothing: on a busy
#: machine one that just loads has none for seconds.
_CRASHED: Final = "goog:cdp.Inspector.targetCrashed"
_EVENTS: Final = (
    "script.message",
    "browsingContext.downloadWillBegin",
    "browsingContext.downloadEnd",
    _CRASHED,
)
#: chromedriver's words (156) when a document goes while one of its functions runs.
_NAVIGATED: Final = ("navigated or closed", "context was destroyed", "Cannot find context", "no such frame")
#: A collection takes some 50 ms and is given up when who asked for it leaves; nobody tells us of its end.
COLLECT_S: Final = 0.5
#: Title of the tab in which chromedriver translates BiDi, and commands for it: one takes its document's content away.
_MAPPER: Final = "BiDi-CDP Mapper"
_COLLECT: Final = '{"id": 1, "method": "HeapProfiler.collectGarbage"}'
_EMPTY: Final = '{"id": 1, "method": "Runtime.evaluate", "params": {"expression": "document.body.replaceChildren()"}}'


class Browser:
    """One Chromium with one page. All methods but `stop` and `kill` raise BrowserFailed.

    Attributes:
        gone: why the browser is gone without our doing (`browser_gone`, `driver_gone`, `page_crashed`), else None.
        downloads: folder that downloads of this page land in.
    """

    def __init__(self, profile: Profile, on_gone: Callable[[Reason], None] | None) -> None:
        self.gone: Reason | None = None
        self.downloads = profile.downloads
        self._profile = profile
        self._on_gone = on_gone
        self._driver = DriverProcess(profile)
        self._socket: BidiSocket | None = None
        self._context = ""
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._channels = 0
        self._downloads = Downloads()
        self._leaving = False
        self._finding_out: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    # -- life ----------------------------------------------------------------------------------------------------

    @classmethod
    async def start(
        cls,
        profile: Profile,
        chromium: Chromium,
        *,
        on_gone: Callable[[Reason], None] | None = None,
        extra_arguments: Sequence[str] = (),
        timeout_s: float = 30.0,
    ) -> Browser:
        """Starts a browser on a profile whose lock is held (`profile.hold()`); a failed start leaves nothing behind.

        Kills first what a dead owner left on this profile and removes its stale `Singleton*` files.

        Args:
            profile: held; one browser at a time.
            chromium: what `find_chromium()` found.
            on_gone: called once, in the event loop, when browser, driver or page are gone without our doing. What is
                left of the tree stays until `kill()`.
            extra_arguments: for Chromium, after ours.
            timeout_s: for the whole start; 0.5 to 1.5 s are usual on an idle machine.

        Raises:
            BrowserFailed: `profile_in_use`, `profile_unwritable`, `disk_full`, `version_mismatch`, `no_browser`, or
                `start_failed`, with the text of driver and Chromium.
        """
        profile.occupy()
        browser = cls(profile, on_gone)
        try:
            async with asyncio.timeout(timeout_s):
                await browser._start(chromium, extra_arguments, timeout_s)
        except BaseException as error:
            said = browser._driver.said
            await browser.kill()
            if isinstance(error, TimeoutError):
                raise BrowserFailed("start_failed", f"not up within {timeout_s:g} s: {said}") from error
            if isinstance(error, BrowserFailed | asyncio.CancelledError) or not isinstance(error, Exception):
                raise
            raise start_failure(str(error), said) from error
        return browser

    async def _start(self, chromium: Chromium, extra_arguments: Sequence[str], timeout_s: float) -> None:
        left = await process_tree.kill_processes_of(self._profile.path, REAP_TIMEOUT_S)
        if left:
            raise BrowserFailed("profile_in_use", f"processes {left} of {self._profile.path} cannot be killed")
        await asyncio.to_thread(self._profile.prepare)
        arguments = chromium_arguments(
            self._profile.path,
            chromium.version,
            headless_shell=chromium.headless_shell,
            sandbox=await asyncio.to_thread(sandbox_possible, chromium.browser),
            shm_bytes=shared_memory_bytes(),
            extra=extra_arguments,
        )
        port = await self._driver.start(chromium.driver, timeout_s)
        url = await self._open_session(port, chromium, arguments, timeout_s)
        self._socket = BidiSocket(url, self._on_event, self._on_socket_closed)
        await self._socket.open()
        tree = await self._command("browsingContext.getTree", maxDepth=0)
        self._context = tree["contexts"][0]["context"]
        await self._command("session.subscribe", events=_EVENTS)
        await self._silence_mapper()
        behaviour = {"type": "allowed", "destinationFolder": str(self.downloads)}
        await self._command("browser.setDownloadBehavior", downloadBehavior=behaviour)
        if chromium.headless_shell:
            await self._command(
                "userAgentClientHints.setClientHintsOverride", clientHints=honest_brands(chromium.version)
            )

    async def _open_session(self, port: int, chromium: Chromium, arguments: Sequence[str], timeout_s: float) -> str:
        """Through a pipe the driver waits 60 s for a Chromium that exited (156); we look ourselves."""
        session = asyncio.create_task(open_session(port, chromium, arguments, timeout_s))
        exited = asyncio.create_task(self._driver.chromium_exited())
        try:
            await asyncio.wait({session, exited}, return_when=asyncio.FIRST_COMPLETED)
            if session.done():
                return session.result()
        finally:
            session.cancel()
            exited.cancel()
        await self._driver.end()
        raise start_failure("Chromium exited", await last_words(chromium.browser, arguments, self._driver.environment))

    async def _silence_mapper(self) -> None:
        """Takes away the page into which the driver's mapper tab logs all that passes.

        It holds message texts, is painted with each line, and doubled the time of a send (chromedriver 156). Without
        the element the mapper logs nothing. Not flat: from a flat session to its own tab the mapper detaches at once.
        """
        with suppress(BrowserFailed, StopIteration):
            await self._tell_mapper(_EMPTY)

    async def _tell_mapper(self, message: str, stay_s: float = 0.0) -> None:
        found = await self._cdp("Target.getTargets")
        mapper = next(one["targetId"] for one in found["targetInfos"] if one["title"] == _MAPPER)
        session = (await self._cdp("Target.attachToTarget", targetId=mapper, flatten=False))["sessionId"]
        await self._cdp("Target.sendMessageToTarget", sessionId=session, message=message)
        await asyncio.sleep(stay_s)
        await self._cdp("Target.detachFromTarget", sessionId=session)

    async def collect_garbage(self) -> None:
        """Gives back what a start has used: 18 of 270 MiB (156), which an idle page keeps for long. At best effort."""
        with suppress(BrowserFailed, StopIteration):
            found = await self._command("goog:cdp.getSession", context=self._context)
            await self._command(
                "goog:cdp.sendCommand", method="HeapProfiler.collectGarbage", params={}, session=found["session"]
            )
            await self._tell_mapper(_COLLECT, COLLECT_S)

    async def _cdp(self, method: str, **params: Any) -> dict[str, Any]:
        answer = await self._command("goog:cdp.sendCommand", method=method, params=params)
        result: dict[str, Any] = answer["result"]
        return result

    async def stop(self, *, timeout_s: float = 5.0) -> None:
        """Lets Chromium end by itself; what lives after the deadline is killed. Never raises; may be repeated."""
        if not self._leaving and self.gone is None:
            self._leaving = True
            with suppress(BrowserFailed, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._command("browser.close", timeout_s=timeout_s)
                    await self._chromium_ended()
        await self.kill()

    async def _chromium_ended(self) -> None:
        """Returns when nothing but the driver is left below the guardian; nobody tells us of a grandchild's end."""
        root = self._driver.guardian_pid or 0
        while len(await asyncio.to_thread(guardian.descendants, root)) > 1:  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK_EVERY_S)

    async def kill(self) -> None:
        """Ends the whole tree at once. Never raises; may be repeated."""
        self._leaving = True
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="browser end")
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        self._fail(BrowserFailed(self.gone or "browser_gone", "the browser was ended"))
        try:
            await self._driver.end()
            if self._socket is not None:
                await self._socket.close()
            await asyncio.to_thread(self._profile.clean)
        finally:
            self._profile.vacate()

    async def memory_bytes(self) -> int:
        """Memory of guardian, chromedriver and all of Chromium, shared pages counted once; 0 when it has ended."""
        root = self._driver.guardian_pid
        return 0 if root is None or self._ending else await asyncio.to_thread(process_tree.tree_bytes, root)

    # -- the page ------------------------------------------------------------------------------------------------

    async def add_preload(self, script: str, on_event: Callable[[str], None]) -> str:
        """Runs a script at the start of every document from the next `open()` on.

        Args:
            script: function declaration `(emit) => {...}`; runs in every frame: return early unless `top === window`.
            on_event: gets the text of each `emit(text)`, in the event loop, in the order of a document's emissions.

        Returns:
            An id for `remove_preload`.
        """
        self._channels += 1
        channel = f"bisnes-{self._channels}"
        self._listeners[channel] = on_event
        arguments = [{"type": "channel", "value": {"channel": channel}}]
        answer = await self._command("script.addPreloadScript", functionDeclaration=script, arguments=arguments)
        return str(answer["script"])

    async def remove_preload(self, preload: str) -> None:
        """New documents run it no longer; what the present one emits is still heard."""
        await self._command("script.removePreloadScript", script=preload)

    async def open(self, url: str, *, timeout_s: float = 30.0) -> None:
        """Loads `url` until its document is parsed; `open_failed`, mostly with `net::ERR_...`, when that fails."""
        await self._load("browsingContext.navigate", timeout_s, url=url)

    async def reload(self, *, timeout_s: float = 30.0) -> None:
        """Loads the page anew; calls under way end as `page_navigated`."""
        await self._load("browsingContext.reload", timeout_s)

    async def _load(self, method: str, timeout_s: float, **parameters: Any) -> None:
        try:
            await self._command(method, context=self._context, wait="interactive", timeout_s=timeout_s, **parameters)
        except BrowserFailed as error:
            if error.reason in ("protocol_error", "timeout"):
                raise BrowserFailed("open_failed", error.text) from error
            raise

    async def call(self, function_declaration: str, *args: Any, timeout_s: float = 15.0) -> Any:
        """Calls a function, async or not, in the page.

        Args:
            function_declaration: its source, such as `async (a, b) => window.x.y(a, b)`.
            args: JSON values.
            timeout_s: for the answer. After `timeout` and `page_navigated` the outcome is unknown.

        Returns:
            Its result as JSON value; None for undefined.

        Raises:
            PageError: what the function threw.
        """
        try:
            answer = await self._command(
                "script.callFunction",
                functionDeclaration=page_call.wrapped(function_declaration),
                arguments=page_call.arguments_of(args),
                awaitPromise=True,
                target={"context": self._context},
                timeout_s=timeout_s,
            )
        except BrowserFailed as error:
            if error.reason == "protocol_error" and any(words in error.text for words in _NAVIGATED):
                raise BrowserFailed("page_navigated", error.text) from error
            raise
        return page_call.result_of(answer)

    async def set_files(self, selector: str, paths: Sequence[Path], *, timeout_s: float = 60.0) -> None:
        """Puts files into the file input that a CSS selector finds; the input's `change` event follows."""
        locator = {"type": "css", "value": selector}
        found = await self._command(
            "browsingContext.locateNodes", context=self._context, locator=locator, maxNodeCount=1
        )
        if not found["nodes"]:
            raise PageError("NotFound", f"no element {selector}")
        await self._command(
            "input.setFiles",
            context=self._context,
            element={"sharedId": found["nodes"][0]["sharedId"]},
            files=[str(path.absolute()) for path in paths],
            timeout_s=timeout_s,
        )

    async def download(self, function_declaration: str, *args: Any, timeout_s: float = 120.0) -> Path:
        """Calls a page function that starts a download and returns its file name; gives the finished file.

        The name must be this download's only: two at a time under one name could be taken for each other.
        """
        try:
            async with asyncio.timeout(timeout_s):
                name = await self.call(function_declaration, *args, timeout_s=timeout_s)
                return await self._downloads.file(str(name))
        except TimeoutError:
            raise BrowserFailed("timeout", f"no finished download within {timeout_s:g} s") from None

    async def screenshot(self, *, timeout_s: float = 15.0) -> bytes:
        """What the page shows, as PNG."""
        shot = await self._command("browsingContext.captureScreenshot", context=self._context, timeout_s=timeout_s)
        return base64.b64decode(shot["data"])

    async def _command(
        self, method: str, /, *, timeout_s: float = SETTING_TIMEOUT_S, **parameters: Any
    ) -> dict[str, Any]:
        if self._socket is None:
            raise BrowserFailed("browser_gone", "the browser was not started")
        return await self._socket.command(method, parameters, timeout_s)

    # -- what happens to it --------------------------------------------------------------------------------------

    def _on_event(self, method: str, event: dict[str, Any]) -> None:
        match method:
            case "script.message":
                self._on_message(event)
            case "browsingContext.downloadWillBegin":
                self._downloads.began(event)
            case "browsingContext.downloadEnd":
                self._downloads.ended(event)
            case _ if method == _CRASHED:
                self._lose("page_crashed")

    def _on_message(self, event: dict[str, Any]) -> None:
        listener = self._listeners.get(event["channel"])
        if listener is not None:
            # In a callback of its own: what it raises reaches the loop's exception handler and stops no other event.
            asyncio.get_running_loop().call_soon(listener, str(event["data"].get("value")))

    def _on_socket_closed(self) -> None:
        if not self._leaving:
            self._finding_out = asyncio.create_task(self._find_out_who(), name="browser gone")

    async def _find_out_who(self) -> None:
        self._lose("driver_gone" if await self._driver.ends_within(DRIVER_DEATH_S) else "browser_gone")

    def _lose(self, reason: Reason) -> None:
        if self.gone is not None or self._leaving:
            return
        self.gone = reason
        self._fail(BrowserFailed(reason, self._driver.said.rpartition("\n")[2]))
        if self._on_gone is not None:
            asyncio.get_running_loop().call_soon(self._on_gone, reason)

    def _fail(self, failure: BrowserFailed) -> None:
        self._downloads.fail(failure)
        if self._socket is not None:
            self._socket.fail(failure)

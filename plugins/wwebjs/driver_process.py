"""chromedriver under its guardian: started, asked for its port, ended with all that belongs to it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from plugins.wwebjs import guardian, process_tree
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.profile import Profile

#: A guardian that was asked to end kills the tree and is gone in some 20 ms; after this we do it ourselves.
END_TIMEOUT_S: Final = 2.0
#: Between two looks at a Chromium that starts.
LOOK_EVERY_S: Final = 0.1
#: As much of what driver and Chromium say is kept, to tell why a start failed.
TAIL_BYTES: Final = 4096
#: What the dead have said is read within milliseconds of their end.
HEARING_S: Final = 1.0
#: Ports that a driver may find taken before a start counts as failed; with 9,000 in use, 15 of 20 were (measured).
PORT_TRIES: Final = 10
#: chromedriver's own words, once it listens, and when it cannot (156).
_PORT: Final = re.compile(rb"started successfully on port (\d+)")
_PORT_TAKEN: Final = re.compile(rb"IPv[46] port not available")
#: Variables that Chromium and its libraries read. The others hold keys: a page that breaks out must not find them.
_PASSED: Final = re.compile(r"(PATH|HOME|USER|LANG|LANGUAGE|TZ|LC_.*|LD_.*|XDG_.*|FONTCONFIG_.*|FC_.*)$")
_DRIVER: Final = re.compile(rf"^{guardian.DRIVER_LINE} (\d+)$".encode(), re.MULTILINE)


class DriverProcess(asyncio.Protocol):
    """One guardian with its chromedriver; as a protocol it hears what they and Chromium say."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: int | None = None
        self._ear: asyncio.ReadTransport | None = None
        self._said = b""
        self._all_said = asyncio.Event()
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._driver: int | None = None

    async def start(self, driver: Path, timeout_s: float) -> int:
        """Starts both; gives the port chromedriver listens on, on 127.0.0.1.

        chromedriver takes a port that is free for IPv6 and ends when somebody has it for IPv4: then it gets another.

        Raises:
            BrowserFailed: `start_failed` with what they said.
        """
        for _ in range(PORT_TRIES):
            await self._spawn(driver)
            await self._up_or_ended(timeout_s)
            if self._port.done():
                return self._port.result()
            if not _PORT_TAKEN.search(self._said):
                break
            await self.end()
            await self._all_said.wait()
        raise BrowserFailed("start_failed", f"chromedriver did not come up: {self.said}")

    async def _up_or_ended(self, timeout_s: float) -> None:
        """Returns when the port is known, the guardian has ended and all that was said is heard, or time is up."""
        assert self._process is not None  # noqa: S101 - spawned
        ended = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait({ended, self._port}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() and not self._port.done():
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARING_S):
                        await self._all_said.wait()
        finally:
            ended.cancel()

    async def _spawn(self, driver: Path) -> None:
        """Starts the guardian in a session of its own: a signal to our process group is not one to the browser."""
        lock = self._profile.lock
        self._said, self._driver = b"", None
        self._all_said.clear()
        ours_in, theirs_in = os.pipe(), os.pipe()
        listen, say = ours_in
        read_end, self._pipe = theirs_in
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", guardian.__file__, str(os.getpid()), str(lock)),
                *(f"--user-data-dir={self._profile.path}", str(driver), "--port=0"),
                stdin=read_end,
                stdout=say,
                stderr=say,
                pass_fds=(lock,),
                start_new_session=True,
                env=self.environment,
            )
        except BaseException:
            os.close(listen)
            raise
        finally:
            os.close(read_end)
            os.close(say)
        self._ear, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: self, os.fdopen(listen, "rb", 0))

    def data_received(self, data: bytes) -> None:
        """Keeps the end of what is said, and looks for the port while it is not known."""
        self._said = (self._said + data)[-TAIL_BYTES:]
        if self._port.done():
            return
        if self._driver is None and (named := _DRIVER.search(self._said)):
            self._driver = int(named[1])
        if listening := _PORT.search(self._said):
            self._port.set_result(int(listening[1]))

    def connection_lost(self, _error: Exception | None) -> None:
        """Nobody is left who could say anything."""
        self._all_said.set()

    @property
    def environment(self) -> dict[str, str]:
        """What a browser needs of ours and no secret; temporary files go where they are cleared away."""
        temporary = str(self._profile.temporary)
        passed = {name: value for name, value in os.environ.items() if _PASSED.match(name)}
        return {**passed, "TMPDIR": temporary, "BREAKPAD_DUMP_LOCATION": temporary}

    @property
    def said(self) -> str:
        """The last words of driver and Chromium."""
        return self._said.decode(errors="replace").strip()

    @property
    def guardian_pid(self) -> int | None:
        """The guardian, root of the browser's tree; None before the start."""
        return None if self._process is None else self._process.pid

    async def chromium_exited(self) -> None:
        """Returns when the Chromium that the driver started has ended; the driver leaves it uncollected."""
        while not await asyncio.to_thread(process_tree.has_dead_child, self._driver or 0):  # noqa: ASYNC110 - no event
            await asyncio.sleep(LOOK_EVERY_S)

    async def ends_within(self, timeout_s: float) -> bool:
        """Whether the guardian ends in that time, as it does when the driver has died."""
        if self._process is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._process.wait()
        return self._process is None or self._process.returncode is not None

    async def end(self) -> None:
        """Ends the tree at once, and makes sure that no process of the profile is left. May be repeated."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)
        process = self._process
        try:
            if process is not None and not await self.ends_within(END_TIMEOUT_S):  # stuck or stopped: then without it
                process_tree.kill_all([process.pid, *guardian.descendants(process.pid)])
                await self.ends_within(END_TIMEOUT_S)
            # The guardian, if it was killed, has adopted nobody.
            await process_tree.kill_processes_of(self._profile.path, END_TIMEOUT_S)
        finally:
            if self._ear is not None:
                self._ear.close()

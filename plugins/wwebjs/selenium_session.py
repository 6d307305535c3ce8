"""Opens the WebDriver session through Selenium and reads why one could not be opened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from plugins.wwebjs.browser_failed import BrowserFailed, Reason
from plugins.wwebjs.chromium import Chromium

#: What chromedriver and Chromium say, in lower case, and what it means; the first that fits. Anything else is
#: `start_failed`. Source: chrome_launcher.cc of chromedriver 156 and process_singleton_posix.cc, read 2026-11-25.
_MEANING: Final[tuple[tuple[str, Reason], ...]] = (
    ("only supports chrome version", "version_mismatch"),
    ("no chrome binary at", "no_browser"),
    ("cannot find chrome binary", "no_browser"),
    ("no space left on device", "disk_full"),
    ("disk quota exceeded", "disk_full"),
    ("user data directory is already in use", "profile_in_use"),
    ("the profile appears to be in use", "profile_in_use"),
    ("cannot create default profile directory", "profile_unwritable"),
)


def start_failure(text: str, said: str = "") -> BrowserFailed:
    """The failure that a driver's message and Chromium's last words amount to."""
    message = (
        text.removeprefix("Message: ")
        .split("\nStacktrace:", 1)[0]
        .split("; For documentation on this error", 1)[0]
        .strip()
    )
    haystack = f"{message}\n{said}".lower()
    reason: Reason = next((reason for words, reason in _MEANING if words in haystack), "start_failed")
    return BrowserFailed(reason, f"{message}\n{said}".strip())


async def open_session(port: int, chromium: Chromium, arguments: Sequence[str], timeout_s: float) -> str:
    """Starts Chromium; gives the address of its BiDi socket.

    Selenium's call blocks, so it has a thread of its own. A driver that hangs keeps the thread until it is killed, and
    only that one: hence no shared pool.

    Raises:
        WebDriverException: with the driver's words.
        TimeoutError: when there is no session in time; the caller kills the driver.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="browser-start")
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.get_running_loop().run_in_executor(
                thread, _open_session, port, chromium, arguments, timeout_s
            )
    finally:
        thread.shutdown(wait=False)


def _open_session(port: int, chromium: Chromium, arguments: Sequence[str], timeout_s: float) -> str:
    # Imported with the first browser: 20 MiB that a process without one does not need.
    from selenium.webdriver import ChromeOptions, Remote
    from selenium.webdriver.common.proxy import Proxy, ProxyType
    from selenium.webdriver.remote.client_config import ClientConfig
    from selenium.webdriver.remote.remote_connection import RemoteConnection

    options = ChromeOptions()
    options.binary_location = str(chromium.browser)
    # headless-shell works with BiDi only: without it chromedriver finds no page (tried with 156).
    options.enable_bidi = True
    options.add_experimental_option("excludeSwitches", ["enable-automation"])
    for argument in arguments:
        options.add_argument(argument)
    config = ClientConfig(
        f"http://127.0.0.1:{port}",
        proxy=Proxy({"proxyType": ProxyType.DIRECT}),  # else HTTP_PROXY would get what is for this machine
        timeout=max(1, round(timeout_s)),
    )
    connection = RemoteConnection(client_config=config)
    try:
        return str(Remote(command_executor=connection, options=options).capabilities["webSocketUrl"])
    finally:
        connection.close()  # type: ignore[no-untyped-call] # Selenium annotates its public API only in part

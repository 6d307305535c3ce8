"""Finds a pair of Chromium and chromedriver that fit each other, and says how to mend it when there is none."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plugins.wwebjs.browser_failed import BrowserFailed, NoBrowser
from plugins.wwebjs.flags import major

#: The lighter kind first: 200 MiB instead of 400 (measured with 156).
BROWSERS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVER: Final = "chromedriver"
#: The command that mends a missing browser on Debian.
MEND: Final = "apt-get install chromium chromium-driver chromium-headless-shell"
#: Debian's `chromium-headless-shell` is a shell script that stays beside the program; its text ends in this line.
_WRAPPED: Final = re.compile(rb"^(/\S+/chromium-headless-shell) \"\$@\"$", re.MULTILINE)
#: Programs tell their version in 0.02 to 0.3 s (measured); on a machine that just boots everything takes its time.
VERSION_TIMEOUT_S: Final = 20.0
#: Selenium Manager downloads some 200 MiB.
DOWNLOAD_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Chromium:
    """A usable pair.

    Attributes:
        browser: the program, a shell script around it resolved.
        driver: chromedriver.
        version: Chromium's, such as `156.0.8078.79`; the driver has the same major.
        headless_shell: whether it is the kind that is always headless.
    """

    browser: Path
    driver: Path
    version: str
    headless_shell: bool


async def find_chromium(
    browser: str | None = None,
    driver: str | None = None,
    *,
    may_download: bool = False,
    version_timeout_s: float = VERSION_TIMEOUT_S,
) -> Chromium:
    """Finds browser and driver: given paths, else those on PATH, else Selenium Manager where allowed.

    Raises:
        NoBrowser: `no_browser` with the command that mends it, or `version_mismatch`.
        BrowserFailed: `start_failed` when one of them does not tell its version in time: that may pass.
    """
    browser_path = _given(browser) if browser else _first_on_path(BROWSERS)
    driver_path = _given(driver) if driver else _first_on_path((DRIVER,))
    if may_download and (browser_path is None or driver_path is None):
        browser_path, driver_path = await asyncio.to_thread(_by_selenium_manager)
    if browser_path is None or driver_path is None:
        missing = " and ".join(
            name for name, path in (("Chromium", browser_path), (DRIVER, driver_path)) if path is None
        )
        raise NoBrowser("no_browser", f"{missing} not found; install with: {MEND}")
    # One after the other: a `gather` that is cancelled does not wait until the slower one's process has ended.
    version = await _version_of(browser_path, version_timeout_s)
    driver_version = await _version_of(driver_path, version_timeout_s)
    if major(version) != major(driver_version):
        raise NoBrowser(
            "version_mismatch",
            f"{browser_path} is {version}, {driver_path} is {driver_version}; install both from one source: {MEND}",
        )
    program = _unwrapped(browser_path)
    return Chromium(program, driver_path, version, "headless-shell" in program.name)


def _given(path: str) -> Path:
    found = shutil.which(path)
    if found is None:
        raise NoBrowser("no_browser", f"{path} is no program; correct the setting or install with: {MEND}")
    return Path(found).absolute()


def _first_on_path(names: tuple[str, ...]) -> Path | None:
    return next((Path(found).absolute() for name in names if (found := shutil.which(name))), None)


def _by_selenium_manager() -> tuple[Path, Path]:
    """Lets Selenium download Chrome for Testing and its driver into its cache."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.selenium_manager import SeleniumManager

    try:
        found: dict[str, Any] = SeleniumManager().binary_paths(
            [
                "--browser",
                "chrome",
                "--skip-browser-in-path",
                "--skip-driver-in-path",
                "--timeout",
                str(int(DOWNLOAD_TIMEOUT_S)),
            ]
        )
        return Path(found["browser_path"]), Path(found["driver_path"])
    except (WebDriverException, KeyError) as error:
        raise NoBrowser("no_browser", f"Selenium Manager: {error}; install with: {MEND}") from error


async def _version_of(program: Path, timeout_s: float) -> str:
    """What `--version` says.

    Raises:
        NoBrowser: when it does not start, or says something else.
        BrowserFailed: `start_failed` when it says nothing in time.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise NoBrowser("no_browser", f"{program}: {error}; install with: {MEND}") from error
    try:
        async with asyncio.timeout(timeout_s):
            said, _ = await process.communicate()
    except TimeoutError as error:
        raise BrowserFailed("start_failed", f"{program} does not tell its version within {timeout_s:g} s") from error
    finally:  # also when whoever asks is cancelled
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    found = re.search(rb"(\d+(?:\.\d+){1,3})", said)
    if found is None:
        raise NoBrowser("no_browser", f"{program} does not tell its version; install with: {MEND}")
    return found[1].decode()


def _unwrapped(browser: Path) -> Path:
    """The program behind Debian's script, so that no shell waits beside each browser; else the path itself."""
    try:
        with browser.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return browser
    wrapped = _WRAPPED.search(start) if start.startswith(b"#!") else None
    program = Path(os.fsdecode(wrapped[1])) if wrapped else browser
    return program if os.access(program, os.X_OK) else browser

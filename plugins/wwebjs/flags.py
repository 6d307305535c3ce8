"""Chromium's command line, decided from facts about browser and machine; looks at nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

#: Chromium on its own calls Google for components, variations, safe browsing and account sync; none of it is wanted.
#: Source: chromium/src/+/main/chrome/common/chrome_switches.cc and
#: https://github.com/GoogleChrome/chrome-launcher/blob/main/docs/chrome-flags-for-tools.md, read 2026-11-25.
QUIET: Final = (
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
)
#: Without it `navigator.webdriver` is true (tried with 156).
UNMARKED: Final = "--disable-blink-features=AutomationControlled"
#: The driver speaks through a pipe: no debugging port that any local user could open, and Chromium ends when the
#: driver does (tried with 156, both kinds).
PIPE: Final = "--remote-debugging-pipe"
#: One process and 10 MiB less for each phone; should the network service crash, its browser goes with it and is opened
#: anew. Chromium's default on Android only: source: chromium/src/+/main/services/network/README.md, read 2026-11-25.
NETWORK_WITHIN: Final = "--enable-features=NetworkServiceInProcess2"
#: A /dev/shm below this is a container's (Docker: 64 MiB), and pages of a grown tab do not fit: use TMPDIR instead.
SHM_MIN_BYTES: Final = 512 * 1024 * 1024


def chromium_arguments(
    profile: Path,
    version: str,
    *,
    headless_shell: bool,
    sandbox: bool,
    shm_bytes: int,
    extra: Sequence[str] = (),
) -> list[str]:
    """All arguments of a start.

    Args:
        profile: user data directory.
        version: Chromium's version; its major is what a page may see.
        headless_shell: that kind is headless by itself.
        sandbox: whether Chromium can build its sandbox here.
        shm_bytes: size of /dev/shm.
        extra: the caller's own, last, so that they win.
    """
    arguments = [f"--user-data-dir={profile}", PIPE, UNMARKED, NETWORK_WITHIN, *QUIET]
    arguments.append(f"--user-agent={user_agent(version)}")
    if not headless_shell:
        arguments.append("--headless=new")
    if not sandbox:
        arguments.append("--no-sandbox")
    if shm_bytes < SHM_MIN_BYTES:
        arguments.append("--disable-dev-shm-usage")
    return [*arguments, *extra]


def user_agent(version: str) -> str:
    """What a Chrome with a window says, for both headless kinds say HeadlessChrome.

    Source: https://www.chromium.org/updates/ua-reduction/, read 2026-11-25: only the major is told.
    """
    return (
        f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major(version)}.0.0.0 "
        "Safari/537.36"
    )


def honest_brands(version: str) -> dict[str, Any]:
    """Client hints of a Chromium with a window; headless-shell names itself among its brands.

    Source: https://wicg.github.io/ua-client-hints/, read 2026-11-25; the brands are those of chromium 156 headless=new.
    """
    brands = [{"brand": brand, "version": number} for brand, number in _brands(major(version))]
    full = [{"brand": brand, "version": number} for brand, number in _brands(version)]
    return {"brands": brands, "fullVersionList": full, "platform": "Linux", "mobile": False}


def _brands(version: str) -> tuple[tuple[str, str], ...]:
    return ("Not:A-Brand", "8"), ("Chromium", version)


def major(version: str) -> str:
    """The part before the first dot."""
    return version.split(".", 1)[0]

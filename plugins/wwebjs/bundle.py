"""The scripts that are put into WhatsApp Web's page: wa-js as a file of somebody else's, below our own bridge.

WhatsApp changes several times a day; what answers a change is another bundle, named by a setting, not a release of
ours. Several may be named; they are tried in order. Unless a setting says otherwise there is one, carried by the
package `wpp-whatsapp`, of which nothing but this file is used: it is never imported.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import orjson

#: Package that carries wa-js (Apache-2.0), and where. Source: wpp-whatsapp 2.4.0, unpacked 2026-11-25.
PACKAGE: Final = "wpp-whatsapp"
_PLACE: Final = "WPP_Whatsapp/js_lib/wppconnect-wa.js"
#: How the file names its version.
_VERSION: Final = re.compile(rb"wa-js v(\d+\.\d+\.\d+[\w.-]*)")

#: Events that the page keeps for whoever missed some: minutes of a very busy phone.
EVENTS_KEPT: Final = 5000
#: How long a message that cannot be read yet may wait for its content: its sender's telephone answers within seconds
#: if it is on.
CIPHERTEXT_WAIT_S: Final = 20.0


class NoBundle(Exception):
    """A bundle is missing or is not the one that was meant; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A build of wa-js.

    Attributes:
        path: the file.
        sha256: of its bytes, lower-case hex.
        version: as the file says, or `?`.
    """

    path: Path
    sha256: str
    version: str

    def __str__(self) -> str:
        return f"wa-js {self.version} ({self.sha256[:12]})"

    def script(self, *, mark_read: bool = False) -> str:
        """The preload script: our bridge, then wa-js, in the top frame only.

        Args:
            mark_read: whether sending into a chat marks what was received there read.
        """
        config: dict[str, Any] = {
            "kept": EVENTS_KEPT,
            "ciphertext_ms": int(CIPHERTEXT_WAIT_S * 1000),
            "mark_read": mark_read,
        }
        return (
            "(emit) => { if (top !== window) return;\n"
            f"({_bridge()})(emit, {orjson.dumps(config).decode()});\n"
            f"window.WPPConfig = {orjson.dumps(WA_JS_CONFIG).decode()};\n"
            f"try {{\n{self.path.read_text(encoding='utf-8')}\n}} catch (error) {{ __bisnes.bundleFailed(error); }} }}"
        )


#: Nothing of wa-js leaves the page but what we send: no analytics, no third party that previews links.
#: Source: wa-js 4.6.0, src/config/Config.ts, read 2026-11-25.
WA_JS_CONFIG: Final[dict[str, Any]] = {
    "deviceName": False,
    "disableGoogleAnalytics": True,
    "googleAnalyticsId": None,
    "linkPreviewApiServers": [],
    "sendStatusToDevice": False,
    "syncAllStatus": False,
}


def find_bundles(paths: Sequence[str] = (), sha256: Sequence[str] = ()) -> list[Bundle]:
    """The bundles to try, in order.

    Args:
        paths: files named by the setting; empty for the one of the package.
        sha256: what each must be, in the same order; empty to take them as they are.

    Raises:
        NoBundle: when one is missing or is another than it must be.
    """
    found = [_read(Path(path)) for path in paths] if paths else [_packaged()]
    if sha256 and len(sha256) != len(found):
        raise NoBundle(f"{len(found)} bundles but {len(sha256)} SHA-256 sums; name one for each")
    for bundle, wanted in zip(found, sha256, strict=False):
        if bundle.sha256 != wanted.lower():
            raise NoBundle(f"{bundle.path} has the SHA-256 sum {bundle.sha256}, not {wanted}")
    return found


def _packaged() -> Bundle:
    try:
        path = Path(str(distribution(PACKAGE).locate_file(_PLACE)))
    except PackageNotFoundError:
        raise NoBundle(f"wa-js is missing; install it with: pip install --no-deps {PACKAGE}") from None
    return _read(path)


@cache
def _read(path: Path) -> Bundle:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NoBundle(f"{path} cannot be read: {error.strerror}") from error
    version = _VERSION.search(content[:4096])
    return Bundle(path.absolute(), hashlib.sha256(content).hexdigest(), version[1].decode() if version else "?")


@cache
def _bridge() -> str:
    return Path(__file__).with_name("bridge.js").read_text(encoding="utf-8")

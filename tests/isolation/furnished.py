"""A gateway with phones of both kinds, as a test sees it from outside."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fixtures.gateway import COMPANY, Gateway
from tests.fixtures.paired_phones import PairedPhones

META_PHONES, WEB_PHONES = (0, 2), (3, 4)
#: Period of the probe of each page; production's is longer.
PROBE_S, PROBE_TIMEOUT_S = 5.0, 3.0
#: A browser's hard limit: a fresh one takes about 250 MB.
MEMORY_HARD_BYTES = 900 * 2**20

#: Breaks the plug-in from outside: read by Python at the start of each of the gateway's processes.
SITE_CUSTOMIZE = """
import pathlib, sys

flag = pathlib.Path(__file__).with_name("broken")


class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "plugins.wwebjs.adapter":
            with flag.with_name("starts").open("a") as starts:
                starts.write("x")
            raise RuntimeError("this plug-in is broken")
        return None


if flag.exists() and sys.orig_argv[-2:] == ["channel", "wwebjs"]:
    sys.meta_path.insert(0, Broken())
"""


@dataclass
class Site(PairedPhones):
    """The gateway with phones of both kinds.

    Attributes:
        broken: a file that breaks the plug-in while it exists.
        calm_s: latencies of the Cloud API phones in all seconds without a fault so far.
    """

    broken: Path = field(kw_only=True)
    calm_s: list[float] = field(default_factory=list)

    def broken_starts(self) -> int:
        """How often a worker met the broken plug-in."""
        starts = self.broken.with_name("starts")
        return len(starts.read_text()) if starts.exists() else 0


def add_meta_phone(gateway: Gateway, index: int) -> None:
    config = {"phone_number_id": str(time.monotonic_ns()), "waba_id": "200000000000042", "access_token": "EAAtests"}
    body = {"phoneIndex": index, "connectionType": "meta_direct", "config": config}
    answer = gateway.request("POST", f"/api/v2/phones/{COMPANY}", json=body)
    assert answer.status_code == 201, answer.text

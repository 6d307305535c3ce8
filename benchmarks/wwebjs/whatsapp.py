"""A simulated WhatsApp Web of the benchmark's own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
#: An answer of the simulator, and its end.
ANSWER_S = 20.0


class WhatsApp:
    """Its addresses and its control API."""

    def __init__(self, said: str) -> None:
        http, https = (word for word in said.split() if "://" in word)
        self.base = http
        self.https_port = int(https.rpartition(":")[2])

    def set(self, **settings: Any) -> None:
        """Changes how it behaves to pages that are opened from now on."""
        httpx.patch(f"{self.base}/control/settings", json=settings, timeout=ANSWER_S).raise_for_status()

    def settings(self) -> dict[str, Any]:
        """How it behaves."""
        answer: dict[str, Any] = httpx.get(f"{self.base}/control/settings", timeout=ANSWER_S).json()
        return answer

    def texts(self, account: str) -> Counter[str]:
        """How often the server took each text of an account, repeats of one id included."""
        url = f"{self.base}/control/ledger"
        answer = httpx.get(url, params={"account": account, "limit": 100_000}, timeout=ANSWER_S).json()
        taken: Counter[str] = Counter()
        for message in answer["messages"]:
            taken[message["body"]] += message["copies"]
        return taken


@contextmanager
def simulated_whatsapp() -> Iterator[WhatsApp]:
    """Runs one while the block lasts."""
    command = [sys.executable, "-m", "simulators.whatsapp_web", "--port", "0", "--https-port", "0"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    try:
        yield WhatsApp(child.stdout.readline())
    finally:
        child.terminate()
        child.wait(ANSWER_S)
        child.stdout.close()

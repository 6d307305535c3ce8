"""One bridge to WhatsApp Web, as a program with one phone: started, asked, weighed, ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks.wwebjs import installation
from benchmarks.wwebjs.whatsapp import ROOT, WhatsApp

#: A start with pairing on a busy machine, and a round of texts.
ANSWER_S = 120.0
#: Browser and bridge end in order.
STOP_S = 20.0


@dataclass(frozen=True)
class Weight:
    """Proportional set sizes in bytes.

    Attributes:
        browser: all of Chromium, with chromedriver and guardian where there are such.
        process: Python or Node; one for all phones.
        processes: how many are in `browser`.
    """

    browser: int
    process: int
    processes: int


@dataclass(frozen=True)
class Contender:
    """A bridge and how it runs.

    Attributes:
        keys: kind of message keys of its page.
        browser: kind of Chromium.
        command: the program without its arguments.
        is_ours: what the targets are about.
    """

    name: str
    keys: str
    browser: str
    command: tuple[str, ...]
    is_ours: bool = False

    @contextmanager
    def running(self, whatsapp: WhatsApp, account: str, home: Path) -> Iterator[Running]:
        """Runs it while the block lasts; the login stays in `home`."""
        whatsapp.set(keys=self.keys)
        home.mkdir(exist_ok=True)
        more = (
            []
            if self.is_ours
            else ["--https-port", str(whatsapp.https_port), "--chromium", installation.program(self.browser)]
        )
        with (home / "error.log").open("ab") as log:
            child = subprocess.Popen(
                [*self.command, "--base", whatsapp.base, "--account", account, "--home", str(home), *more],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        phone = Running(child, home / "error.log")
        try:
            yield phone
        finally:
            phone.stop()


class Running:
    """A program with one phone."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self._child = child
        self._log = log
        self._heard = b""

    def start(self) -> float:
        """Opens the page; seconds until the bridge says that it is ready."""
        return float(self._ask("start")["ready_s"])

    def send(self, count: int) -> dict[str, list[float]]:
        """Sends so many texts in each mode; milliseconds of each."""
        taken_ms: dict[str, list[float]] = self._ask(f"send {count}")["taken_ms"]
        return taken_ms

    def weight(self) -> Weight:
        """Memory of the program and of everything below it, shared pages counted once."""
        process = psutil.Process(self._child.pid)
        below = [_pss_bytes(one) for one in process.children(recursive=True)]
        return Weight(sum(below), _pss_bytes(process), len(below))

    def stop(self) -> None:
        """Ends it, with whatever is left below it."""
        family = psutil.Process(self._child.pid).children(recursive=True) if self._child.poll() is None else []
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(b"stop\n")
            self._child.stdin.close()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        for process in psutil.wait_procs(family, timeout=STOP_S)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._child.stdout.close()

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{command}\n".encode())
        self._child.stdin.flush()
        answer: dict[str, Any] = orjson.loads(self._line(command))
        return answer

    def _line(self, command: str) -> bytes:
        """The next line of standard output, at most `ANSWER_S` from now."""
        assert self._child.stdout is not None
        give_up_at = time.monotonic() + ANSWER_S
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self._child.stdout], [], [], max(0.0, give_up_at - time.monotonic()))
            more = os.read(self._child.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise RuntimeError(f"no answer to {command!r}: {self._log.read_text()[-3000:]}")
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line


def _pss_bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss)
    return 0


def contenders(script: Path) -> tuple[Contender, ...]:
    """Ours with both kinds of message keys; theirs, which knows the old ones only, in its own and in our browser."""
    python = (sys.executable, "-m", "benchmarks.wwebjs.ours")
    node = (installation.node(), str(script))
    return (
        Contender("ours", "new", "chromium-headless-shell", python, is_ours=True),
        Contender("ours", "old", "chromium-headless-shell", python, is_ours=True),
        Contender("whatsapp-web.js", "old", "chromium", node),
        Contender("whatsapp-web.js", "old", "chromium-headless-shell", node),
    )

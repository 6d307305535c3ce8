"""Reload under load: all processes of a web application are replaced while requests go on coming in.

Each process takes `BOOT_S` to load, as real ones do. A reload has ended when all processes of before are gone and as
many new ones have loaded.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import table
from benchmarks.supervision.circusd import OurCircus, StockCircus
from benchmarks.supervision.contender import Contender, Refused
from benchmarks.supervision.load import load
from benchmarks.supervision.pm2 import Pm2
from benchmarks.supervision.supervisord import Supervisord
from benchmarks.supervision.workload import SOCKET, App, gunicorn, living, node_cluster, runs
from tests.fixtures.eventually import eventually
from tests.fixtures.services import free_port

RATE_PER_S = 200
BOOT_S = 1.0
PROCESSES = 2
#: Requests before, between and after the reloads.
AROUND_S = 1.0
#: A reload that takes longer has failed.
RELOAD_S = 40.0
APP = "web"


def _on_socket(home: Path, port: int) -> App:
    """Gunicorns of one worker each on a socket that the supervisor holds."""
    return gunicorn(home, APP, port, BOOT_S, f"fd://{SOCKET}", workers=1, processes=PROCESSES)


def _ready_on_socket(home: Path, port: int) -> App:
    """The same; each also says on a Unix socket of its own that it is ready."""
    app = _on_socket(home, port)
    ready = f"{home}/run/{APP}-$(circus.wid).sock"
    return replace(app, command=("env", f"READY={ready}", *app.command), ready=ready)


def _alone(home: Path, port: int) -> App:
    """One gunicorn of as many workers, with its own socket."""
    return gunicorn(home, APP, port, BOOT_S, f"127.0.0.1:{port}", workers=PROCESSES, processes=1)


def _node(home: Path, port: int) -> App:
    return node_cluster(home, APP, port, BOOT_S, PROCESSES)


class Variant(NamedTuple):
    """A contender and how it was told.

    Attributes:
        quick: part of a quick run.
    """

    contender: str
    told: str
    make: Callable[[Path, Sequence[App]], Contender]
    app: Callable[[Path, int], App]
    quick: bool = False


VARIANTS = (
    Variant("ours", "gunicorn, reload", OurCircus, _ready_on_socket, quick=True),
    Variant("PM2", "node cluster, reload", Pm2, _node, quick=True),
    Variant("PM2", "gunicorn in fork mode, reload", Pm2, _alone),
    Variant("Supervisor", "gunicorn as fcgi-program, restart", Supervisord, _on_socket, quick=True),
    Variant("Supervisor", "gunicorn, signal HUP", partial(Supervisord, by_hangup=True), _alone),
    Variant("Circus as shipped", "gunicorn, reload", StockCircus, _on_socket),
)


@dataclass(frozen=True)
class Reload:
    """What became of the requests.

    Attributes:
        asked: how many reloads there should have been.
        reloads: how many ended.
        reload_s: the longest.
        longest_s: the longest request.
        failures: how often which.
    """

    contender: str
    told: str
    asked: int
    reloads: int
    reload_s: float
    total: int
    failed: int
    longest_s: float
    failures: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(folder: Path, reloads: int, *, quick: bool) -> list[Reload]:
    """Lets one contender after the other reload."""
    chosen = [variant for variant in VARIANTS if variant.quick or not quick]
    return [_measure(folder / f"reload{number}", variant, reloads) for number, variant in enumerate(chosen)]


def _measure(home: Path, variant: Variant, reloads: int) -> Reload:
    print(f"  {variant.contender}: {variant.told}", flush=True)
    port = free_port()
    app = variant.app(home, port)
    took_s: list[float] = []
    with variant.make(home, [app]) as contender:
        contender.until_up(PROCESSES)
        eventually(lambda: _answers(port), 20, "an answer of the web application")
        with load(port, RATE_PER_S) as client:
            _go_on()
            for _ in range(reloads):
                try:
                    took_s.append(_reload(contender, app))
                except (AssertionError, Refused) as failure:  # such a reload is not counted
                    print(f"    {failure}", flush=True)
                _go_on()
            answers = client.finish()
    longest_s = round(max(took_s, default=0.0), 2)
    return Reload(
        *(variant.contender, variant.told, reloads, len(took_s), longest_s),
        *(answers.total, answers.failed, answers.longest_s, answers.failures),
    )


def _reload(contender: Contender, app: App) -> float:
    known, began_at = len(app.starts), time.monotonic()
    before = living(app.starts)
    contender.reload(app)
    eventually(
        lambda: len(living(app.starts[known:])) >= PROCESSES and not any(map(runs, before)), RELOAD_S, "a reload"
    )
    return time.monotonic() - began_at


def _go_on() -> None:
    time.sleep(AROUND_S)  # noqa: TID251 - time for requests


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tables(runs: Sequence[Reload]) -> str:
    """One row per contender and way."""
    rows = [(one.contender, one.told, one.reloads, one.failed, one.total, one.longest_s, one.reload_s) for one in runs]
    header = (f"reload at {RATE_PER_S} requests/s", "how", "reloads", "failed", "requests", "longest s", "reload s")
    return table(header, rows)

"""`python -m benchmarks wwebjs [--quick]`: a text, an idle phone and a start, ours beside the real whatsapp-web.js.

Contenders take turns on one simulator, each alone on the machine: start with a stored login, settle, be weighed, send.
The simulator acknowledges at once, so that what is measured is bridge, browser and page.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks.report import RESULTS, machine
from benchmarks.usage import load_average
from benchmarks.wwebjs import installation
from benchmarks.wwebjs.contender import Contender, contenders
from benchmarks.wwebjs.figures import Figures, judge, tables
from benchmarks.wwebjs.whatsapp import WhatsApp, simulated_whatsapp

#: Texts of a round that are not counted: chats are found, code is compiled.
WARM_UP = 5


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks wwebjs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--texts", type=int, default=200, help="counted texts of each contender, over all rounds")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds from ready to the scales")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 20 texts; not saved")
    parser.add_argument("--no-save", action="store_true", help="leave benchmarks/results/ as it is")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.texts, options.settle, options.no_save = 2, 40, 4.0, True
    return options


def _measure(
    whatsapp: WhatsApp, chosen: Sequence[Contender], folder: Path, options: argparse.Namespace
) -> list[Figures]:
    figures = [Figures(contender) for contender in chosen]
    for number in range(options.rounds):
        for place, one in enumerate(figures):
            print(f"  round {number + 1} of {options.rounds}: {one.label}", flush=True)
            _turn(whatsapp, one, place, folder, options)
    for place, one in enumerate(figures):
        expected = sum(map(len, one.taken_ms.values())) + options.rounds * WARM_UP * len(one.taken_ms)
        texts = whatsapp.texts(_account(place))
        one.wrong = abs(expected - len(texts)) + sum(1 for times in texts.values() if times != 1)
    return figures


def _account(place: int) -> str:
    return f"4917012345{place:02d}"


def _turn(whatsapp: WhatsApp, figures: Figures, place: int, folder: Path, options: argparse.Namespace) -> None:
    account, home = _account(place), folder / str(place)
    if not home.exists():
        with figures.contender.running(whatsapp, account, home) as phone:
            phone.start()  # pairs
    with figures.contender.running(whatsapp, account, home) as phone:
        figures.ready_s.append(phone.start())
        time.sleep(options.settle)  # noqa: TID251 - settling has no event
        figures.weights.append(phone.weight())
        phone.send(WARM_UP)
        for mode, taken_ms in phone.send(options.texts // options.rounds).items():
            figures.taken_ms.setdefault(mode, []).extend(taken_ms)


def _others() -> int:
    """Chromium processes of somebody else: they share pages with those that are weighed, which then seem lighter."""
    names = Counter(process.info["name"] for process in psutil.process_iter(["name"]))
    return sum(count for name, count in names.items() if name and name.startswith(("chrom", "headless_shell")))


def _save(options: argparse.Namespace, about: dict[str, Any], figures: Sequence[Figures]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "wwebjs.json"
    content = {
        "machine": machine() | about,
        "versions": {
            installation.PACKAGE: installation.locked_version(),
            "chromium": _version("chromium"),
            "node": _version("node"),
        },
        "settings": {"rounds": options.rounds, "texts": options.texts, "settle_s": options.settle},
        "figures": [one.as_dict() for one in figures],
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def _version(name: str) -> str:
    command = [installation.program(name), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    return next(word for word in said.split() if any(letter.isdigit() for letter in word))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all rounds. Returns 1 when ours misses a target, 2 when something is not installed."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # so that everything is cleaned up
    about = {"load_average_before": load_average(), "other_browser_processes": _others()}
    try:
        chosen = contenders(installation.whatsapp_web_js())
        installation.program("chromedriver")
    except installation.Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    print(f"on {machine() | about}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="bisnes-bench-", ignore_cleanup_errors=True) as folder,
        simulated_whatsapp() as whatsapp,
    ):
        print(f"ack after {whatsapp.settings()['ack_s']:g} s, synchronised after {whatsapp.settings()['sync_s']:g} s")
        figures = _measure(whatsapp, chosen, Path(folder), options)
    print(f"\n{tables(figures)}\n")
    verdicts = judge(figures)
    print("\n".join(f"{'reached' if one.holds else 'MISSED '}  {one.text}" for one in verdicts))
    if not options.no_save:
        print(f"\nwritten: {_save(options, about, figures)}")
    return 0 if all(one.holds for one in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())

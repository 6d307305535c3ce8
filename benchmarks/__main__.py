"""`python -m benchmarks [throughput|ramp|latency|supervision|wwebjs]`: figures, repeated with one command.

All but `supervision` and `wwebjs`, which have command lines of their own, measure the whole gateway.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import latency, report, throughput
from benchmarks.gateway import measured_gateway
from benchmarks.latency import Latency
from benchmarks.supervision import __main__ as supervision
from benchmarks.throughput import Load, Run
from benchmarks.wwebjs import __main__ as wwebjs

#: Messages of a first load that is not counted: pools grow, statements are prepared, tables get statistics.
WARM_UP = Load(200, 5, 1000)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fixed = commands.add_parser("throughput", help="a fixed load of text messages (default)")
    fixed.add_argument("--rate", type=float, default=500, help="messages per second")
    rising = commands.add_parser("ramp", help="rising loads until the gateway no longer keeps up")
    rising.add_argument("--rates", type=float, nargs="+", default=[300, 400, 500, 600, 700, 800, 900, 1000])
    single = commands.add_parser("latency", help="single messages through an idle gateway, and its idle CPU")
    single.add_argument("--messages", type=int, default=200)
    single.add_argument("--pause", type=float, default=0.05, help="mean pause between messages in seconds, random")
    single.add_argument("--idle", type=float, default=20, help="seconds of idleness in which CPU is measured")
    for loaded, duration in ((fixed, 20.0), (rising, 10.0)):
        loaded.add_argument("--duration", type=float, default=duration, help="seconds of each load")
        loaded.add_argument("--chats", type=int, default=5000, help="chats of the phone")
        loaded.add_argument("--statuses-per-body", type=int, help="receipts in one webhook at most (default: 50)")
    for command in (fixed, rising, single):
        command.add_argument("--home", type=Path, help="folder on the disk to measure (default: temporary files)")
        command.add_argument("--no-save", action="store_true", help="leave benchmarks/results/ as it is")
    for repeated in (fixed, single):
        repeated.add_argument("--runs", type=int, default=1, help="repetitions on the same gateway")
    return parser


def _throughput(options: argparse.Namespace) -> tuple[Sequence[Run], str]:
    with measured_gateway(options.home, options.statuses_per_body) as gateway:
        throughput.run(gateway, WARM_UP)
        runs = []
        for number in range(options.runs):
            print(f"run {number + 1} of {options.runs}: {options.rate:g} messages/s for {options.duration:g} s")
            runs.append(throughput.run(gateway, Load(options.rate, options.duration, options.chats)))
    return runs, report.throughput_tables(runs)


def _ramp(options: argparse.Namespace) -> tuple[Sequence[Run], str]:
    runs = []
    with measured_gateway(options.home, options.statuses_per_body) as gateway:
        throughput.run(gateway, WARM_UP)
        for run in throughput.ramp(gateway, options.rates, options.duration, options.chats):
            runs.append(run)
            print(f"{run.rate_per_s:g}/s: {run.delivered_per_s:g} delivered/s, drained within {run.drain_s:g} s")
    return runs, report.throughput_tables(runs)


def _latency(options: argparse.Namespace) -> tuple[Sequence[Latency], str]:
    with measured_gateway(options.home) as gateway:
        runs = []
        for number in range(options.runs):
            print(
                f"run {number + 1} of {options.runs}: {options.messages} single messages, then {options.idle:g} s idle"
            )
            runs.append(latency.run(gateway, options.messages, options.pause, options.idle))
    return runs, report.latency_tables(runs)


def main() -> int:
    """Runs one benchmark. Returns 1 when a message was refused, lost, repeated or out of order."""
    if sys.argv[1:2] == ["supervision"]:
        return supervision.main(sys.argv[2:])
    if sys.argv[1:2] == ["wwebjs"]:
        return wwebjs.main(sys.argv[2:])
    options = _parser().parse_args(sys.argv[1:] or ["throughput"])
    print(f"starting a gateway on {report.machine()}", flush=True)
    runs: Sequence[Run | Latency]
    if options.command == "latency":
        runs, tables = _latency(options)
    else:
        runs, tables = (_ramp if options.command == "ramp" else _throughput)(options)
    print(f"\n{tables}\n")
    if not options.no_save:
        print(f"written: {report.save(options.command, _settings(options), runs)}")
    return 0 if all(run.lost == 0 if isinstance(run, Latency) else run.clean for run in runs) else 1


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    left_out = ("command", "home", "no_save")
    return {name: value for name, value in vars(options).items() if name not in left_out}


if __name__ == "__main__":
    sys.exit(main())

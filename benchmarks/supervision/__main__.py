"""`python -m benchmarks.supervision [--quick] [--only PARTS]`: ours beside PM2, Supervisor and Circus as shipped."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks.report import RESULTS, machine
from benchmarks.supervision import crash, idle, installation, memory, reload, respawn
from benchmarks.supervision.targets import Figure, judge
from benchmarks.usage import load_average


class Part(NamedTuple):
    """One thing that is measured."""

    what: str
    measure: Callable[[Path, bool], Sequence[Figure]]
    tables: Callable[[Any], str]


PARTS = {
    "respawn": Part(
        "a child is killed, until its successor runs",
        lambda folder, quick: respawn.measure(folder, 4 if quick else 25),
        respawn.tables,
    ),
    "crash": Part(
        "a child that exits at once",
        lambda folder, quick: crash.measure(folder, 8.0 if quick else 20.0),
        crash.tables,
    ),
    "memory": Part(
        "a leak in a child, grandchild and great-grandchild",
        lambda folder, quick: memory.measure(folder, 6.0 if quick else 20.0, 100 if quick else 50, quick=quick),
        memory.tables,
    ),
    "reload": Part(
        "a reload while requests come in",
        lambda folder, quick: reload.measure(folder, 1 if quick else 3, quick=quick),
        reload.tables,
    ),
    "idle": Part(
        "four idle children",
        lambda folder, quick: idle.measure(folder, 8.0 if quick else 30.0),
        idle.tables,
    ),
}


def _parts(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {','.join(PARTS)}")
    return [name for name in PARTS if name in chosen]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.supervision", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples and contenders, within two minutes")
    parser.add_argument("--only", type=_parts, default=list(PARTS), metavar=",".join(PARTS), help="some of the parts")
    parser.add_argument(
        "--no-save", action="store_true", help="leave benchmarks/results/ as it is, as a part or a quick run does"
    )
    return parser.parse_args(arguments)


def _measure(names: Sequence[str], quick: bool) -> dict[str, Sequence[Figure]]:
    figures = {}
    with tempfile.TemporaryDirectory(prefix="bisnes-bench-", ignore_cleanup_errors=True) as folder:
        for name in names:
            part = PARTS[name]
            print(f"\n{name}: {part.what}", flush=True)
            figures[name] = part.measure(Path(folder), quick)
            print(f"\n{part.tables(figures[name])}", flush=True)
    return figures


def _save(load_before: float, figures: dict[str, Sequence[Figure]]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "supervision.json"
    content = {
        "machine": machine() | {"load_average_before": load_before},
        "versions": {name: version(name) for name in ("circus", "tornado", "gunicorn")}
        | {"pm2": installation.PM2_VERSION, "node": installation.node_version()}
        | dict(one.split("==") for one in installation.SUPERVISOR),
        "figures": {name: [one.as_dict() for one in part] for name, part in figures.items()},
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for. Returns 1 when ours misses a target of its issue, 2 when something is not installed."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # so that everything is cleaned up
    load_before = load_average()
    try:
        installation.pm2()
        installation.supervisor()
    except installation.Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    print(f"on {machine()}, load average {load_before:g}", flush=True)
    try:
        figures = _measure(options.only, options.quick)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is ended", file=sys.stderr)
        return 128 + signal.SIGINT
    verdicts = judge([one for part in figures.values() for one in part])
    print("\n" + "\n".join(f"{'reached' if one.holds else 'MISSED '}  {one.text}" for one in verdicts))
    if not (options.no_save or options.quick) and options.only == list(PARTS):
        print(f"\nwritten: {_save(load_before, figures)}")
    return 0 if all(one.holds for one in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())

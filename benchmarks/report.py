"""Figures as tables for people and as a small file for comparisons."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import psutil

from benchmarks.latency import Latency
from benchmarks.throughput import Run

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """The machine in general words: figures of another kind of machine do not compare."""
    return {
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def save(name: str, settings: dict[str, Any], runs: Sequence[Run | Latency]) -> Path:
    """Writes `results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"machine": machine(), "settings": settings, "runs": [run.as_dict() for run in runs]}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns are aligned."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def throughput_tables(runs: Sequence[Run]) -> str:
    """One row per run, then CPU and memory by group (medians)."""
    rows = [
        (
            *(f"{one.rate_per_s:g}", one.accepted_per_s, one.delivered_per_s, one.accept_p50_ms, one.accept_p99_ms),
            *(one.drain_s, one.cpu_ms_sum, one.refused, one.lost, one.repeated, one.out_of_order, one.others_cores),
        )
        for one in runs
    ]
    header = (
        *("offered/s", "accepted/s", "delivered/s", "p50 ms", "p99 ms", "drain s", "CPU ms", "refused", "lost"),
        *("twice", "order", "others' cores"),
    )
    groups = list(runs[0].cpu_ms)
    costs = [(group, *(_median(runs, key, group) for key in ("cpu_ms", "rss_mb", "pss_mb"))) for group in groups]
    total = median(one.cpu_ms_sum for one in runs)
    costs += [("gateway (without simulator)", round(total, 2), "", "")]
    costs += [("load client", round(median(one.client_cpu_ms for one in runs), 3), "", "")]
    return table(header, rows) + "\n\n" + table(("group", "CPU ms per message", "RSS MB", "PSS MB"), costs)


def _median(runs: Sequence[Run], key: str, group: str) -> float:
    return round(float(median(getattr(one, key)[group] for one in runs)), 3)


def latency_tables(runs: Sequence[Latency]) -> str:
    """One row per run and span, then the CPU of idle processes."""
    spans = ("from_answer", "from_insert", "from_request", "accept")
    rows = [
        (number, name.replace("_", " "), span.p50_ms, span.p99_ms, span.max_ms, one.lost, one.load_average)
        for number, one in enumerate(runs, 1)
        for name in spans
        for span in [getattr(one, name)]
    ]
    idle = [
        (group, *(" ".join(f"{value:g}" for value in one.idle_cpu_percent[group]) for one in runs))
        for group in runs[0].idle_cpu_percent
    ]
    return (
        table(("run", "span", "median ms", "p99 ms", "max ms", "lost", "load"), rows)
        + "\n\n"
        + table(("idle, % of a core", *(f"run {number}" for number in range(1, len(runs) + 1))), idle)
    )

"""Durations, sizes and curves as people read them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS_S = (("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0))
_UNITS_BYTES = (("GB", 1024.0**3), ("MB", 1024.0**2), ("KB", 1024.0))
_BARS = "▁▂▃▄▅▆▇█"

#: Points of a curve on a line; more are drawn together, the largest of each group counting.
CURVE_WIDTH = 40


def rough(duration_s: float) -> str:
    """One unit, rounded down: `3s`, `5m`, `2h`, `4d`."""
    return next((f"{int(duration_s // size)}{unit}" for unit, size in _UNITS_S if duration_s >= size), "0s")


def exact(duration_s: float) -> str:
    """As it can be written in the configuration: `500ms`, `2.5s`, `5m`, `36h`, `4d`."""
    if 0 < duration_s < 1:
        return f"{duration_s * 1000:g}ms"
    whole = (f"{duration_s / size:g}{unit}" for unit, size in _UNITS_S if duration_s and duration_s % size == 0)
    return next(whole, f"{duration_s:g}s")


def size(size_bytes: float) -> str:
    """`640 KB`, `83.2 MB`, `1 GB`; powers of 1024, as in the configuration."""
    unit, of_bytes = next((unit for unit in _UNITS_BYTES if size_bytes >= unit[1]), _UNITS_BYTES[-1])
    return f"{size_bytes / of_bytes:.1f}".removesuffix(".0") + f" {unit}"


def sparkline(values: Sequence[float], width: int = CURVE_WIDTH) -> str:
    """A curve in one line, from zero to the largest value."""
    groups = min(len(values), width)
    highest = [max(values[len(values) * n // groups : len(values) * (n + 1) // groups]) for n in range(groups)]
    top = max(highest, default=0) or 1
    return "".join(_BARS[round((len(_BARS) - 1) * value / top)] for value in highest)

"""The section `[supervisor]` of an ini file: what holds for all watchers together. A plain circusd ignores it.

    [supervisor]
    # What happened to processes, one JSON object a line.
    journal = var/process-events.jsonl
    # Written by `save`: how many instances there are, and what is stopped; applied at each start.
    state_file = var/supervisor.json
    # Starts per minute that unstable instances of all watchers may take together.
    restart_budget = 30
    # How often memory is looked at.
    sample_every = 2s

Relative paths are relative to the working directory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bisnes_supervisor.policy import BadPolicy, duration_s

SECTION = "supervisor"


@dataclass(frozen=True)
class Settings:
    """See above.

    Attributes:
        journal: file of the journal; None: it is kept in memory only.
        state_file: file of saved scale and stopped states; None: nothing can be saved.
        restarts_per_s: what the restart budget gives.
        sample_every_s: period of the looks at memory. A leak of 100 MB/s is 200 MB over when it is noticed.
    """

    journal: Path | None = None
    state_file: Path | None = None
    restarts_per_s: float = 0.25 * (os.cpu_count() or 1)
    sample_every_s: float = 2.0

    @property
    def burst(self) -> float:
        """Starts that the budget gives at once: a machine's worth of processes that came up too early."""
        return 5.0 * (os.cpu_count() or 1)


def read_settings(options: Mapping[str, str]) -> Settings:
    """The section's options.

    Raises:
        BadPolicy: when one has the wrong form, or none of ours has its name.
    """
    values = dict(options)
    journal, state_file = values.pop("journal", ""), values.pop("state_file", "")
    try:
        budget = values.pop("restart_budget", None)
        every_s = duration_s(values.pop("sample_every", "2s"))
        per_s = Settings.restarts_per_s if budget is None else float(budget) / 60
    except ValueError as malformed:
        raise BadPolicy(f"[{SECTION}]: {malformed}") from malformed
    if values:
        raise BadPolicy(f"[{SECTION}]: no such option: {', '.join(values)}")
    if per_s <= 0 or every_s <= 0:
        raise BadPolicy(f"[{SECTION}]: restart_budget and sample_every want more than nothing")
    return Settings(
        journal=Path(journal).absolute() if journal else None,
        state_file=Path(state_file).absolute() if state_file else None,
        restarts_per_s=per_s,
        sample_every_s=every_s,
    )

"""`python -m bisnes_embedded postgres|valkey`: becomes that server in the foreground.

Exit codes: 2 for a wrong command line, 1 when the server cannot be started (the reason is one sentence on stderr);
otherwise the server's own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from bisnes_core.settings import load_settings
from bisnes_embedded import postgres, valkey
from bisnes_embedded.layout import CannotStart, Service

SERVICES: dict[str, Callable[[], Service]] = {"postgres": postgres.service, "valkey": valkey.service}


def main(arguments: list[str]) -> int:
    """Becomes the named server; returns only when that fails."""
    if len(arguments) != 1 or arguments[0] not in SERVICES:
        sys.stderr.write(f"usage: python -m bisnes_embedded {'|'.join(SERVICES)}\n")
        return 2
    settings = load_settings()
    try:
        SERVICES[arguments[0]]().become(settings.home.resolve(), settings.run_dir.absolute())
    except CannotStart as reason:
        sys.stderr.write(f"{arguments[0]} was not started: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

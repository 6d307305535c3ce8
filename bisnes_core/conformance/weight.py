"""What importing a spec drags along, or whether it comes back at all: seen in an interpreter of its own.

The one module of this package that starts a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

#: A spec is imported by every process, the API among them; an import that takes longer holds up all their starts.
IMPORT_TIMEOUT_S: Final = 20.0

#: What a spec must not drag into the API: HTTP clients, queues, databases, web servers, browsers, supervisors.
HEAVY: Final = frozenset(
    {
        "aiohttp",
        "bisnes_api",
        "bisnes_cli",
        "bisnes_workers",
        "circus",
        "db",
        "dramatiq",
        "flask",
        "httpx",
        "playwright",
        "psycopg",
        "redis",
        "requests",
        "selenium",
        "tornado",
        "urllib3",
        "uvloop",
        "zmq",
    }
)

#: How the words begin when there is nothing more to look at.
IMPORT_FAILS: Final = "the import fails"

_WEIGH: Final = """
import importlib, json, sys
module, name = sys.argv[1].split(":")
adapter = getattr(getattr(importlib.import_module(module), name), "adapter", "")
print("\\n" + json.dumps([sorted(sys.modules), str(adapter).partition(":")[0]]))
"""


def weigh_import(reference: str) -> Iterator[str]:
    """What is wrong with importing the spec at `package.module:NAME`, by itself."""
    command = [sys.executable, "-c", _WEIGH, reference]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        yield f"{IMPORT_FAILS} to end within {IMPORT_TIMEOUT_S:g} s"
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no words"])[-1]
        yield f"{IMPORT_FAILS} with status {done.returncode}: {last}"
        return
    loaded, adapter = json.loads(done.stdout.splitlines()[-1])
    heavy = sorted(HEAVY & set(loaded))
    if heavy:
        yield f"importing the spec loads {', '.join(heavy)}; leave that to the adapter's module"
    if adapter in loaded:
        yield f"importing the spec imports its adapter {adapter}; name it as text, do not import it"

"""What this machine lets Chromium do: build its sandbox, and how much memory it may share."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Final

#: Creating a user namespace takes a millisecond; a machine that needs longer is stuck.
PROBE_TIMEOUT_S: Final = 10.0


@lru_cache(maxsize=8)
def sandbox_possible(browser: Path) -> bool:
    """Chromium refuses to run as root with a sandbox; others need user namespaces or the setuid helper beside it.

    Source: chromium/src/+/main/docs/linux/sandboxing.md, read 2026-11-25. Tried rather than read from /proc: Docker's
    seccomp profile and AppArmor forbid user namespaces that the kernel's settings allow.
    """
    return os.geteuid() != 0 and (_has_setuid_helper(browser) or _user_namespaces())


def _has_setuid_helper(browser: Path) -> bool:
    helper = browser.resolve().with_name("chrome-sandbox")
    try:
        return bool(helper.stat().st_mode & stat.S_ISUID)
    except OSError:
        return False


def _user_namespaces() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return True  # nothing to ask with; Chromium's own message tells if it is wrong
    try:
        done = subprocess.run([unshare, "--user", "true"], capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def shared_memory_bytes() -> int:
    """Size of /dev/shm; 0 when there is none."""
    try:
        return shutil.disk_usage("/dev/shm").total  # noqa: S108 - asked for its size only
    except OSError:
        return 0

"""The list of what a circusd has started: read back whole, and worth nothing where it could mean somebody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bisnes_supervisor import started


def test_what_is_written_is_read_also_when_it_has_become_shorter(tmp_path: Path) -> None:
    path = tmp_path / "circusd.pid.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        many = {(pid, 10 * pid): pid % 3 - 1 for pid in range(1, 200)}
        for listed in (many, {(4242, 17): 100}, {}):
            started.write(lock, listed)
            assert started.read(str(path)) == listed
    finally:
        os.close(lock)


@pytest.mark.parametrize(
    "text", ["", "\0\xff", "1 2 3\n", "another-boot\n1 2 3\n", "{boot}\n1 2\n", "{boot}\n1 2 3\nx y z\n"]
)
def test_a_list_of_another_boot_or_a_damaged_one_names_nobody(tmp_path: Path, text: str) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    path = tmp_path / "circusd.pid.lock"
    path.write_bytes(text.format(boot=boot).encode("latin-1"))
    assert started.read(str(path)) == {}
    assert started.read(str(tmp_path / "absent")) == {}


def test_a_process_is_known_by_pid_and_start() -> None:
    own = started.identity_of(os.getpid())
    assert own is not None
    assert started.processes()[own] == os.getppid()
    assert started.identity_of(2**22 + 1) is None, "larger than any pid"

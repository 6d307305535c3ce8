"""However fast a process prints, and whatever its log file does, neither it nor circusd nor its neighbours wait."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fixtures.circusd import Circus, circusd, program, watcher
from tests.fixtures.eventually import eventually

#: Longest wait for an answer of circusd; it takes a few milliseconds on a quiet machine.
ANSWER_S = 1.0

#: Prints numbered lines of 250 bytes at a rate (0: as fast as it can) and says on standard error how that went.
BURST = """
import json, signal, sys, time
rate_bytes, total_bytes = map(float, sys.argv[1:])
began_at, lines, sent_bytes, longest_s = time.monotonic(), 0, 0, 0.0
while sent_bytes < total_bytes:
    while rate_bytes and sent_bytes > rate_bytes * (time.monotonic() - began_at):
        time.sleep(0.002)
    block = "".join(f"{lines + ahead:08} {'ü' * 120}\\n" for ahead in range(400)).encode()
    asked_at = time.monotonic()
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    longest_s = max(longest_s, time.monotonic() - asked_at)
    lines, sent_bytes = lines + 400, sent_bytes + len(block)
print(json.dumps({"lines": lines, "took_s": time.monotonic() - began_at, "longest_s": longest_s}), file=sys.stderr)
signal.pause()
"""

#: Shows the files it holds open, then prints a number every few milliseconds.
STEADY = """
import os, time
names = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
print(*(os.readlink(f"/proc/self/fd/{name}") for name in names), flush=True)
for number in range(500):
    print(number, flush=True)
    time.sleep(0.005)
print("done", flush=True)
time.sleep(600)
"""


@contextmanager
def bursting(home: Path, rate_bytes: float, total_bytes: float, options: str = "") -> Iterator[Circus]:
    """A circusd with the two programs; the steady one inherits what it can."""
    burst = f"{program(home, 'burst', BURST)} {rate_bytes} {total_bytes}"
    steady = program(home, "steady", STEADY)
    with circusd(home, watcher("burst", burst, options) + watcher("steady", steady, "use_sockets = True")) as circus:
        circus.wait_for_line("steady-out", "pipe:")
        yield circus


def while_answering(circus: Circus, log: str, times: int = 1, deadline_s: float = 20) -> dict[str, Any]:
    """Asks circusd again and again until the burst has said how it went; its answers come in time."""

    def finished() -> str:
        asked_at = time.monotonic()
        assert circus.state("steady") == "active"
        assert time.monotonic() - asked_at < ANSWER_S
        said = circus.log(log).splitlines()
        return said[times - 1] if len(said) >= times else ""

    answer: dict[str, Any] = json.loads(eventually(finished, deadline_s, "the end of the burst"))
    return answer


def steady_lost_nothing(circus: Circus) -> bool:
    circus.wait_for_line("steady-out", "done")
    files, *numbers, _ = circus.log("steady-out").splitlines()
    assert "pipe:" in files
    assert "/logs/" not in files  # a child holds no log file open
    return numbers == [str(number) for number in range(500)]


def written_and_dropped(logs: list[Path]) -> Iterator[tuple[int | None, int]]:
    """The number of each line in files, oldest first, and how many lines a note says were dropped."""
    line_form = re.compile(r"[\dT:.-]{23}Z (\d{8}) ü{120}|[\dT:.-]{23}Z … (\d+) lines? \(\d+ bytes\) dropped: .*output")
    for path in logs:
        for line in path.read_text().splitlines():
            found = line_form.fullmatch(line)
            assert found, line
            yield (int(found[1]), 0) if found[1] else (None, int(found[2]))
        path.unlink()  # they are large


def test_a_burst_of_50_megabytes_a_second_arrives_whole_and_delays_nobody(tmp_path: Path) -> None:
    options = "stdout_stream.stamp = plain\nstdout_stream.max_bytes = 20000000\nstdout_stream.backup_count = 50"
    with bursting(tmp_path, 50e6, 150e6, options) as circus:
        burst = while_answering(circus, "burst-error")
        assert burst["took_s"] < 10
        assert steady_lost_nothing(circus)
        circus.do("stop", "burst")
        logs = sorted(
            (tmp_path / "logs").glob("burst-out.log*"), key=lambda path: -int("0" + path.suffix[1:].strip("log"))
        )
        assert max(path.stat().st_size for path in logs) <= 20_000_000
        assert len(logs) > 3
    found = list(written_and_dropped(logs))
    numbers = [number for number, _ in found if number is not None]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + sum(dropped for _, dropped in found) == burst["lines"]


def test_a_log_that_takes_nothing_stops_neither_its_process_nor_circusd(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs/burst-out.log")  # nobody reads it
    with bursting(tmp_path, 0, 20e6) as circus:
        assert while_answering(circus, "burst-error")["longest_s"] < 2
        assert steady_lost_nothing(circus)
        circus.do("restart", "burst")
        while_answering(circus, "burst-error", times=2)
        asked_at = time.monotonic()
        circus.child.send_signal(signal.SIGTERM)
        assert circus.child.wait(20) == 0
        assert time.monotonic() - asked_at < 10


def test_a_full_disk_stops_neither_its_process_nor_circusd(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/burst-out.log").symlink_to("/dev/full")
    with bursting(tmp_path, 0, 20e6) as circus:
        assert while_answering(circus, "burst-error")["longest_s"] < 2
        assert steady_lost_nothing(circus)
        own_log = tmp_path / "output.log"
        eventually(lambda: own_log.read_text().count("log lines are being lost") == 1, 5, "to be told once")


def test_files_are_opened_anew_on_sigusr1(tmp_path: Path) -> None:
    with bursting(tmp_path, 0, 1000) as circus:
        burst = while_answering(circus, "burst-error")
        log, moved = tmp_path / "logs/burst-out.log", tmp_path / "logs/moved.log"
        eventually(lambda: log.read_text().count("\n") == burst["lines"], 5, "its lines")
        log.rename(moved)
        os.kill(circus.pid, signal.SIGUSR1)
        eventually(log.exists, 5, "a new file, though the process prints nothing")
        circus.do("restart", "burst")
        eventually(lambda: log.read_text() == moved.read_text(), 5, "the lines of the next process")

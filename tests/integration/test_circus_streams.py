"""Log files keep lines whole, rotate, and outlive whoever moves, fills or blocks them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bisnes_supervisor.log_writer import BUFFER_BYTES, CLOSE_WAIT_S
from bisnes_supervisor.streams import LINE_MAX_BYTES, TAIL_BYTES, TAILS, LineFile, reopen_all
from tests.fixtures.eventually import eventually

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "

#: No such process: above the kernel's largest pid.
NOBODY = 4_999_999


def write(stream: LineFile, data: bytes, pid: int = 1) -> None:
    stream({"data": data, "pid": pid, "name": "stdout"})


def wait_for(path: Path, text: str) -> None:
    eventually(lambda: path.exists() and path.read_text() == text, 5, f"{text!r} in {path.name}")


def threads_of(path: Path) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"log {path.name}"]


def read_to_the_end(fifo: Path, answer: list[bytes]) -> threading.Thread:
    reader = threading.Thread(target=lambda: answer.append(fifo.read_bytes()))
    reader.start()
    return reader


# -- lines ---------------------------------------------------------------------------------------------------------


def test_pieces_of_two_processes_do_not_mix_within_a_line(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "new" / "x.log"))
    write(stream, "ä first ha".encode()[:1], pid=os.getpid())
    write(stream, b"second\n", pid=1)
    write(stream, "ä first ha".encode()[1:] + b"lf\n", pid=os.getpid())
    stream.close()
    assert (tmp_path / "new" / "x.log").read_text() == "second\nä first half\n"


def test_a_line_without_an_end_is_written_when_its_process_or_its_watcher_ends(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"))
    write(stream, b"dying", pid=1)
    stream.finish(1)
    write(stream, b"gone", pid=NOBODY)
    write(stream, b"alive\n", pid=1)
    write(stream, b"at the end", pid=1)
    stream.close()
    assert (tmp_path / "x.log").read_text() == "dying\ngone\nalive\nat the end\n"


def test_a_line_beyond_all_measure_is_written_in_pieces_of_whole_characters(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"))
    line = "x" + "ä" * (LINE_MAX_BYTES // 2) + "€"
    text = line.encode()
    write(stream, text[: LINE_MAX_BYTES + 1])
    write(stream, text[LINE_MAX_BYTES + 1 : -1])
    write(stream, text[-1:] + b"\n")
    stream.close()
    pieces = (tmp_path / "x.log").read_text().splitlines()
    assert len(pieces) == 2
    assert "".join(pieces) == line


@pytest.mark.parametrize(
    ("stamp", "stamped"),
    [
        ("none", []),
        ("plain", ["plain", "", " {spaced", "end"]),
        ("all", ["plain", '{"json": 1}', "", " {spaced", "end"]),
    ],
)
def test_lines_are_stamped_as_told(tmp_path: Path, stamp: str, stamped: list[str]) -> None:
    lines = ["plain", '{"json": 1}', "", " {spaced", '{"json": 1}', "end"]
    stream = LineFile(str(tmp_path / "x.log"), stamp=stamp)
    write(stream, "\n".join(lines).encode())
    stream.close()
    written = (tmp_path / "x.log").read_text().splitlines()
    assert [re.sub(f"^{STAMP}", "", line) for line in written] == lines
    assert {re.sub(f"^{STAMP}", "", line) for line in written if re.match(STAMP, line)} == set(stamped)


def test_a_stamp_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none, plain, all, not 'iso'"):
        LineFile(str(tmp_path / "x.log"), stamp="iso")


# -- the last lines of a process -------------------------------------------------------------------------------------


def test_the_last_lines_of_a_process_are_remembered_until_they_are_forgotten(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"))
    write(stream, "".join(f"line {number}\n" for number in range(3000)).encode(), pid=1)
    write(stream, b"another's\n", pid=os.getpid())
    write(stream, b"the l", pid=1)
    write(stream, "äst wörds, ünfinished".encode(), pid=1)
    stream.finish(1)
    stream.close()
    assert stream.tail(1, 3) == ["line 2998", "line 2999", "the läst wörds, ünfinished"]
    assert len(stream.tail(1)) == 20
    assert stream.tail(os.getpid()) == ["another's"]
    stream.forget(1)
    assert stream.tail(1) == []


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"))
    for pid in range(NOBODY, NOBODY + TAILS + 1):
        write(stream, b"y" * TAIL_BYTES + b"x" * 5000 + b"\n", pid=pid)
    stream.close()
    assert stream.tail(NOBODY) == []
    assert [len(line) for line in stream.tail(NOBODY + TAILS)] == [500]


# -- the file --------------------------------------------------------------------------------------------------------


def test_files_rotate_between_lines_and_the_oldest_goes(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"), max_bytes="20", backup_count="2")
    for number in range(8):
        write(stream, f"line {number}\n".encode())
    stream.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {
        "x.log": "line 6\nline 7\n",
        "x.log.1": "line 4\nline 5\n",
        "x.log.2": "line 2\nline 3\n",
    }


def test_a_line_longer_than_a_file_has_a_file_of_its_own(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"), max_bytes=20, backup_count=5)
    write(stream, b"a\n" + b"b" * 30 + b"\nc\n")
    stream.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"x.log.2": "a\n", "x.log.1": "b" * 30 + "\n", "x.log": "c\n"}


def test_output_and_errors_may_share_a_file(tmp_path: Path) -> None:
    streams = [LineFile(str(tmp_path / "x.log"), max_bytes=20_000, backup_count=100) for _ in range(2)]
    for number in range(1000):
        for name, stream in zip("ab", streams, strict=True):
            write(stream, f"{name} {number:08} {'.' * 80}\n".encode())
    for stream in streams:
        stream.close()
    files = sorted(tmp_path.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix != ".log" else 0)
    assert all(path.stat().st_size <= 20_000 for path in files)
    lines = [line for path in files for line in path.read_text().splitlines()]
    for name in "ab":
        assert [int(line.split()[1]) for line in lines if line.startswith(name)] == list(range(1000))


def test_a_file_that_was_moved_or_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    stream = LineFile(str(path))
    write(stream, b"one\n")
    wait_for(path, "one\n")
    path.rename(tmp_path / "moved.log")
    write(stream, b"two\n")
    wait_for(path, "two\n")
    path.unlink()
    write(stream, b"three\n")
    stream.close()
    assert (tmp_path / "moved.log").read_text() == "one\n"
    assert path.read_text() == "three\n"


def test_reopen_all_makes_the_files_anew_though_nothing_is_written(tmp_path: Path) -> None:
    paths = [tmp_path / "x.log", tmp_path / "y.log"]
    streams = [LineFile(str(path)) for path in paths]
    for stream, path in zip(streams, paths, strict=True):
        write(stream, b"one\n")
        wait_for(path, "one\n")
        path.rename(path.with_suffix(".moved"))
    reopen_all()
    for stream, path in zip(streams, paths, strict=True):
        wait_for(path, "")
        write(stream, b"two\n")
        stream.close()
        assert path.read_text() == "two\n"
    paths[0].unlink()
    reopen_all()
    assert not paths[0].exists()  # a closed stream is opened by a line only


def test_a_child_holds_no_log_file_open_though_it_inherits_what_it_can(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    stream = LineFile(str(path))
    write(stream, b"one\n")
    wait_for(path, "one\n")
    show = "import pathlib\nfor link in pathlib.Path('/proc/self/fd').iterdir(): print(link.resolve())"
    shown = subprocess.run(
        [sys.executable, "-c", show],
        check=True,
        capture_output=True,
        text=True,
        close_fds=False,
        preexec_fn=os.setsid,  # as Circus does, with threads about
    )
    stream.close()
    assert "pipe:" in shown.stdout
    assert str(path) not in shown.stdout


# -- the thread ------------------------------------------------------------------------------------------------------


def test_a_stream_has_a_thread_from_its_first_line_until_it_is_closed_and_again(tmp_path: Path) -> None:
    path = tmp_path / "threads.log"
    stream = LineFile(str(path))
    stream.open()
    stream.close()
    assert threads_of(path) == []
    for text in ("one\n", "one\ntwo\n"):
        write(stream, text.splitlines(keepends=True)[-1].encode())
        wait_for(path, text)
        [thread] = threads_of(path)
        stream.close()
        thread.join(1)
        assert threads_of(path) == []
        stream.open()


def test_a_file_that_takes_nothing_costs_lines_that_are_counted_and_nobody_waits(tmp_path: Path) -> None:
    fifo = tmp_path / "x.log"
    os.mkfifo(fifo)
    stream = LineFile(str(fifo))
    began_at, line, count = time.monotonic(), b"x" * 99 + b"\n", 2 * BUFFER_BYTES // 100
    for _ in range(count // 1000):
        write(stream, line * 1000)
    stream.close()
    stream.close()  # known to be stuck: not waited for again
    assert time.monotonic() - began_at < CLOSE_WAIT_S + 1
    found: list[bytes] = []
    reader = read_to_the_end(fifo, found)
    reader.join(20)
    *lines, note = found[0].splitlines(keepends=True)
    assert set(lines) == {line}
    dropped = count - len(lines)
    assert note.decode() == f"… {dropped} lines ({dropped * 100} bytes) dropped: the disk was slower than the output\n"
    assert stream.dropped_lines == dropped
    eventually(lambda: not threads_of(fifo), 5, "the end of the thread, now that all is written")
    fifo.unlink()
    write(stream, b"again\n")
    stream.close()
    assert fifo.read_text() == "again\n"


def test_a_place_that_cannot_be_written_costs_lines_not_the_supervisor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    stream = LineFile(str(blocked / "x.log"))
    for number in (1, 2, 3):
        write(stream, b"lost\n")
        eventually(lambda: stream.dropped_lines == number, 5, "the loss to be known")  # noqa: B023 - called now
    blocked.unlink()
    write(stream, b"kept\n")
    stream.close()
    assert (blocked / "x.log").read_text() == "… 3 lines (15 bytes) dropped: File exists\nkept\n"
    assert [record.message.split(":")[0] for record in caplog.records] == ["log lines are being lost"]


def test_no_half_line_stays_of_what_did_not_fit(tmp_path: Path) -> None:
    text = (
        "import resource, signal, sys\nfrom bisnes_supervisor.streams import LineFile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 2000))\n"
        "stream = LineFile(sys.argv[1])\n"
        "stream({'data': b'short\\n', 'pid': 1, 'name': 'stdout'})\nstream.close()\n"
        "stream({'data': b'x' * 1500 + b'\\n', 'pid': 1, 'name': 'stdout'})\nstream.close()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "stream({'data': b'after\\n', 'pid': 1, 'name': 'stdout'})\nstream.close()\n"
    )
    # A coverage tracer could not write what it knows either.
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
    subprocess.run([sys.executable, "-c", text, str(tmp_path / "x.log")], env=untraced, check=True, timeout=20)
    expected = "short\n… 1 line (1501 bytes) dropped: File too large\nafter\n"
    assert (tmp_path / "x.log").read_text() == expected

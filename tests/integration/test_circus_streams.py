"""Log files keep lines whole, rotate, and outlive whoever moves them."""

from __future__ import annotations

import os
from pathlib import Path

from bisnes_supervisor.streams import LINE_MAX_BYTES, LineFile


def write(stream: LineFile, data: bytes, pid: int = 1) -> None:
    stream({"data": data, "pid": pid, "name": "stdout"})


def test_pieces_of_two_processes_do_not_mix_within_a_line(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "new" / "x.log"))
    write(stream, "ä first ha".encode()[:5], pid=os.getpid())
    write(stream, b"second\n", pid=1)
    write(stream, "ä first ha".encode()[5:] + b"lf\n", pid=os.getpid())
    stream.close()
    assert (tmp_path / "new" / "x.log").read_text() == "second\nä first half\n"


def test_a_line_without_an_end_is_written_when_its_process_or_its_watcher_ends(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"))
    write(stream, b"dying", pid=1)
    stream.finish(1)
    write(stream, b"gone", pid=4_999_999)  # no such process: above the kernel's largest pid
    write(stream, b"alive\n", pid=1)
    write(stream, b"at the end", pid=1)
    stream.close()
    assert (tmp_path / "x.log").read_text() == "dying\ngone\nalive\nat the end\n"


def test_a_line_beyond_all_measure_is_written_in_pieces(tmp_path: Path) -> None:
    stream = LineFile(str(tmp_path / "x.log"))
    write(stream, b"x" * (LINE_MAX_BYTES + 1))
    stream.close()
    assert (tmp_path / "x.log").stat().st_size == LINE_MAX_BYTES + 2


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


def test_a_file_that_was_moved_or_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    stream = LineFile(str(path))
    write(stream, b"one\n")
    path.rename(tmp_path / "moved.log")
    write(stream, b"two\n")
    path.unlink()
    write(stream, b"three\n")
    stream.close()
    assert (tmp_path / "moved.log").read_text() == "one\n"
    assert path.read_text() == "three\n"


def test_a_place_that_cannot_be_written_costs_lines_not_the_supervisor(tmp_path: Path) -> None:
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    stream = LineFile(str(blocked / "x.log"))
    write(stream, b"lost\n")
    blocked.unlink()
    write(stream, b"kept\n")
    stream.close()
    assert (blocked / "x.log").read_text() == "kept\n"

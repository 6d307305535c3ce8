"""What the operator's commands make of figures, policies, growing files and a circusd that does not answer."""

from __future__ import annotations

import socket as sockets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import zmq

from bisnes_supervisor.cli import describe, figures, table
from bisnes_supervisor.cli.control import Supervisor
from bisnes_supervisor.cli.errors import FAILED, NOT_RUNNING, Refused
from bisnes_supervisor.cli.logfile import Follower, last_lines, tail
from bisnes_supervisor.cli.project import LogFile
from bisnes_supervisor.policy import described, read_policy
from tests.fixtures.eventually import eventually


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0, "0s"), (0.9, "0s"), (3.7, "3s"), (300, "5m"), (7300, "2h"), (86_399, "23h"), (400_000, "4d")],
)
def test_an_uptime_has_one_unit(duration_s: float, text: str) -> None:
    assert figures.rough(duration_s) == text


@pytest.mark.parametrize("text", ["0s", "100ms", "2.5s", "64s", "5m", "36h", "4d"])
def test_a_duration_is_told_as_it_is_configured(text: str) -> None:
    from bisnes_supervisor.policy import duration_s

    assert figures.exact(duration_s(text)) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 KB"), (655_360, "640 KB"), (87_241_523, "83.2 MB"), (1024**3, "1 GB"), (1.5 * 1024**3, "1.5 GB")],
)
def test_a_size_has_one_digit_after_the_point(size_bytes: float, text: str) -> None:
    assert figures.size(size_bytes) == text


def test_a_curve_begins_at_zero_and_shows_the_peak_however_many_points_it_has() -> None:
    assert figures.sparkline([]) == ""
    assert figures.sparkline([0, 0]) == "▁▁"
    assert figures.sparkline([0, 50, 100]) == "▁▅█"
    assert figures.sparkline([70, 70]) == "██"
    many = [1] * 299
    many.insert(150, 100)
    drawn = figures.sparkline(many)
    assert len(drawn) == figures.CURVE_WIDTH
    assert drawn.count("█") == 1


def row(**values: Any) -> dict[str, Any]:
    return {
        "process": "web",
        "instance": 1,
        "state": "online",
        "pid": 4_194_303,
        "uptime_s": 90_000.0,
        "restarts": 3,
        "cpu_percent": 12.34,
        "memory_bytes": 87_241_523,
        "memory_max_bytes": 1024**3,
        "starts_in_s": None,
        "last_end": None,
    } | values


def drawn(*rows: dict[str, Any], own: tuple[str, ...] = ()) -> list[list[str]]:
    """The table's cells, which two blanks part, its heading first."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in drawn_text(*rows, own=own)]


def drawn_text(*rows: dict[str, Any], own: tuple[str, ...] = ()) -> list[str]:
    with click.Context(click.Group("shop"), info_name="shop"):
        return table.draw(table.instances(rows, own), *table.complaints(rows)).splitlines()


def test_the_table_shows_tree_memory_against_its_limit_and_columns_of_the_project_once() -> None:
    heading, first, second = drawn(row(phones=12), row(instance=2, memory_max_bytes=None, phones=12), own=("phones",))
    assert heading == ["id", "name", "pid", "uptime", "↺", "status", "cpu", "memory", "phones"]
    assert first == ["1", "web", "4194303", "1d", "3", "online", "12.3%", "83.2 MB / 1 GB", "12"]
    assert second == ["2", "web", "4194303", "1d", "3", "online", "12.3%", "83.2 MB / -"]


def test_what_does_not_run_says_what_comes_next_and_why_it_ended() -> None:
    gone = {"instance": None, "pid": None, "uptime_s": None, "cpu_percent": None, "memory_bytes": None}
    errored = row(state="errored", starts_in_s=252.0, last_end="ended by itself: exit code 3", **gone)
    waiting = row(process="mailer", state="waiting restart", starts_in_s=2.1, **gone)
    _, first, second, complaint = drawn_text(errored, waiting)
    assert "errored, retry in 4m" in first
    assert "waiting restart in 3s" in second
    assert complaint == "web is errored: ended by itself: exit code 3. See: shop describe web"


def test_a_table_in_earnest_fits_in_100_columns_and_has_no_colour() -> None:
    own = ("phones", "queue")
    lines = drawn_text(
        row(phones=120, queue=10_000),
        row(process="loopback", state="waiting restart", starts_in_s=3599, phones=None, queue=None),
        own=own,
    )
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)


def test_no_value_is_cut_however_long() -> None:
    name = "a-watcher-with-a-name-" * 8
    assert name in drawn_text(row(process=name))[1]


def words(**options: str) -> str:
    policy = described(read_policy(options))
    return "\n".join(describe.in_words({"policy": policy, "graceful_timeout_s": 30.0, "singleton": False}))


def test_a_policy_is_told_in_words_and_only_what_holds() -> None:
    plain = words()
    assert "started again at once" in plain
    assert "errored after 16 lives shorter than 1s within 16s; then tried every 5m" in plain
    assert not any(word in plain for word in ("ready", "hung", "killed with", "unstable", "None"))
    told = words(
        restart_delay="5s",
        exp_backoff_restart_delay="100ms",
        max_restarts="10",
        min_uptime="10s",
        errored_retry="never",
        stop_exit_codes="0 3",
        wait_ready="http://127.0.0.1:3000/health/ready",
        live="unix:web.sock:/health/live",
        max_memory_restart="1G",
        cron_restart="0 3 * * *",
        watch="src",
        start_while="var/phones",
        nice="5",
    )
    for sentence in (
        "started again 5s after its end",
        "after an unstable life 100ms later, then half as much longer each time, 15s at most",
        "errored after 10 lives shorter than 10s within 250s; then given up",
        "done, and not started again, after exit code 0 or 3",
        "ready when http://127.0.0.1:3000/health/ready answers, expected within 30s",
        "hung when unix:web.sock:/health/live is silent for 30s",
        "replaced gracefully when its tree takes 921.6 MB",
        "killed with its tree above 1 GB",
        "replaced one after another at 0 3 * * *",
        "reloaded when something changes in src",
        "runs while there is a file var/phones",
        "leaves the processors to others (nice 5)",
    ):
        assert sentence in told


# -- growing files ----------------------------------------------------------------------------------------------------


def test_the_last_lines_are_found_however_large_the_file_and_long_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "web-out.log"
    path.write_text("".join(f"{number} {'ö' * 3000}\n" for number in range(100)) + "unfinished")
    assert [line.split()[0] for line in last_lines(path, 3)] == ["98", "99", "unfinished"]
    end = tail(path, 50)
    assert [line.split()[0] for line in end.lines] == [str(number) for number in range(50, 100)]
    assert end.whole_bytes == path.stat().st_size - len("unfinished")
    assert last_lines(path, 1000)[0].startswith("0 ")
    assert last_lines(tmp_path / "none.log", 3) == []
    assert tail(path, 0).lines == []


class Growing:
    """A log file with its follower."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.follower = Follower(lambda: [LogFile(path, "web", "out")], {})

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    def rotate(self) -> None:
        for number in (3, 2, 1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))

    def new(self) -> list[str]:
        return [line for _, line in self.follower.new_lines()]


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    file = Growing(tmp_path / "web-out.log")
    yield file
    file.follower.close()


def test_a_file_that_appears_is_read_from_its_begin_and_lines_are_whole(growing: Growing) -> None:
    assert growing.new() == []
    growing.write("one\ntw")
    assert growing.new() == ["one"]
    growing.write("o\n")
    assert growing.new() == ["two"]
    assert growing.new() == []


def test_no_line_is_lost_in_several_rotations_between_two_looks(growing: Growing) -> None:
    growing.write("0\n")
    assert growing.new() == ["0"]
    for number in range(1, 4):
        growing.write(f"{number}\n")
        growing.rotate()
        growing.write(f"{number} again\n")
    assert growing.new() == ["1", "1 again", "2", "2 again", "3", "3 again"]
    growing.write("4\n")
    assert growing.new() == ["4"]


def test_a_file_that_is_moved_away_is_read_on_when_the_next_one_is_there(growing: Growing) -> None:
    growing.write("one\n")
    assert growing.new() == ["one"]
    growing.write("two\n")
    growing.rotate()
    assert growing.new() == ["two"]
    growing.write("three\n")
    assert growing.new() == ["three"]


def test_a_file_that_is_emptied_in_place_is_read_on(growing: Growing) -> None:
    growing.write("a long first line\n")
    assert growing.new() == ["a long first line"]
    growing.path.write_text("short\n")
    assert growing.new() == ["short"]


# -- a circusd that does not answer ------------------------------------------------------------------------------------


@contextmanager
def peer(folder: Path) -> Iterator[tuple[Supervisor, zmq.Socket[bytes]]]:
    """A socket that a supervisor would listen at."""
    endpoint = f"ipc://{folder}/circus.sock"
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    socket.linger = 0
    socket.bind(endpoint)
    try:
        yield Supervisor(endpoint, start="shop up"), socket
    finally:
        socket.close()
        eventually(lambda: is_deaf(folder / "circus.sock"), 10, "ZeroMQ's own thread to close it")


def is_deaf(path: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX) as trial:
        return trial.connect_ex(str(path)) != 0


def test_silence_is_told_from_absence_and_both_say_what_to_do(tmp_path: Path) -> None:
    with peer(tmp_path) as (supervisor, _), pytest.raises(Refused, match=r"gives no answer .* shop up") as silent:
        supervisor.call("status", 0.2)
    with pytest.raises(Refused, match=r"no circusd listens .* shop up") as absent:
        supervisor.call("status", 20)
    assert (silent.value.exit_code, absent.value.exit_code) == (NOT_RUNNING, NOT_RUNNING)


def test_a_circusd_that_ends_while_it_works_is_not_waited_for(tmp_path: Path) -> None:
    with peer(tmp_path) as (supervisor, socket):

        def end_when_asked() -> None:
            socket.recv_multipart()
            socket.close()

        thread = threading.Thread(target=end_when_asked)
        thread.start()
        with pytest.raises(Refused, match="ended before it had answered `reload`") as ended:
            supervisor.call("reload", 20)
        thread.join(5)
        assert ended.value.exit_code == NOT_RUNNING


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("unknown command: 'table'", "has no command `table`. Start it as: shop up"),
        ("arbiter is already running manage_watchers command", "`table` failed: arbiter is already running"),
        ("web: pid 3 ended", "`table` failed: web: pid 3 ended"),
    ],
)
def test_a_refusal_says_why(tmp_path: Path, reason: str, sentence: str) -> None:
    with peer(tmp_path) as (supervisor, socket):
        over = threading.Event()

        def refuse() -> None:
            while not over.is_set():
                if socket.poll(20):
                    caller, _ = socket.recv_multipart()
                    socket.send_multipart([caller, b'{"status": "error", "reason": "%s"}' % reason.encode()])

        thread = threading.Thread(target=refuse)
        thread.start()
        try:
            with pytest.raises(Refused, match=r"failed|no command") as refused:
                supervisor.call("table", 0.3)
        finally:
            over.set()
            thread.join(5)
        assert sentence in refused.value.message
        assert refused.value.exit_code == FAILED

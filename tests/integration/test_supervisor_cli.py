"""`bisnes-supervisor` beside `circusctl`, at a real circusd."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fixtures.circusd import SLEEPER, Circus, circusd, program, watcher
from tests.fixtures.eventually import eventually
from tests.fixtures.services import end, gone, running

#: Takes 30 MB in steps and ends with an error; a second of life is several looks of the sampler.
LEAK = (
    "import sys, time\nprint('begins', flush=True)\nheld = []\n"
    "for _ in range(6):\n    held.append(bytearray(5_000_000))\n    time.sleep(0.25)\n"
    "print('no more room', file=sys.stderr, flush=True)\nsys.exit(3)\n"
)
BROKEN = "import sys\nsys.exit('no database')\n"


def cli(home: Path, *arguments: str, module: str = "bisnes_supervisor.cli.main", **variables: str) -> Any:
    """A command as an operator types it in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=home,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def done(home: Path, *arguments: str) -> str:
    """The same, and it must succeed."""
    ended = cli(home, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return str(ended.stdout)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circus]:
    """Processes to look at; no test changes them."""
    home = tmp_path_factory.mktemp("shop")
    sleeper = program(home, "sleeper", SLEEPER)
    ini = (
        watcher("web", sleeper, "numprocesses = 2\nmax_memory_restart = 1G")
        + watcher("leaky", program(home, "leak", LEAK), "restart_delay = 1h\nmin_uptime = 100ms")
        + watcher("broken", program(home, "broken", BROKEN), "max_restarts = 2")
        + watcher("idle", sleeper, "autostart = False")
    )
    with circusd(home, ini) as circus:
        circus.wait_for_event("broken", "errored")
        circus.wait_for_event("leaky", "ended")
        circus.wait_for_line("web-out", "up", 2)
        yield circus


# -- looking -----------------------------------------------------------------------------------------------------------


def test_the_table_is_readable_without_a_terminal_and_says_why_something_is_errored(shop: Circus) -> None:
    lines = done(shop.home, "status").splitlines()
    assert lines[0].split() == ["id", "name", "pid", "uptime", "↺", "status", "cpu", "memory"]
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)
    cells = [re.split(r" {2,}", line.strip()) for line in lines[1:-1]]
    states = {cell[1]: cell[5] for cell in cells}
    assert states["web"] == "online"
    assert states["idle"] == "stopped"
    assert re.fullmatch(r"errored, retry in [45]m", states["broken"])
    assert re.fullmatch(r"waiting restart in (1h|59m)", states["leaky"])
    assert all(re.fullmatch(r"[\d.]+ MB / 1 GB", cell[7]) for cell in cells if cell[1] == "web")
    assert lines[-1] == "broken is errored: ended by itself: exit code 1. See: bisnes-supervisor describe broken"


def test_programs_get_the_same_as_json(shop: Circus) -> None:
    status = json.loads(done(shop.home, "status", "--json"))
    assert status["circusd"] == shop.pid
    assert status["endpoint"] == shop.endpoint
    rows = {row["process"]: row for row in status["processes"]}
    assert rows.keys() == {"web", "leaky", "broken", "idle"}
    assert rows["web"].keys() >= {"process", "instance", "state", "pid", "uptime_s", "restarts", "memory_bytes"}
    assert {row["pid"] for row in status["processes"] if row["process"] == "web"} == set(shop.pids("web"))
    assert rows["broken"]["state"] == "errored"
    assert "exit code 1" in rows["broken"]["last_end"]


def test_a_crash_is_described_with_reason_exit_code_last_lines_and_memory_curve(shop: Circus) -> None:
    text = done(shop.home, "describe", "LEAKY", "--events", "2")
    assert "leaky  waiting restart, 1 wanted" in text
    assert "started again 1h after its end" in text
    assert re.search(r"ended .* crash; ended by itself: exit code 3; up for \d", text)
    assert "| no more room" in text
    assert re.search(r"memory [▁-█]{2,}  [\d.]+ [KM]B first, [\d.]+ MB at most", text)
    event = json.loads(done(shop.home, "describe", "leaky", "--events", "1", "--json"))["events"][-1]
    assert event["data"]["cause"] == "crash"
    assert event["data"]["exit_code"] == 3
    assert event["data"]["last_lines"] == ["no more room"]
    assert max(used for _, used in event["data"]["memory"]) > 5_000_000


def test_one_picture_of_monit_shows_the_errored_process_more_closely(shop: Circus) -> None:
    text = done(shop.home, "monit")
    assert "events of broken" in text
    assert "error | no database" in text
    assert "log of web" in done(shop.home, "monit", "web", "--once")
    picture = json.loads(done(shop.home, "monit", "web", "--json"))
    assert picture["chosen"]["process"] == "web"
    assert picture["log"]["out"][0].startswith("up ")


def test_logs_are_labelled_chosen_by_stream_and_given_to_programs(shop: Circus) -> None:
    everything = done(shop.home, "logs", "-n", "1")
    assert re.search(r"^web-out +\| up \d+$", everything, re.MULTILINE)
    assert re.search(r"^leaky-error +\| no more room$", everything, re.MULTILINE)
    assert "begins" not in done(shop.home, "logs", "leaky", "--err")
    assert done(shop.home, "logs", "leaky", "--out") == "leaky-out | begins\n"
    line = json.loads(done(shop.home, "logs", "leaky", "--err", "--json"))
    assert line == {"process": "leaky", "stream": "error", "line": "no more room"}
    unknown = cli(shop.home, "logs", "nothing")
    assert unknown.returncode == 1
    assert "there are: broken, " in unknown.stderr


@pytest.mark.parametrize("command", ["describe", "stop", "start", "restart", "reload", "reset", "monit"])
def test_an_unknown_name_is_refused_with_the_known_ones(shop: Circus, command: str) -> None:
    refused = cli(shop.home, command, "nothing")
    assert refused.returncode == 1
    assert "there are: broken, idle, leaky, web" in refused.stderr


def test_circusd_is_found_by_address_by_file_and_by_variable_and_missed_with_exit_code_4(
    shop: Circus, tmp_path: Path
) -> None:
    assert "web" in cli(tmp_path, "--endpoint", shop.endpoint, "status").stdout
    assert "web" in cli(tmp_path, "--config", str(shop.home / "circus.ini"), "status").stdout
    assert "up" in cli(tmp_path, "--config", str(shop.home / "circus.ini"), "logs", "web").stdout
    assert "web" in cli(tmp_path, "status", CIRCUSD_ENDPOINT=shop.endpoint).stdout
    (tmp_path / ".env").write_text(f"CIRCUSD_ENDPOINT={shop.endpoint}\n")
    assert "web" in cli(tmp_path, "status").stdout
    nowhere = cli(tmp_path, "status", CIRCUSD_ENDPOINT=f"ipc://{tmp_path}/none.sock")
    assert nowhere.returncode == 4
    assert "Start it: bisnes-circusd circus.ini" in nowhere.stderr


def test_the_gateways_command_has_the_same_commands_and_columns_of_its_own(shop: Circus) -> None:
    variables = {"BISNES_HOME": str(shop.home), "BISNES_RUN_DIR": str(shop.home / "var/run")}
    shown = cli(shop.home, "status", module="bisnes_cli", **variables)
    heading, *lines = shown.stdout.splitlines()
    assert heading.split()[-2:] == ["phones", "queue"]
    assert (shown.returncode, shown.stderr) == (0, ""), "a database that is away is no news here"
    assert [line.split()[-2:] for line in lines if " idle " in line] == [["-", "-"]]
    assert "web-out | up" in cli(shop.home, "logs", "web", module="bisnes_cli", **variables).stdout


@dataclass
class GoingOn:
    """A command that does not end by itself."""

    child: subprocess.Popen[bytes]
    output: Path

    def lines(self, count: int) -> list[str]:
        """What it has printed, once these are so many lines."""
        text = f"{count} lines of {self.child.args!r}"
        eventually(lambda: self.output.read_text().count("\n") >= count, 20, text)
        return self.output.read_text().splitlines()

    def interrupt(self) -> None:
        """Ctrl-C, which ends it well."""
        self.child.send_signal(signal.SIGINT)
        assert self.child.wait(10) == 0, self.output.read_text()


@contextmanager
def going_on(home: Path, *arguments: str) -> Iterator[GoingOn]:
    command = [sys.executable, "-m", "bisnes_supervisor.cli.main", *arguments]
    with running(command, home / "elsewhere") as child:
        yield GoingOn(child, home / "elsewhere/output.log")


def test_a_watched_status_is_an_object_each_second_until_it_is_interrupted(shop: Circus) -> None:
    with going_on(shop.home, "--config", "../circus.ini", "status", "--watch", "--json") as watch:
        assert all(json.loads(line)["processes"] for line in watch.lines(2))
        watch.interrupt()


def test_monit_draws_in_place_obeys_arrows_and_leaves_the_terminal_as_it_was(shop: Circus) -> None:
    ours, its = pty.openpty()
    before = termios.tcgetattr(its)
    drawn = b""

    def until(word: bytes) -> None:
        nonlocal drawn
        give_up_at = time.monotonic() + 20
        while word not in drawn:
            assert time.monotonic() < give_up_at, drawn
            if select.select([ours], [], [], 0.1)[0]:
                drawn += os.read(ours, 65_536)

    environment = os.environ | {"TERM": "xterm", "LINES": "40", "COLUMNS": "120"}
    command = [sys.executable, "-m", "bisnes_supervisor.cli.main", "monit", "leaky"]
    child = subprocess.Popen(
        command, cwd=shop.home, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    try:
        until(b"events of leaky")
        os.write(ours, b"\x1b[B")
        until(b"events of web")
        drawn = b""
        child.send_signal(signal.SIGINT)
        until(b"\x1b[?1049l")
        assert child.wait(10) == 0
        assert b"Traceback" not in drawn
        assert b"\x1b[?25h" in drawn, "the cursor is shown again"
        assert termios.tcgetattr(its) == before
    finally:
        end(child)
        os.close(ours)
        os.close(its)


# -- changing ----------------------------------------------------------------------------------------------------------


def test_each_command_does_what_it_says_and_says_what_it_did(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    ini = watcher("web", sleeper) + watcher(
        "mailer", sleeper, "max_restarts = 1\nerrored_retry = never\nmin_uptime = 10m"
    )
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("web-out", "up")
        [before] = circus.pids("web")
        assert re.fullmatch(rf"web: restarted; pids (?!{before}\n)\d+\n", done(tmp_path, "restart", "web"))
        [result] = json.loads(done(tmp_path, "reload", "web", "--json"))["processes"]
        assert (result["process"], result["done"], len(result["pids"])) == ("web", True, 1)
        assert "web: 2 wanted; pids " in done(tmp_path, "scale", "web", "2")
        stopped = done(tmp_path, "stop", "all")
        assert sorted(stopped.splitlines()) == ["mailer: stopped; pids none", "web: stopped; pids none"]
        assert done(tmp_path, "reload", "all") == "", "what is stopped stays so"
        assert re.search(r"web: started; pids \d+, \d+", done(tmp_path, "start", "web", "mailer"))
        psutil.Process(circus.pids("mailer")[0]).kill()
        circus.wait_for_event("mailer", "errored")
        assert done(tmp_path, "reset", "mailer") == "reset: mailer\n"
        eventually(lambda: circus.pids("mailer"), 10, "its process")
        done(tmp_path, "stop", "mailer")
        assert done(tmp_path, "save") == "saved for the next start: mailer stopped, web 2\n"
        done(tmp_path, "scale", "web", "1")
        circus.call("start", name="mailer")
        assert done(tmp_path, "resurrect") == "as it was saved: mailer, web\n"
        assert (circus.state("mailer"), len(circus.pids("web"))) == ("stopped", 2)
        assert "forgotten" in done(tmp_path, "save", "--forget")
        family = [psutil.Process(circus.pid), *psutil.Process(circus.pid).children(recursive=True)]
        assert "has ended" in done(tmp_path, "quit")
        assert gone(family, 5) == []
        assert cli(tmp_path, "quit").returncode == 4


def test_a_reload_that_fails_says_why_and_that_the_old_ones_go_on(tmp_path: Path) -> None:
    ready = "wait_ready = unix:ready.sock\nlisten_timeout = 500ms"
    text = (
        "import os, signal, socket\nif not os.path.exists('bad'):\n    listener = socket.socket(socket.AF_UNIX)\n"
        "    listener.bind('var/run/ready.sock')\n    listener.listen()\nprint('up', flush=True)\nsignal.pause()\n"
    )
    with circusd(tmp_path, watcher("web", program(tmp_path, "web", text), ready)) as circus:
        circus.wait_for_event("web", "ready")
        before = circus.pids("web")
        (tmp_path / "bad").touch()
        (tmp_path / "var/run/ready.sock").unlink()
        failed = cli(tmp_path, "reload", "web")
        assert failed.returncode == 1
        assert re.match(
            r"web: `reload` failed: the old processes go on: pid \d+ was not ready within 0.5 s", failed.stderr
        )
        assert circus.pids("web") == before
        [result] = json.loads(cli(tmp_path, "reload", "web", "--json").stdout)["processes"]
        assert (result["done"], result["pids"]) == (False, before)
        assert "not ready within" in result["reason"]


def test_logs_are_followed_across_rotations_and_into_files_that_appear(tmp_path: Path) -> None:
    text = "import time\nfor number in range(1500):\n    print('line', number, flush=True)\n    time.sleep(0.0005)\n"
    rotated = "stdout_stream.max_bytes = 3000\nstdout_stream.backup_count = 5"
    writer = watcher("writer", program(tmp_path, "writer", text), f"autostart = False\n{rotated}\nstop_exit_codes = 0")
    ini = watcher("web", program(tmp_path, "sleeper", SLEEPER)) + writer
    with circusd(tmp_path, ini) as circus, going_on(tmp_path, "--config", "../circus.ini", "logs", "-f") as follower:
        assert follower.lines(1)[0].startswith("web-out | up ")
        circus.call("start", name="writer")
        assert follower.lines(1501)[1:] == [f"writer-out | line {number}" for number in range(1500)]
        assert (tmp_path / "logs/writer-out.log.3").exists()
        follower.interrupt()


# -- beside circusctl --------------------------------------------------------------------------------------------------


class Operator:
    """Someone with two commands for the same processes."""

    def __init__(self, circus: Circus) -> None:
        self.circus = circus

    def circusctl(self, *arguments: str, typed: str = "") -> str:
        """Circus's own command; without arguments it takes what is typed."""
        command = Path(sys.executable).with_name("circusctl")
        ended = subprocess.run(
            [command, "--timeout", "30", "--endpoint", self.circus.endpoint, *arguments],
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def cli(self, *arguments: str) -> str:
        """Ours."""
        return done(self.circus.home, *arguments)

    def both_say(self, **wanted: tuple[str, int]) -> None:
        """Both commands show these states and numbers of processes, and the same pids."""
        typed = "".join(f"{line}\n" for line in ("status", *(f"list {name}" for name in wanted)))
        _, status, *lists = self.circusctl(typed=typed).split("(circusctl) ")[: len(wanted) + 2]
        states = dict(line.split(": ") for line in status.splitlines())
        rows = json.loads(self.cli("status", "--json"))["processes"]
        assert states.keys() == wanted.keys() == {row["process"] for row in rows}
        for (name, (state, count)), listed in zip(wanted.items(), lists, strict=True):
            own = [row for row in rows if row["process"] == name]
            pids = {int(pid) for pid in listed.strip().split(",") if pid}
            assert pids == {row["pid"] for row in own if row["pid"]}, name
            assert (states[name], len(pids)) == (state, count), name
            assert {row["state"] for row in own} == {"online" if state == "active" else state}, name


def test_circusctl_and_the_supervisors_command_never_disagree(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    broken = program(tmp_path, "broken", BROKEN)
    ini = watcher("web", sleeper) + watcher("broken", broken, "max_restarts = 2\nautostart = False")
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("web-out", "up")
        operator = Operator(circus)
        operator.both_say(web=("active", 1), broken=("stopped", 0))
        operator.circusctl("stop", "web", "--waiting")
        operator.both_say(web=("stopped", 0), broken=("stopped", 0))
        operator.cli("start", "web")
        operator.both_say(web=("active", 1), broken=("stopped", 0))
        operator.circusctl("incr", "web", "--waiting")
        operator.both_say(web=("active", 2), broken=("stopped", 0))
        operator.cli("scale", "web", "3")
        operator.both_say(web=("active", 3), broken=("stopped", 0))
        operator.circusctl("set", "web", "numprocesses", "1", "--waiting")
        operator.both_say(web=("active", 1), broken=("stopped", 0))
        [before] = circus.pids("web")
        operator.circusctl("reload", "web", "--waiting")
        operator.both_say(web=("active", 1), broken=("stopped", 0))
        operator.cli("reload", "web")
        operator.both_say(web=("active", 1), broken=("stopped", 0))
        assert before not in circus.pids("web")
        operator.circusctl("start", "broken")
        circus.wait_for_event("broken", "errored")
        operator.both_say(web=("active", 1), broken=("errored", 0))
        operator.cli("stop", "broken")
        operator.both_say(web=("active", 1), broken=("stopped", 0))
        operator.circusctl("rm", "broken", "--waiting")
        operator.both_say(web=("active", 1))
        operator.circusctl("add", "--start", "late", f"{sys.executable} -S {sleeper}")
        eventually(lambda: circus.pids("late"), 10, "its process")
        operator.both_say(web=("active", 1), late=("active", 1))
        operator.cli("stop", "late")
        operator.circusctl("start", "late", "--waiting")
        operator.both_say(web=("active", 1), late=("active", 1))

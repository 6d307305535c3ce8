"""Restarts, limits, times: what PM2 does to an application and why."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bisnes_supervisor.pm2.attributes import duration, flag, milliseconds, number, size, text_of
from bisnes_supervisor.pm2.draft import Draft
from bisnes_supervisor.pm2.report import Outcome

#: Source: constants.js, KILL_TIMEOUT and KILL_SIGNAL.
KILL_TIMEOUT_MS = 1600
STOP_SIGNAL = "SIGINT"

#: Source: croner's nicknames, which PM2 passes through (lib/Worker.js, registerCron).
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_CRON_FIELD = re.compile(r"[\w*,/#-]+")

#: What has no effect on how an application runs here, and why.
IGNORED = {
    "name_prefix": "PM2 reads it from its command line only",
    "install_url": "PM2's own note on a module",
    "username": "PM2's own note on who started it",
    "force": "each application of the file gets its watcher",
    "vizion": "versions are git's business",
    "pmx": "no code is injected into programs",
    "automation": "no code is injected into programs",
    "disable_trace": "no code is injected into programs",
    "io": "settings of PM2's monitoring service",
    "windowsHide": "there are no windows",
    "kill_retry_time": "circusd is told at once when a process has ended",
    "write": "PM2's own",
    "disable_source_map_support": "node has source maps off unless --enable-source-maps is given",
}

#: What is missing now, and what to do.
MISSING = {
    "namespace": "Circus has no groups: name the watchers in commands",
    "pid_file": "`bisnes-supervisor status` and `circusctl list` tell pids",
    "log_type": "lines are written as the program writes them, in no JSON around",
    "trace": "no code is injected into programs: let them use OpenTelemetry themselves",
    "deep_monitoring": "no code is injected into programs: let them use OpenTelemetry themselves",
    "v8": "no code is injected into programs",
    "event_loop_inspector": "no code is injected into programs",
    "post_update": "run them yourself after an update",
    "watch_delay": "a change reloads at once; several within a moment reload once",
    "watch_options": "they are chokidar's",
}


def add_rules(draft: Draft) -> None:
    """Writes when its processes are ended, restarted, replaced."""
    _add_stop(draft)
    _add_restarts(draft)
    _pass_on(draft, "min_uptime", duration)
    _pass_on(draft, "listen_timeout", duration, why="after it a reload stops and the old processes go on")
    _pass_on(draft, "max_memory_restart", size, why="of the whole process tree; at 90 % of it replaced gracefully")
    _add_start(draft)
    _add_cron(draft)
    _add_watch(draft)
    _add_user(draft)
    _add_folder(draft)


def report_the_rest(draft: Draft) -> None:
    """Reports attributes that are no option of a watcher."""
    for attribute in draft.values:
        if attribute in IGNORED:
            draft.say(attribute, Outcome.IGNORED, IGNORED[attribute])
        elif attribute in MISSING and draft.values[attribute] in (False, "", 0, [], {}, "default"):
            draft.say(attribute, Outcome.IGNORED, "asks for nothing")
        elif attribute in MISSING:
            draft.say(attribute, Outcome.NOT_MAPPED, MISSING[attribute])


def _pass_on(draft: Draft, attribute: str, reader: Callable[[Any], str], why: str = "") -> None:
    value = draft.read(attribute, reader)
    if value is not None:
        draft.set(attribute, attribute, value, why=why)


# -- stop and restart ----------------------------------------------------------------------------------------------


def _add_stop(draft: Draft) -> None:
    """Source: lib/God/Methods.js, killProcess and processIsDead."""
    draft.options["stop_signal"] = STOP_SIGNAL
    patience_ms = draft.read("kill_timeout", milliseconds)
    draft.options["graceful_timeout"] = f"{(patience_ms or KILL_TIMEOUT_MS) / 1000:g}"
    if patience_ms is not None:
        draft.say("kill_timeout", Outcome.MAPPED, f"graceful_timeout = {draft.options['graceful_timeout']} (seconds)")
    whole_tree = draft.read("treekill", flag)
    if whole_tree is False:
        why = "children get no signal, but bisnes-circusd kills what is left of the tree"
        draft.set("treekill", "stop_children", "False", Outcome.APPROXIMATED, why)
        return
    draft.options["stop_children"] = "True"
    if whole_tree:
        draft.say("treekill", Outcome.MAPPED, "stop_children = True, and what is left of the tree is killed")


def _add_restarts(draft: Draft) -> None:
    backoff = "exp_backoff_restart_delay"
    if draft.values.get(backoff) and "restart_delay" in draft.values:
        draft.say("restart_delay", Outcome.IGNORED, f"PM2 takes {backoff} instead (lib/God.js, handleExit)")
    else:
        _pass_on(draft, "restart_delay", duration)
    if backoff in draft.values and not draft.values[backoff]:
        draft.say(backoff, Outcome.MAPPED, "off")
    else:
        _pass_on(draft, backoff, duration, why="grows by half up to 15s; from the start again after min_uptime")
    _add_max_restarts(draft)
    restarts = draft.read("autorestart", flag)
    if restarts is False:
        draft.set("autorestart", "respawn", "False")
    elif restarts:
        draft.say("autorestart", Outcome.MAPPED, "respawn, as by default")
    codes = draft.read("stop_exit_codes", _codes)
    if codes is not None:
        draft.set("stop_exit_codes", "stop_exit_codes", codes)


def _add_max_restarts(draft: Draft) -> None:
    most = draft.read("max_restarts", lambda value: int(number(value)))
    if most == 0:  # PM2 gives up at the first exit: 0 unstable restarts are enough
        draft.set("max_restarts", "respawn", "False", why="not started again after its first exit, as with PM2")
    elif most is not None:
        draft.set("max_restarts", "max_restarts", str(most), why="within a sliding window")


def _codes(value: Any) -> str:
    codes = value if isinstance(value, list) else [value]
    return " ".join(str(int(number(code))) for code in codes)


def _add_start(draft: Draft) -> None:
    starts = draft.read("autostart", flag)
    if starts is False:
        draft.set("autostart", "autostart", "False")
    elif starts:
        draft.say("autostart", Outcome.MAPPED, "started with circusd, as by default")


# -- replace -------------------------------------------------------------------------------------------------------


def _add_cron(draft: Draft) -> None:
    said = draft.values.get("cron_restart")
    if said is None:
        return
    if said in (0, "0"):  # source: lib/Common.js, determineCron
        draft.say("cron_restart", Outcome.MAPPED, "off")
        return
    fields = _NICKNAMES.get(text_of(said).lower(), text_of(said)).split()
    if len(fields) == 6 and fields[0] in ("0", "00"):
        fields = fields[1:]
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) for field in fields):
        draft.say("cron_restart", Outcome.NOT_MAPPED, "cron_restart here takes the five fields of cron")
        return
    draft.set("cron_restart", "cron_restart", " ".join(fields), why="replaced gracefully, one after another")


def _add_watch(draft: Draft) -> None:
    """Source: lib/Watcher.js."""
    said = draft.values.get("watch")
    if said in (None, False, "false"):
        for attribute in ("watch", "ignore_watch"):
            if attribute in draft.values:
                draft.say(attribute, Outcome.MAPPED if said is False else Outcome.IGNORED, "files are not watched")
        return
    paths = [draft.cwd] if said is True or said == [] else [draft.cwd / text_of(path) for path in _listed(said)]
    shown = [draft.place.shown(Path(os.path.abspath(path))) for path in paths]
    if any(re.search(r"[\s*?\[{!]", path) for path in shown):
        draft.say("watch", Outcome.NOT_MAPPED, "wants plain paths without spaces: no patterns")
        return
    draft.set("watch", "watch", " ".join(shown), why="one reload for all instances")
    if "ignore_watch" in draft.values:
        _add_ignored(draft, _listed(draft.values["ignore_watch"]))


def _add_ignored(draft: Draft, said: list[Any]) -> None:
    patterns = [_pattern_of(entry) for entry in said]
    if any(pattern is None or re.search(r"\s", pattern) for pattern in patterns):
        draft.say("ignore_watch", Outcome.NOT_MAPPED, "wants names, patterns or regular expressions without spaces")
        return
    text = " ".join(pattern for pattern in patterns if pattern)
    draft.set("ignore_watch", "ignore_watch", text, Outcome.APPROXIMATED, "regular expressions, looked for in paths")


def _pattern_of(entry: Any) -> str | None:
    """A name, a path or a pattern of chokidar's as a regular expression."""
    if isinstance(entry, dict):
        source = entry.get("$regexp")
        return None if source is None else str(source).replace("\\/", "/")
    text = text_of(entry).removeprefix("./").strip("/")
    if not re.search(r"[*?\[]", text):
        return rf"(^|/){re.escape(text)}(/|$)"
    name = text.removeprefix("**/").removesuffix("/**").removesuffix("/*")
    return rf"(^|/){fnmatch.translate(name).removeprefix('(?s:').removesuffix(')' + chr(92) + 'Z')}(/|$)"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# -- who and where -------------------------------------------------------------------------------------------------


def _add_user(draft: Draft) -> None:
    if "uid" in draft.values:
        why = "" if "HOME" in draft.environment else "put HOME into env where the program needs it: PM2 sets it"
        outcome = Outcome.APPROXIMATED if why else Outcome.MAPPED
        draft.set("uid", "uid", text_of(draft.values["uid"]), outcome, why)
    if "gid" in draft.values:
        draft.set("gid", "gid", text_of(draft.values["gid"]))


def _add_folder(draft: Draft) -> None:
    shown = draft.place.shown(draft.cwd)
    if shown != ".":
        draft.options["working_dir"] = shown
    if "cwd" in draft.values:
        where = "where circusd is started" if shown == "." else f"working_dir = {shown}"
        draft.say("cwd", Outcome.MAPPED, where)

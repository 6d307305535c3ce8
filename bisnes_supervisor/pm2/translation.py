"""The whole file: its applications become watchers, everything else a line of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from bisnes_supervisor.ecosystem import Ecosystem
from bisnes_supervisor.pm2 import ini
from bisnes_supervisor.pm2.attributes import Unusable, canonical, flag, given, text_of
from bisnes_supervisor.pm2.command import add_command, instances_of
from bisnes_supervisor.pm2.draft import RUN_FOLDER, Draft, Place, watcher_name
from bisnes_supervisor.pm2.environment import add_environment
from bisnes_supervisor.pm2.logs import ROTATION, add_logs
from bisnes_supervisor.pm2.report import Line, Outcome
from bisnes_supervisor.pm2.rules import add_rules, report_the_rest

#: What circusd itself needs.
CIRCUS = {
    "endpoint": f"ipc://{RUN_FOLDER}/circus.sock",
    "pubsub_endpoint": f"ipc://{RUN_FOLDER}/circus-events.sock",
    "multicast_endpoint": "",
    "pidfile": f"{RUN_FOLDER}/circusd.pid",
    "umask": "077",
    # bisnes-circusd looks as soon as a process ends; this is for a plain circusd.
    "check_delay": "1",
}

#: What PM2 does unasked. Sources: lib/God.js, handleExit and executeApp; lib/ProcessContainer.js.
_UNASKED = (
    ("umask", "077: files that the programs create are their owner's alone; PM2 leaves the shell's umask"),
    ("rotation", f"logs are rotated at {ROTATION['max_bytes']} bytes, {ROTATION['backup_count']} old ones are kept"),
    ("errored_retry", "what is errored is tried again every 5m; `errored_retry = never` is PM2's way"),
    ("signals", "stop = SIGINT, then SIGKILL after kill_timeout, PM2's 1.6 s where the file says nothing"),
)
_NOT_SET = "PM2 also sets name, pm_id, pm_cwd and more of its own in each process's environment"

#: What may stand beside the applications.
_OTHERS = {
    "deploy": "deployment over ssh is not the supervisor's: keep it in a script",
    "static": "PM2's own file server: serve these folders by nginx, Caddy or `python -m http.server`",
}


@dataclass(frozen=True)
class Translation:
    """What is to be written, and what is to be said.

    Attributes:
        ini: text of circus.ini.
        watchers: their names, in order.
        lines: the report.
        needs_node_part: whether `node_under_circus.cjs` has to be beside the ini file.
    """

    ini: str
    watchers: tuple[str, ...]
    lines: tuple[Line, ...]
    needs_node_part: bool


def translate(
    ecosystem: Ecosystem,
    place: Place,
    *,
    chosen: str | None = None,
    source: str = "an ecosystem file",
) -> Translation:
    """Translates a file.

    Args:
        ecosystem: what it declares.
        place: where things are.
        chosen: the NAME of `--env NAME`.
        source: name of the file, for the first line.
    """
    drafts: list[Draft] = []
    lines: list[Line] = []
    ports: dict[int, str] = {}
    deploy = _mapping(ecosystem.others.get("deploy"))
    for app in ecosystem.apps:
        made, said = _translate_app(app, [draft.name for draft in drafts], place, ports, chosen, deploy)
        drafts += made
        lines += said
    sections = [
        _header(source),
        ini.section("circus", CIRCUS),
        *(part for draft in drafts for part in _sections(draft)),
    ]
    return Translation(
        "".join(sections),
        tuple(draft.name for draft in drafts),
        (*lines, *_lines_of_the_file(ecosystem.others, chosen)),
        any(draft.needs_node_part for draft in drafts),
    )


def _header(source: str) -> str:
    return (
        f"# Made from PM2's {source}. Start it in this folder: bisnes-circusd circus.ini\n"
        "# Relative paths begin here; those of programs in their working_dir.\n\n"
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# -- one application -----------------------------------------------------------------------------------------------


def _translate_app(
    app: dict[str, Any],
    taken: list[str],
    place: Place,
    ports: dict[int, str],
    chosen: str | None,
    deploy: Mapping[str, Any],
) -> tuple[list[Draft], list[Line]]:
    values, spelled, unknown = given(app)
    pm2_name = _pm2_name(values, chosen)
    name = watcher_name(pm2_name, taken)
    first = Draft(name, pm2_name, values, spelled, place, ports)
    for attribute, value in unknown.items():
        twice = canonical(attribute) is not None
        text = "said twice: another name of it was taken" if twice else "PM2 knows no such attribute either"
        first.lines.append(Line(name, attribute, value, Outcome.NOT_MAPPED, text))
    reason = _hopeless(values)
    if reason:
        first.say("script", Outcome.NOT_MAPPED, f"no watcher: {reason}")
        return [], _sorted(first, app)
    _say_name(first, chosen)
    drafts = [replace(first, name=own, instance=number, **_fresh()) for own, number in _instances(first, taken)]
    for draft in drafts:
        try:
            _fill(draft, chosen, deploy)
        except ini.Unwritable as unwritable:
            first.lines.clear()
            first.say("script", Outcome.NOT_MAPPED, f"no watcher: {unwritable}")
            return [], _sorted(first, app)
    first.lines += drafts[0].lines
    return drafts, _sorted(first, app)


def _fresh() -> dict[str, Any]:
    return {"options": {}, "environment": {}, "command_environment": {}, "command_unset": [], "lines": []}


def _pm2_name(values: dict[str, Any], chosen: str | None) -> str:
    """Source: lib/Common.js, renderApplicationName; lib/API.js, _startJson (append_env_to_name)."""
    script = PurePosixPath(text_of(values.get("script", ""))).name
    name = text_of(values["name"]) if "name" in values else script.rpartition(".")[0] or script
    return f"{name}-{chosen}" if chosen and values.get("append_env_to_name") is True else name


def _say_name(draft: Draft, chosen: str | None) -> None:
    if draft.name == draft.pm2_name:
        if "name" in draft.values:
            draft.say("name", Outcome.MAPPED, f"[watcher:{draft.name}]")
    else:
        why = "lower case without dots and spaces, and no two alike"
        draft.say("name", Outcome.APPROXIMATED, f"[watcher:{draft.name}]: {why}")
    if draft.read("append_env_to_name", flag) is not None:
        draft.say("append_env_to_name", Outcome.MAPPED, "in the name" if chosen else "no --env NAME was given")


def _hopeless(values: dict[str, Any]) -> str:
    script = text_of(values.get("script", ""))
    if not script:
        return "PM2 wants a script"
    if script == "serve":  # source: lib/API.js, _startJson
        return "`serve` is PM2's own file server; serve the folder by nginx, Caddy or `python -m http.server`"
    return ""


def _instances(draft: Draft, taken: list[str]) -> Iterator[tuple[str, int | None]]:
    """Names and numbers of its watchers: several where each instance has a variable of its own."""
    try:
        count = instances_of(draft.values.get("instances", 1), draft.place.processors)
    except Unusable:
        count = 1
    if count == 1 or "increment_var" not in draft.values:
        yield draft.name, None
        return
    names = list(taken)
    for number in range(count):
        names.append(watcher_name(f"{draft.name}-{number}", names))
        yield names[-1], number


def _fill(draft: Draft, chosen: str | None, deploy: Mapping[str, Any]) -> None:
    add_environment(draft, chosen, deploy)
    add_command(draft)
    add_rules(draft)
    add_logs(draft)
    report_the_rest(draft)
    said = {line.option for line in draft.lines} | {"name", "append_env_to_name"}
    for attribute in draft.values:
        if draft.spelled[attribute] not in said and attribute not in said:
            draft.say(attribute, Outcome.NOT_MAPPED, "has no counterpart")
    _sections(draft)


def _sorted(draft: Draft, app: Mapping[str, Any]) -> list[Line]:
    """In the order of the file; what it does not say comes last."""
    order = {name: place for place, name in enumerate(app)}
    return sorted(draft.lines, key=lambda line: order.get(line.option.partition(".")[0], len(order)))


def _sections(draft: Draft) -> list[str]:
    sections = [ini.section(f"watcher:{draft.name}", draft.options)]
    if draft.environment:
        sections.append(ini.section(f"env:{draft.name}", draft.environment))
    if draft.socket is not None and draft.ports[draft.socket[1]] == draft.name:
        host, port = draft.socket
        sections.insert(0, ini.section(f"socket:{draft.name}", {"host": host, "port": str(port)}))
    return sections


# -- the rest of the file ------------------------------------------------------------------------------------------


def _lines_of_the_file(others: Mapping[str, Any], chosen: str | None) -> Iterator[Line]:
    for name, value in others.items():
        text = _OTHERS.get(name, "PM2 knows no such section either")
        if name == "deploy" and _mapping(_mapping(value).get(chosen or "")).get("env"):
            text += f" (deploy.{chosen}.env is in the environment of each)"
        yield Line("", name, None, Outcome.NOT_MAPPED, text)
    for option, text in _UNASKED:
        yield Line("", option, None, Outcome.ADDED, text)
    yield Line("", "environment", None, Outcome.IGNORED, _NOT_SET)

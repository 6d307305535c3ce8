"""`describe`: one process, the rules that hold for it in words, and what happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bisnes_supervisor.cli.figures import exact, size, sparkline
from bisnes_supervisor.cli.project import Project, pass_project

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

#: Colours of an event's severity.
_SEVERITIES = {"warning": "yellow", "error": "red", "critical": "bold red"}


@click.command()
@click.argument("name")
@click.option(
    "--events", default=20, show_default=True, type=click.IntRange(min=0), help="How many of the last events."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_project
def describe(project: Project, name: str, events: int, as_json: bool) -> None:
    """Show all about one process.

    Its policy, its instances, and what happened to it last: reasons, exit codes, last log lines, memory curves.

    Example: describe web --events 5
    """
    about = ask(project, name, events)
    if as_json:
        click.echo(json.dumps(about))
    else:
        from bisnes_supervisor.cli.table import draw

        click.echo(draw(*_picture(about)))


def ask(project: Project, name: str, events: int) -> dict[str, Any]:
    """What circusd tells of one process."""
    [name] = project.supervisor.known([name])
    answer = project.supervisor.call("describe", name=name, events=events)
    return {key: value for key, value in answer.items() if key not in ("id", "status", "time")}


def _picture(about: dict[str, Any]) -> list[RenderableType]:
    from rich.text import Text

    from bisnes_supervisor.cli.table import COLOURS, instances

    heading = Text.assemble(
        (about["process"], "bold"),
        "  ",
        (about["state"], COLOURS.get(about["state"], "")),
        f", {about['numprocesses']} wanted\n  {about['cmd']}\n  in {about['working_dir']}\n",
    )
    parts: list[RenderableType] = [heading, instances(about["instances"]), Text("\npolicy", "bold")]
    parts += [Text(f"  {sentence}") for sentence in in_words(about)]
    parts += [Text("\nlast events, the newest below" if about["events"] else "\nno events", "bold")]
    return [*parts, *event_lines(about["events"])]


def in_words(about: dict[str, Any]) -> Iterator[str]:
    """A process's policy, a sentence for each rule that holds."""
    policy = about["policy"]
    delay = f"{exact(policy['restart_delay_s'])} after its end" if policy["restart_delay_s"] else "at once"
    yield f"started again {delay}"
    if policy["backoff_first_s"]:
        first, most = exact(policy["backoff_first_s"]), exact(policy["backoff_max_s"])
        yield f"after an unstable life {first} later, then half as much longer each time, {most} at most"
    again = policy["errored_retry_s"]
    yield (
        f"errored after {policy['max_restarts']} lives shorter than {exact(policy['min_uptime_s'])} within "
        f"{exact(policy['restart_window_s'])}; then {'given up' if again is None else f'tried every {exact(again)}'}"
    )
    if policy["stop_exit_codes"]:
        yield f"done, and not started again, after exit code {' or '.join(map(str, policy['stop_exit_codes']))}"
    yield from _about_answers(policy)
    yield from _about_memory(policy)
    yield from _about_occasions(policy)
    yield f"asked to end, it gets {exact(about['graceful_timeout_s'])}; then its tree is killed"
    if about["singleton"]:
        yield "never twice at the same time"


def _about_answers(policy: dict[str, Any]) -> Iterator[str]:
    if policy["wait_ready"]:
        yield f"ready when {policy['wait_ready']} answers, expected within {exact(policy['listen_timeout_s'])}"
    if policy["live"]:
        yield f"hung when {policy['live']} is silent for {exact(policy['hang_timeout_s'])}; then it is replaced"


def _about_memory(policy: dict[str, Any]) -> Iterator[str]:
    if policy["memory_soft_bytes"]:
        yield f"replaced gracefully when its tree takes {size(policy['memory_soft_bytes'])}"
    if policy["memory_hard_bytes"]:
        yield f"killed with its tree above {size(policy['memory_hard_bytes'])}, and started again"


def _about_occasions(policy: dict[str, Any]) -> Iterator[str]:
    if policy["cron_restart"]:
        yield f"replaced one after another at {policy['cron_restart']}"
    if policy["watch"]:
        but = f" but for {', '.join(policy['ignore_watch'])}" if policy["ignore_watch"] else ""
        yield f"reloaded when something changes in {', '.join(policy['watch'])}{but}"
    if policy["start_while"]:
        yield f"runs while there is a file {policy['start_while']}"
    if policy["niceness"]:
        yield f"leaves the processors to others (nice {policy['niceness']})"


def event_lines(events: Iterable[dict[str, Any]], *, briefly: bool = False) -> Iterator[Text]:
    """Events as text, the oldest first.

    Args:
        events: see `bisnes_supervisor.journal`.
        briefly: a line for each, without what a dying process left.
    """
    from rich.text import Text

    events = list(events)
    width = max((len(event["event"]) for event in events), default=0)
    for event in events:
        data = event["data"]
        at = datetime.fromisoformat(event["at"]).astimezone()
        who = "" if event["pid"] is None else f"  instance {event['instance']}, pid {event['pid']}"
        colour = _SEVERITIES.get(event["severity"], "")
        yield Text.assemble(
            f"  {at:%Y-%m-%d %H:%M:%S}  ",
            (f"{event['event']:<{width}}", colour),
            who,
            "".join(f"; {word}" for word in _told(data)),
        )
        if not briefly:
            yield from (Text(f"      | {line}") for line in data.get("last_lines", ()))
            yield from _curve(data.get("memory") or ())


def _told(data: dict[str, Any]) -> Iterator[str]:
    """What an event says, but for lines and curve."""
    if "cause" in data and not str(data["reason"]).startswith(data["cause"]):
        yield data["cause"]
    if "reason" in data:
        yield str(data["reason"])
    if "uptime_s" in data:
        yield f"up for {exact(round(data['uptime_s'], 2))}"
    if "took_s" in data:
        yield f"took {exact(round(data['took_s'], 2))}"


def _curve(points: Iterable[tuple[float, int]]) -> Iterator[Text]:
    from rich.text import Text

    used = [used_bytes for _, used_bytes in points]
    if used:
        yield Text(
            f"      memory {sparkline(used)}  {size(used[0])} first, {size(max(used))} at most, {size(used[-1])} last"
        )

"""Where an application's output goes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bisnes_supervisor.pm2.attributes import flag
from bisnes_supervisor.pm2.draft import Draft
from bisnes_supervisor.pm2.report import Outcome

#: PM2 rotates nothing by itself. These are our own logs' figures: 60 MB a stream at most.
ROTATION = {"max_bytes": "10485760", "backup_count": "5"}

#: Source: lib/Utility.js, checkPathIsNull.
NOWHERE = ("NULL", "/dev/null")

#: Attribute of PM2, stream of Circus, and how the file is called where the attribute is missing.
_STREAMS = (("out_file", "stdout", "out"), ("error_file", "stderr", "error"))


def add_logs(draft: Draft) -> None:
    """Writes the streams of a watcher."""
    silent = draft.read("disable_logs", flag)
    if silent is not None:
        draft.say("disable_logs", Outcome.MAPPED, "no log files" if silent else "log files are written")
    combined = _combined(draft)
    for attribute, stream, suffix in _STREAMS:
        said = str(draft.values.get(attribute, ""))
        file = None if silent or (said in NOWHERE and not combined) else combined or _file(draft, said, suffix)
        _add_stream(draft, stream, file)
        if said:
            draft.say(attribute, Outcome.MAPPED, _where(file, stream))
    _add_stamps(draft)
    _add_separation(draft)


def _where(file: str | None, stream: str) -> str:
    return f"close_child_{stream} = True" if file is None else f"{stream}_stream.filename = {file}"


def _add_stream(draft: Draft, stream: str, file: str | None) -> None:
    if file is None:
        draft.options[f"close_child_{stream}"] = "True"
        return
    options = {"class": "bisnes_supervisor.streams.LineFile", "filename": file, **ROTATION}
    draft.options |= {f"{stream}_stream.{name}": value for name, value in options.items()}


def _file(draft: Draft, said: str, suffix: str) -> str:
    """Source: lib/Common.js, prepareAppConf; PM2's default folder is ~/.pm2/logs."""
    if not said:
        file = f"logs/{draft.name}-{suffix}.log"
        theirs = re.sub(r"[^a-zA-Z0-9\\.-]", "-", draft.pm2_name)
        draft.tell("logs", Outcome.ADDED, f"{file}, where PM2 wrote ~/.pm2/logs/{theirs}-{suffix}.log")
        return file
    return draft.place.shown(Path(os.path.abspath(draft.cwd / Path(said).expanduser())))


def _combined(draft: Draft) -> str | None:
    """The one file for both streams, where there are no others."""
    said = draft.values.get("log_file")
    if not said or said in NOWHERE:
        if "log_file" in draft.values:
            draft.say("log_file", Outcome.IGNORED, "no third log file, as with PM2")
        return None
    if all(draft.values.get(attribute) in NOWHERE for attribute, _, _ in _STREAMS):
        file = _file(draft, "" if said is True else str(said), "all")
        draft.say("log_file", Outcome.MAPPED, f"both streams go to {file}")
        return file
    draft.say("log_file", Outcome.NOT_MAPPED, "no third file with both streams: the two files hold everything")
    return None


def _add_stamps(draft: Draft) -> None:
    time = draft.read("time", flag)
    if time is False:
        draft.say("time", Outcome.MAPPED, "lines get no time of their own")
    given = [name for name in ("time", "log_date_format") if draft.values.get(name)]
    for attribute in given:
        draft.say(attribute, Outcome.APPROXIMATED, "stamp = all: ISO 8601 in UTC with milliseconds, in no other format")
    for _, stream, _ in _STREAMS:
        if given and f"{stream}_stream.class" in draft.options:
            draft.options[f"{stream}_stream.stamp"] = "all"


def _add_separation(draft: Draft) -> None:
    merged = draft.read("merge_logs", flag)
    several = draft.options["numprocesses"] != "1"
    if merged:
        draft.say("merge_logs", Outcome.MAPPED, "one pair of files for all instances")
    elif several:
        draft.say("merge_logs", Outcome.APPROXIMATED, "one pair of files for all instances; PM2 wrote a pair for each")
    elif merged is not None:
        draft.say("merge_logs", Outcome.MAPPED, "there is one instance")

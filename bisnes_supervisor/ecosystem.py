"""Reads a PM2 ecosystem file (`.js`, `.cjs`, `.mjs`, `.json`, `.yaml`, `.yml`) into plain dictionaries.

JavaScript is a program: `node` runs it in a process group of its own, in the file's folder, with a deadline. JSON and
YAML need no node, unless the JSON is what only PM2 takes for JSON (comments, trailing commas).

Values that JSON does not know arrive as `{"$regexp": source}` and `{"$javascript": description}`; None is a value that
PM2 takes for not given.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

#: A configuration that takes longer than this waits for something; node itself starts in a tenth of a second.
EVALUATE_S = 10.0

JAVASCRIPT_ENDINGS = (".js", ".cjs", ".mjs")
YAML_ENDINGS = (".yaml", ".yml")
ENDINGS = (*JAVASCRIPT_ENDINGS, ".json", *YAML_ENDINGS)

#: Where the applications are. Source: pm2 7.0.4 (2026-08-24), lib/API.js, _startJson.
APPLICATION_KEYS = ("apps", "pm2")

_LOADER = Path(__file__).with_name("data") / "read_ecosystem.cjs"


class UnreadableEcosystem(Exception):
    """The file gives no applications; the text says in one sentence why, and what to do."""


@dataclass(frozen=True)
class Ecosystem:
    """What a file declares.

    Attributes:
        apps: its applications, in order, as written.
        others: what stands beside them: `deploy`, `static` and so on.
    """

    apps: list[dict[str, Any]]
    others: dict[str, Any] = field(default_factory=dict)


def read_ecosystem(file: Path, *, node: str | None = None, deadline_s: float = EVALUATE_S) -> Ecosystem:
    """Reads a file.

    Args:
        file: its ending says what it is.
        node: the program that evaluates JavaScript; None: `node` of PATH, looked for only when it is needed.
        deadline_s: for that evaluation.

    Raises:
        UnreadableEcosystem: when it is missing, malformed, fails, takes too long or declares no applications.
    """
    file = file.absolute()
    if file.suffix not in ENDINGS:
        raise UnreadableEcosystem(f"{file.name}: an ecosystem file ends in {', '.join(ENDINGS)}.")
    if not file.is_file():
        raise UnreadableEcosystem(f"{file.name}: there is no such file in {file.parent}.")
    if file.suffix in JAVASCRIPT_ENDINGS:
        return _applications_in(file, _evaluate(file, node, deadline_s, "is JavaScript"))
    if file.suffix in YAML_ENDINGS:
        return _applications_in(file, _read_yaml(file))
    try:
        exported = json.loads(file.read_text("utf-8"))
    except ValueError:
        exported = _evaluate(file, node, deadline_s, "is not plain JSON (PM2 reads it as JavaScript)")
    return _applications_in(file, exported)


def _applications_in(file: Path, exported: Any) -> Ecosystem:
    others: dict[str, Any] = {}
    found = exported
    if isinstance(exported, dict):
        key = next((key for key in APPLICATION_KEYS if key in exported), None)
        if key is not None:
            found = exported[key]
            others = {name: value for name, value in exported.items() if name != key}
    apps = found if isinstance(found, list) else [found]
    if not apps or not all(isinstance(app, dict) and app for app in apps):
        raise UnreadableEcosystem(f"{file.name}: it declares no applications; PM2 wants {{apps: [{{script: …}}]}}.")
    return Ecosystem(apps, others)


# -- JavaScript ----------------------------------------------------------------------------------------------------


def _evaluate(file: Path, node: str | None, deadline_s: float, why: str) -> Any:
    program = shutil.which(node or "node")
    if program is None:
        raise UnreadableEcosystem(
            f"{file.name} {why}, and there is no `{node or 'node'}` to evaluate it: install Node.js, or write it as "
            "plain .json or .yaml."
        )
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        command = [program, str(_LOADER), str(file), str(answer.fileno())]
        child = subprocess.Popen(
            command,
            cwd=file.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[answer.fileno()],
            start_new_session=True,
        )
        try:
            child.wait(deadline_s)
        except subprocess.TimeoutExpired as late:
            raise UnreadableEcosystem(
                f"{file.name}: not evaluated within {deadline_s:g} s; what does it wait for?"
            ) from late
        finally:
            _end_group(child)
        return _exported(file, child.returncode, _content(answer), _content(errors))


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Ends the evaluation and whatever the file started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _exported(file: Path, exit_code: int, answer: str, errors: str) -> Any:
    try:
        found = json.loads(answer)
    except ValueError as incomplete:
        said = [line.strip() for line in errors.splitlines() if "Error" in line]
        reason = said[0] if said else f"node ended with exit code {exit_code} before it exported anything"
        raise UnreadableEcosystem(f"{file.name}: {reason}.") from incomplete
    if "problem" in found:
        raise UnreadableEcosystem(f"{file.name}: {found['problem'].rstrip('.')}.")
    return found["exported"]


# -- YAML ----------------------------------------------------------------------------------------------------------


def _read_yaml(file: Path) -> Any:
    try:
        from bisnes_supervisor.core_yaml import MalformedYaml, load_yaml
    except ImportError as missing:
        raise UnreadableEcosystem(f"{file.name}: YAML needs the package pyyaml: pip install pyyaml.") from missing
    try:
        return load_yaml(file.read_text("utf-8"))
    except MalformedYaml as malformed:
        raise UnreadableEcosystem(f"{file.name}: {malformed}.") from malformed

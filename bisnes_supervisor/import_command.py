"""The `import` commands: configurations of other process managers become a circus.ini."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Literal

import click

from bisnes_supervisor.ecosystem import UnreadableEcosystem, read_ecosystem
from bisnes_supervisor.pm2 import Line, Outcome, Place, Translation, translate
from bisnes_supervisor.pm2.command import NODE_PART

import_group = click.Group("import", help="Take over from another process manager.")

#: A value is shown up to here: a command line or a block of variables would push the outcome out of sight.
VALUE_CHARACTERS = 28


@import_group.command("pm2")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path("circus.ini"), show_default=True)
@click.option("--env", "chosen", metavar="NAME", help="Take env_NAME over env, as `pm2 start --env NAME` does.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_pm2(file: Path, output: Path, chosen: str | None, force: bool, as_json: bool) -> None:
    """Write a circus.ini with the applications of a PM2 ecosystem FILE (.js, .cjs, .mjs, .json, .yaml, .yml).

    JavaScript is evaluated by `node`. The report tells for each line of the file what became of it: mapped (the same
    happens), approximated (nearly the same), not mapped (missing now), ignored (nothing is missing); added is what the
    file does not say.
    """
    try:
        ecosystem = read_ecosystem(file)
        place = Place(
            folder=file.absolute().parent,
            ini_folder=Path(os.path.abspath(output)).parent,
            processors=os.cpu_count() or 1,
            kind=kind_of,
        )
        translation = translate(ecosystem, place, chosen=chosen, source=file.name)
        if not translation.watchers:
            raise UnreadableEcosystem(f"{file.name}: none of its applications can run here: {_reasons(translation)}")
        _write(output, translation, force=force)
    except (UnreadableEcosystem, OSError) as problem:
        raise click.ClickException(_sentence(problem)) from problem
    click.echo(_as_json(output, translation) if as_json else _as_text(output, translation))


def kind_of(file: Path) -> Literal["program", "text", "missing"]:
    """Whether a file can be executed by itself."""
    if not file.exists():
        return "missing"
    if not file.is_file() or not os.access(file, os.X_OK):
        return "text"
    with file.open("rb") as opened:
        return "program" if opened.read(4).startswith((b"#!", b"\x7fELF")) else "text"


def _sentence(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.filename is not None:
        return f"{problem.filename}: {problem.strerror}."
    return str(problem)


def _reasons(translation: Translation) -> str:
    return "; ".join(line.text.removeprefix("no watcher: ") for line in translation.lines if line.option == "script")


def _write(output: Path, translation: Translation, *, force: bool) -> None:
    """Writes the ini file, readable by its owner only (it holds the environment), and what has to be beside it."""
    if output.exists() and not force:
        raise UnreadableEcosystem(f"{output} is there already: --force overwrites it, --output names another.")
    if translation.needs_node_part:
        shutil.copyfile(Path(__file__).with_name("data") / NODE_PART, output.parent / NODE_PART)
    new = output.with_name(f".{output.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(translation.ini)
    new.replace(output)


# -- the report ----------------------------------------------------------------------------------------------------


def _counts(lines: Iterable[Line]) -> dict[str, int]:
    counts = Counter(line.outcome for line in lines)
    return {outcome.value: counts[outcome] for outcome in Outcome}


def _as_json(output: Path, translation: Translation) -> str:
    report = {
        "output": str(output),
        "watchers": translation.watchers,
        "lines": [asdict(line) for line in translation.lines],
        "summary": _counts(translation.lines),
    }
    return json.dumps(report, ensure_ascii=False, indent=2)


def _as_text(output: Path, translation: Translation) -> str:
    rows = [(line, _cells(line)) for line in translation.lines]
    widths = [max(len(cells[column]) for _, cells in rows) for column in range(3)]
    written: list[str] = []
    for app, of_app in groupby(rows, key=lambda row: row[0].app):
        written.append(app or "the file as a whole")
        for line, cells in of_app:
            padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            written.append(f"  {padded}  {line.text}")
    counts = _counts(translation.lines)
    shown = ", ".join(f"{counts[outcome.value]} {outcome.value}" for outcome in list(Outcome)[:3])
    beside = f" and {output.with_name(NODE_PART)}" if translation.needs_node_part else ""
    count = len(translation.watchers)
    written.append(f"{output}{beside} written, {count} watcher{'s' * (count > 1)}: {shown}.")
    return "\n".join(written)


def _cells(line: Line) -> tuple[str, str, str]:
    value = "" if line.value is None else json.dumps(line.value, ensure_ascii=False)
    if len(value) > VALUE_CHARACTERS:
        value = f"{value[: VALUE_CHARACTERS - 1]}…"
    return line.outcome.value, line.option, value

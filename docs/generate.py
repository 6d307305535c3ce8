"""Writes the pages of docs/ that are generated from the code, or with --check says which are out of date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bisnes_core.settings import PROCESS_VARIABLES, Settings, declared_variables

DOCS = Path(__file__).parent

SETTINGS_HEAD = """\
# Settings

Generated from `bisnes_core/settings.py` by `make docs WRITE=1`; change it there.

Values come from the environment, then from `.env` in the folder that the gateway is started in. Where several names
are listed, any of them sets the value. An unknown `BISNES_*` variable stops the start with a suggestion.
Durations (`_S`) are in seconds, sizes (`_BYTES`) in bytes.

| variable | default | meaning |
|---|---|---|
"""


def shown_default(value: object) -> str:
    """A default as one would write it into `.env`."""
    if value is None:
        return "unset"
    if callable(value):
        return "the working directory"
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def render_settings() -> str:
    """The table of every setting that an operator may give."""
    variables: dict[str, list[str]] = {}
    for variable, field in declared_variables().items():
        variables.setdefault(field, []).append(variable)
    rows = []
    for field, info in Settings.model_fields.items():
        names = variables[field]
        if names[0] in PROCESS_VARIABLES:  # set by circus.ini, not by an operator
            continue
        default = info.default_factory if info.default_factory is not None else info.default
        shown = ", ".join(f"`{name}`" for name in names)
        rows.append(f"| {shown} | {shown_default(default)} | {info.description} |\n")
    return SETTINGS_HEAD + "".join(rows)


#: Every generated page with what writes it.
PAGES: dict[str, Callable[[], str]] = {"settings.md": render_settings}


def main() -> int:
    """Writes the pages; with --check changes nothing and exits 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    check = parser.parse_args().check
    stale = 0
    for name, render in PAGES.items():
        page, text = DOCS / name, render()
        if page.exists() and page.read_text() == text:
            continue
        stale += 1
        if not check:
            page.write_text(text)
        sys.stdout.write(f"docs/{name} {'is out of date: make docs WRITE=1' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

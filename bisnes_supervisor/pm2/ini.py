"""Text of a circus.ini that Circus reads back exactly as it was meant.

What Circus does to values (source: circus 0.19.0, util.py StrictConfigParser, replace_gnu_args, parse_env_dict;
process.py format_args): ` ;` begins a comment, except on a continuation line; lines lose white space at both ends and
empty ones are left out; `$(circus.x)` and `((circus.x))` are filled in; in values of `[env:x]` also `$CAPS`, with
nothing where that is unset. `%` means nothing. The command is split as a POSIX shell would, but `$` means nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PLAIN_WORD = re.compile(r"[\w@%+=:,./~-]+", re.ASCII)
#: Put between two characters inside single quotes, it ends them and begins them again: no meaning to the shell.
_BREAK = "''"
#: `$WID` is an old reference, about which Circus warns.
_REFERENCE = re.compile(r"([$(])(?=\(circus\.|WID)", re.IGNORECASE)
_COMMENT = re.compile(r"\s;")
_CAPITALS = re.compile(r"\$[A-Z]")
#: `rem` begins a comment as well.
_OPTION_NAME = re.compile(r"(?!rem$|__name__$)[^\s=:#;\[][^\s=:]*", re.IGNORECASE)


class Unwritable(ValueError):
    """An ini file cannot hold this value."""


class Raw(str):
    """A word of a command in which references of Circus are meant."""


def quoted(word: str) -> str:
    """A word of a command; references of Circus in it are broken up, unless it is `Raw`."""
    if isinstance(word, Raw) or _PLAIN_WORD.fullmatch(word):
        return str(word)
    return "'" + _REFERENCE.sub(rf"\1{_BREAK}", word.replace("'", "'\"'\"'")) + "'"


def fits_environment(name: str, value: str) -> bool:
    """Whether `[env:x]` can hold a variable unchanged."""
    whole = value == value.strip() and _is_writable(value)
    return bool(_OPTION_NAME.fullmatch(name)) and whole and not _CAPITALS.search(value)


def fits_command(words: Iterable[str]) -> bool:
    """Whether a command can hold these words unchanged."""
    return _is_writable(" ".join(map(quoted, words)))


def section(name: str, options: Mapping[str, str]) -> str:
    """One section, followed by an empty line.

    Raises:
        Unwritable: when an option could not be read back.
    """
    lines = [
        _option(option, value, folds=option == "cmd" or name.startswith("env:")) for option, value in options.items()
    ]
    return f"[{name}]\n{''.join(lines)}\n"


def _option(name: str, value: str, *, folds: bool) -> str:
    """One option; where it `folds`, white space at its begin does not matter, so it may begin on the next line."""
    if not _is_writable(value):
        raise Unwritable(f"an ini file cannot hold empty lines, or white space around lines, in {name}")
    if _COMMENT.search(value) or value.startswith(";") or value.partition("\n")[0] == '""':
        if not folds:
            raise Unwritable(f"an ini file cannot hold {value!r} in {name}")
        value = f"\n{value}"
    first, *more = value.split("\n")
    return "\n    ".join([f"{name} = {first}".rstrip(), *more]) + "\n"


def _is_writable(value: str) -> bool:
    lines = value.split("\n")
    return (
        "\0" not in value
        and "\r" not in value
        and (value == "" or all(line and line == line.strip() for line in lines))
    )

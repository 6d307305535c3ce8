"""YAML as YAML 1.2 means it.

PM2 reads YAML with js-yaml, which follows YAML 1.2 (source: pm2 7.0.4, package.json: js-yaml 4.3.1). PyYAML follows
1.1, where `no` is false, `10:30` is 630 and `0755` is 493: here they are two words and 755.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_PREFIX = "tag:yaml.org,2002:"


class MalformedYaml(ValueError):
    """Not YAML; the text says what is wrong and in which line."""


class CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the plain words of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML looks for it here: none of 1.1's

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """A leading 0 means nothing."""
        text = node.value
        return int(text, 16 if text.startswith("0x") else 8 if text.startswith("0o") else 10)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", "-+.0123456789"),
    ("merge", r"<<", "<"),
):
    CoreLoader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"^(?:{_pattern})$"), list(_first))

CoreLoader.add_constructor(_PREFIX + "int", CoreLoader.construct_integer)


def load_yaml(text: str) -> Any:
    """The one document in a text.

    Raises:
        MalformedYaml: when it is none.
    """
    try:
        return yaml.load(text, Loader=CoreLoader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as malformed:
        line = "" if malformed.problem_mark is None else f" (line {malformed.problem_mark.line + 1})"
        raise MalformedYaml(f"{malformed.problem}{line}") from malformed
    except yaml.YAMLError as malformed:
        raise MalformedYaml(" ".join(str(malformed).split())) from malformed

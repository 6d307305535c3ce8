"""A parsed Graph path."""

from __future__ import annotations

import re
from typing import NamedTuple

from simulators.graph.http_response import DEFAULT_VERSION

_VERSION = re.compile(r"v\d{1,3}(\.\d{1,2})?")


class Route(NamedTuple):
    """Version (the default where the path has none), node and edge."""

    version: str
    node: str
    edge: str


def parse_path(path: str) -> Route:
    """Parse a path; a trailing slash changes nothing."""
    segments = [segment for segment in path.split("/") if segment]
    version = DEFAULT_VERSION
    if segments and _VERSION.fullmatch(segments[0]):
        version = segments.pop(0)
    return Route(version, segments[0] if segments else "", "/".join(segments[1:]))

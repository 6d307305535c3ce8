"""Parsing ``multipart/form-data`` that is already in memory (uploads are at most 100 MB)."""

from __future__ import annotations

import re
from typing import NamedTuple

_PARAMETER = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')


class Part(NamedTuple):
    """One field: its content type is empty where the client gave none."""

    content: bytes
    content_type: str
    filename: str | None


def parse_parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header such as Content-Type or Content-Disposition."""
    return {key.lower(): quoted.replace('\\"', '"') or bare for key, quoted, bare in _PARAMETER.findall(header)}


def parse_multipart(content_type: str, body: bytes) -> dict[str, Part]:
    """Return the parts by name.

    Raises:
        ValueError: when there is no boundary or the body does not contain it.
    """
    boundary = parse_parameters(content_type).get("boundary", "").encode("latin-1")
    if not boundary:
        raise ValueError("no boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(pieces) < 2:
        raise ValueError("boundary not found")
    parts: dict[str, Part] = {}
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("part without an end of headers")
        headers = dict(_header(line) for line in head.split(b"\r\n") if b":" in line)
        disposition = parse_parameters(headers.get("content-disposition", ""))
        if "name" in disposition:
            parts[disposition["name"]] = Part(content, headers.get("content-type", ""), disposition.get("filename"))
    return parts


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.partition(b":")
    return name.decode("latin-1").strip().lower(), value.decode("utf-8", "replace").strip()

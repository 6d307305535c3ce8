"""What a fetched file is called and what it is. Pure."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from typing import Final
from urllib.parse import unquote

from yarl import URL

#: Longest file name in bytes: file systems take 255, and browsers add to it.
NAME_MAX_BYTES: Final = 200
#: Longest ending that counts as one, with its dot.
ENDING_MAX_CHARACTERS: Final = 12
#: What a file is whose source does not know.
UNKNOWN: Final = "application/octet-stream"

#: What servers say when they do not know.
_KNOWS_NOTHING: Final = frozenset(
    {"", UNKNOWN, "binary/octet-stream", "application/binary", "application/force-download"}
)
#: Python's own table and no file of the machine's, so that every host tells the same.
_TYPES: Final = mimetypes.MimeTypes()
for _mime_type, _suffix in (
    ("image/webp", ".webp"),
    ("image/heic", ".heic"),
    ("audio/ogg", ".ogg"),
    ("audio/ogg", ".opus"),
    ("audio/ogg", ".oga"),
    ("audio/mp4", ".m4a"),
    ("audio/amr", ".amr"),
    ("audio/aac", ".aac"),
    ("video/3gpp", ".3gp"),
):
    _TYPES.add_type(_mime_type, _suffix)

_MIME: Final = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,63}/[a-z0-9][a-z0-9.+_-]{0,63}")


def mime_type_of(content_type: str | None, name: str) -> str:
    """What the source says, else what the name says."""
    said = (content_type or "").partition(";")[0].strip().lower()
    if said not in _KNOWS_NOTHING and _MIME.fullmatch(said):
        return said
    return _TYPES.guess_type(name, strict=False)[0] or UNKNOWN


def name_of(wanted: str | None, disposed: str | None, url: URL, content_type: str | None) -> str:
    """A safe file name: as wanted, else as the source calls it, else as its address ends; with an ending if one fits.

    Args:
        wanted: the message's own name for it.
        disposed: file name of `Content-Disposition`.
        url: where it came from in the end.
        content_type: what the source says that it is.
    """
    # An address may hold an escaped slash, which is part of no name.
    names = (wanted, disposed, unquote(url.raw_path.rpartition("/")[2]))
    name = next(filter(None, map(safe_name, filter(None, names))), "file")
    if not _ending(name):
        name += _TYPES.guess_extension(mime_type_of(content_type, name)) or "" if _is_told(content_type) else ""
    return name


def safe_name(text: str) -> str:
    """The name without folders and invisible characters, not hidden, not too long; `""` when nothing is left."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    kept = "".join(one for one in last if unicodedata.category(one)[0] not in "CZ" or one == " ").strip(" .")
    kept = re.sub(r'[<>:"|?*]', "_", kept)
    if len(kept.encode()) <= NAME_MAX_BYTES:
        return kept
    ending = _ending(kept)
    stem = kept.removesuffix(ending).encode()[: NAME_MAX_BYTES - len(ending.encode())]
    return stem.decode(errors="ignore").rstrip(" .") + ending


def _ending(name: str) -> str:
    """`.pdf` of `a.pdf`; `""` where what follows the last dot is no ending."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending}" if stem and dot and ending.isalnum() and len(ending) < ENDING_MAX_CHARACTERS else ""


def _is_told(content_type: str | None) -> bool:
    return (content_type or "").partition(";")[0].strip().lower() not in _KNOWS_NOTHING

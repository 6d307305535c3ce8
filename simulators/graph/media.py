"""Uploaded and inbound media: ids, bytes, and the signed URLs under which they are fetched."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from urllib.parse import urlencode

from simulators.graph.errors import GraphError, parameter_required
from simulators.graph.ids import new_node_id
from simulators.graph.multipart import Part

#: Where a media URL points. Source: captured look-ups, read 2026-09.
ATTACHMENTS_PATH = "/whatsapp_business/attachments/"
LOOKASIDE = "https://lookaside.fbsbx.com"

_MB = 1024 * 1024
#: What the upload takes, with the largest size in bytes.
#: Source: developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media, read 2026-09.
UPLOAD_MAX_BYTES: dict[str, int] = {
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg", "audio/opus"), 16 * _MB),
    **dict.fromkeys(
        (
            "application/vnd.ms-powerpoint",
            "application/msword",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/pdf",
            "text/plain",
            "application/vnd.ms-excel",
        ),
        100 * _MB,
    ),
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * _MB),
    "image/webp": 500 * 1024,
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 * _MB),
}

#: Which uploads each kind of message can show; others are accepted and fail later with 131053.
KIND_PREFIXES = {
    "image": ("image/jpeg", "image/png"),
    "video": ("video/",),
    "audio": ("audio/",),
    "sticker": ("image/webp",),
}


@dataclass(slots=True)
class Medium:
    """A stored file. ``phone_id`` is the number that it was uploaded on; None for inbound media."""

    id: str
    mime_type: str
    content: bytes
    phone_id: str | None
    secret: str
    filename: str | None = None

    @property
    def sha256_hex(self) -> str:
        """The hash as look-ups show it."""
        return sha256(self.content).hexdigest()

    @property
    def sha256_base64(self) -> str:
        """The hash as webhooks show it."""
        return b64encode(sha256(self.content).digest()).decode()


class MediaStore:
    """All media, in memory."""

    def __init__(self) -> None:
        self._media: dict[str, Medium] = {}
        self._deleted: set[str] = set()

    def add(self, mime_type: str, content: bytes, phone_id: str | None, filename: str | None = None) -> Medium:
        """Store a file under a new id."""
        medium = Medium(new_node_id(), mime_type, content, phone_id, token_urlsafe(18), filename)
        self._media[medium.id] = medium
        return medium

    def holds(self, media_id: str) -> bool:
        """Tell whether the id exists."""
        return media_id in self._media

    def issued(self, node: str) -> bool:
        """Tell whether the id is or was a medium."""
        return node in self._media or node in self._deleted

    def get(self, media_id: str) -> Medium | None:
        """Return a medium."""
        return self._media.get(media_id)

    def delete(self, media_id: str) -> bool:
        """Delete a medium; False when there is none."""
        if self._media.pop(media_id, None) is None:
            return False
        self._deleted.add(media_id)
        return True

    def find_for_url(self, args: dict[str, str]) -> Medium | None:
        """Return what a media URL names, None when it expired or its hash is wrong."""
        medium = self._media.get(args.get("mid", ""))
        expires = args.get("ext", "")
        if medium is None or not expires.isdecimal() or int(expires) < time():
            return None
        return medium if args.get("hash") == medium.secret else None

    def clear(self) -> None:
        """Forget all media."""
        self._deleted.update(self._media)
        self._media.clear()


def upload_from(parts: dict[str, Part], params: dict[str, object]) -> tuple[str, bytes, str | None]:
    """Return (mime type, bytes, file name) of an upload; ``type`` is optional, the part's own type then counts.

    Raises:
        GraphError: 100 when the file is absent, of an unsupported type or too large.
    """
    file = parts.get("file")
    if file is None:
        raise parameter_required("file")
    declared = str(params.get("type") or "")
    mime_type = file.content_type.split(";")[0].strip().lower()
    if mime_type not in UPLOAD_MAX_BYTES and "/" in declared:
        mime_type = declared.split(";")[0].strip().lower()
    if mime_type not in UPLOAD_MAX_BYTES:
        raise GraphError(
            100,
            message=(
                "(#100) Param file must be a file with one of the following types: "
                f"{', '.join(UPLOAD_MAX_BYTES)}. Received file of type '{mime_type or 'application/octet-stream'}'."
            ),
            details="",
        )
    if len(file.content) > UPLOAD_MAX_BYTES[mime_type]:
        raise GraphError(100, message=f"(#100) File is too large for {mime_type}.", details="")
    return mime_type, file.content, file.filename


def describe(medium: Medium, base: str, ttl_s: float) -> dict[str, object]:
    """Return the look-up of a medium; ``base`` is scheme and host of its URL."""
    query = urlencode({"mid": medium.id, "ext": int(time() + ttl_s) + 1, "hash": medium.secret})
    return {
        "messaging_product": "whatsapp",
        "url": f"{base}{ATTACHMENTS_PATH}?{query}",
        "mime_type": medium.mime_type,
        "sha256": medium.sha256_hex,
        "file_size": len(medium.content),
        "id": medium.id,
    }


def suits(medium: Medium, kind: str) -> bool:
    """Tell whether a message of that kind can show the medium."""
    prefixes = KIND_PREFIXES.get(kind)
    return prefixes is None or medium.mime_type.startswith(prefixes)

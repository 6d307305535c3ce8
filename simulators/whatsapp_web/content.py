"""What a message of each kind consists of: from the control API's words to the page's fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.whatsapp_web import addresses
from simulators.whatsapp_web.problems import Problem

Body = dict[str, Any]

#: Kinds with a file, and the type of the file if none is given.
MEDIA = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mpeg",
    "ptt": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}


def content(body: Body, media: Body | None, quoted: Body | None) -> Body:
    """Return the page's fields of a message.

    Raises:
        Problem: When the kind is unknown or lacks something.
    """
    kind = body.get("type", "chat")
    if kind in MEDIA:
        fields = _file(kind, body, media)
    elif kind in _KINDS:
        fields = _KINDS[kind](body)
    else:
        raise Problem(422, "bad_message", f"type must be one of {', '.join([*_KINDS, *MEDIA])}")
    if quoted is not None:
        fields["quoted"] = quoted
    if body.get("forwarded") is True:
        fields |= {"isForwarded": True, "forwardingScore": 1}
    if mentions := body.get("mentions"):
        fields["mentionedJidList"] = [addresses.address(each) for each in mentions]
    return fields


def _file(kind: str, body: Body, media: Body | None) -> Body:
    if media is None:
        raise Problem(422, "bad_message", f"{kind} needs media")
    fields = {"mimetype": MEDIA[kind], **media}
    if "caption" in body:
        fields["caption"] = str(body["caption"])
    if kind == "document":
        fields.setdefault("filename", "document.pdf")
        fields.setdefault("caption", fields["filename"])
    if kind in {"audio", "ptt", "video"}:
        fields["duration"] = str(body.get("duration_s", 1))
    if kind in {"image", "video", "sticker"}:
        fields |= {"width": int(body.get("width", 64)), "height": int(body.get("height", 64))}
    return fields


def _text(body: Body) -> Body:
    if not isinstance(body.get("text"), str):
        raise Problem(422, "bad_message", "text is missing")
    return {"body": body["text"]}


def _location(body: Body) -> Body:
    place = (body.get("lat"), body.get("lng"))
    if not all(isinstance(each, int | float) for each in place):
        raise Problem(422, "bad_message", "lat and lng must be numbers")
    words = [str(body[name]) for name in ("name_of_place", "address") if name in body]
    return {"lat": place[0], "lng": place[1], "loc": "\n".join(words) or None, "clientUrl": body.get("url")}


def _vcard(body: Body) -> Body:
    if not isinstance(body.get("vcard"), str):
        raise Problem(422, "bad_message", "vcard is missing")
    return {"body": body["vcard"], "vcardFormattedName": str(body.get("display_name", ""))}


def _vcards(body: Body) -> Body:
    cards = body.get("vcards")
    if not isinstance(cards, list) or not all(isinstance(card, str) for card in cards):
        raise Problem(422, "bad_message", "vcards must be a list of texts")
    return {"vcardList": [{"displayName": "", "vcard": card} for card in cards]}


def _poll(body: Body) -> Body:
    name, options = body.get("text"), body.get("options")
    if not isinstance(name, str) or not isinstance(options, list) or len(options) < 2:
        raise Problem(422, "bad_message", "a poll has text and at least two options")
    return {
        "pollName": name,
        "pollOptions": [{"name": str(option), "localId": number} for number, option in enumerate(options)],
        "pollSelectableOptionsCount": 0 if body.get("multiple") is True else 1,
    }


_KINDS: dict[str, Callable[[Body], Body]] = {
    "chat": _text,
    "location": _location,
    "vcard": _vcard,
    "multi_vcard": _vcards,
    "poll_creation": _poll,
}

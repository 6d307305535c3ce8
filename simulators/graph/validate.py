"""Checks of a send request: the envelope and the simple type objects. As strict as Meta, never stricter.

Source: developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages, read 2026-09;
github.com/facebook/openapi business-messaging-api_v23.0.yaml, read 2026-09.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.graph.errors import GraphError, invalid, missing, parameter_required, too_long
from simulators.graph.fields import as_list, as_object, decode, number_of, text_of, url_of
from simulators.graph.interactive import check_interactive
from simulators.graph.media import MediaStore
from simulators.graph.registry import Phone, Waba
from simulators.graph.template import check_template

TEXT_MAX = 4096
CAPTION_MAX = 1024
CALLBACK_MAX = 512
CONTACTS_MAX = 257

_DIALLED = str.maketrans("", "", "+ -().\u00a0")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")

MEDIA_KINDS = ("image", "video", "audio", "document", "sticker")
#: In the order in which a body without ``type`` is searched.
KINDS = ("text", *MEDIA_KINDS, "location", "contacts", "reaction", "interactive", "template", "pin")
#: Known to Meta, not sendable by this endpoint.
UNSUPPORTED_KINDS = frozenset({"hsm", "group_invite", "unsupported", "ephemeral", "system", "order", "button"})


@dataclass(slots=True)
class Outgoing:
    """A checked message. ``to`` is digits, a user id or a group id; ``given`` is what the caller wrote."""

    kind: str
    to: str
    given: str
    recipient_type: str
    callback: str | None
    content: Any
    template: dict[str, Any] | None = None


def recipient_of(params: dict[str, Any]) -> tuple[str, str, str]:
    """Return (recipient type, canonical recipient, recipient as given); the phone number wins over a user id.

    Raises:
        GraphError: when there is none or it is malformed.
    """
    recipient_type = params.get("recipient_type") or "individual"
    if not isinstance(recipient_type, str) or recipient_type.lower() not in ("individual", "group"):
        raise invalid("Recipient type value is not valid")
    recipient_type = recipient_type.lower()
    given = params.get("to")
    if given is not None and given != "":
        if isinstance(given, bool) or not isinstance(given, (str, int)):
            raise GraphError(100, message="(#100) Param to must be a string.", details="")
        given = str(given)
        if recipient_type == "group":
            return recipient_type, given, given
        digits = given.translate(_DIALLED)
        if not digits.isdecimal() or not digits.isascii() or len(digits) > 32:
            message = "Invalid parameter: recipient phone number format is incorrect"
            raise GraphError(100, message=f"(#100) {message}", details="")
        return recipient_type, digits, given
    user = params.get("recipient")
    if user is None or user == "":
        raise parameter_required("to")
    if not isinstance(user, str) or not _USER_ID.fullmatch(user):
        raise invalid("Recipient is not a valid business-scoped user id")
    return "user", user, user


def check_message(
    params: dict[str, Any], phone: Phone, waba: Waba, media: MediaStore, *, unknown_templates: bool
) -> Outgoing:
    """Check a message.

    Raises:
        GraphError: when Meta would refuse it.
    """
    check_product(params)
    recipient_type, to, given = recipient_of(params)
    kind = _kind_of(params)
    if to == phone.display:
        raise GraphError(131021)
    callback = params.get("biz_opaque_callback_data")
    if callback is not None:
        callback = str(callback)
        if len(callback) > CALLBACK_MAX:
            raise too_long("biz_opaque_callback_data", CALLBACK_MAX)
    if params.get("context") is not None:
        text_of(as_object(params["context"], "context"), "message_id", "context", 512)
    content = decode(params.get(kind))
    checker = _Checker(media, waba, unknown_templates)
    if content is None:
        raise missing(f"Parameters of type: {kind} is required")
    if kind == "pin" and recipient_type != "group":
        raise invalid("Pin messages are supported for groups only")
    checks[kind](checker, content)
    if recipient_type == "user" and checker.template and checker.template.get("category") == "AUTHENTICATION":
        raise GraphError(131062)
    return Outgoing(kind, to, given, recipient_type, callback, content, checker.template)


def check_product(params: dict[str, Any]) -> None:
    """Check ``messaging_product``.

    Raises:
        GraphError: 100 when it is absent or another one.
    """
    product = params.get("messaging_product")
    if product is None or product == "":
        raise parameter_required("messaging_product")
    if not isinstance(product, str) or product.lower() != "whatsapp":
        raise GraphError(
            100, message=f'(#100) Param messaging_product must be one of {{WHATSAPP}} - got "{product}".', details=""
        )


def _kind_of(params: dict[str, Any]) -> str:
    kind = params.get("type")
    if kind is None or kind == "":
        return next((name for name in KINDS if params.get(name) is not None), "text")
    kind = kind.lower() if isinstance(kind, str) else kind
    if kind in KINDS:
        return str(kind)
    if kind in UNSUPPORTED_KINDS:
        raise GraphError(131051)
    words = ", ".join(sorted(KINDS)).upper()
    raise GraphError(100, message=f'(#100) Param type must be one of {{{words}}} - got "{kind}".', details="")


class _Checker:
    """The checks of one request, with what they look things up in."""

    def __init__(self, media: MediaStore, waba: Waba, unknown_templates: bool) -> None:
        self._media = media
        self._waba = waba
        self._unknown_templates = unknown_templates
        self.template: dict[str, Any] | None = None

    def text(self, content: Any) -> None:
        """Check a text."""
        if content.__class__ is dict:
            body = content.get("body")
            if body.__class__ is str and 0 < len(body) <= TEXT_MAX:
                return
        text_of(as_object(content, "text"), "body", "text", TEXT_MAX)

    def medium(self, content: Any, kind: str, path: str) -> None:
        """Check ``{"id"}`` or ``{"link"}``: exactly one of them."""
        obj = as_object(content, path)
        if bool(obj.get("id")) == bool(obj.get("link")):
            raise GraphError(100, details=f"Exactly one of {path}['id'] and {path}['link'] is required")
        if obj.get("link"):
            url_of(obj, "link", path)
        elif not self._media.holds(str(obj["id"])):
            message = f"(#100) Param {path}['id'] is not a valid whatsapp business account media attachment ID"
            raise GraphError(100, message=message, details="")
        text_of(obj, "caption", path, CAPTION_MAX, required=False)
        text_of(obj, "filename", path, 255, required=False)

    def location(self, content: Any) -> None:
        """Check a place."""
        obj = as_object(content, "location")
        number_of(obj, "latitude", "location", 90)
        number_of(obj, "longitude", "location", 180)

    def contacts(self, content: Any) -> None:
        """Check contact cards."""
        for index, item in enumerate(as_list(content, "contacts", 1, CONTACTS_MAX)):
            path = f"contacts[{index}]"
            name = as_object(as_object(item, path).get("name"), f"{path}['name']")
            text_of(name, "formatted_name", f"{path}['name']", 1024)
            parts = ("first_name", "last_name", "middle_name", "suffix", "prefix")
            if not any(name.get(part) for part in parts):
                raise missing(f"At least one more name part is required in {path}['name']")

    def reaction(self, content: Any) -> None:
        """Check a reaction; an empty emoji removes it."""
        obj = as_object(content, "reaction")
        text_of(obj, "message_id", "reaction", 512)
        emoji = obj.get("emoji")
        if emoji is not None and not isinstance(emoji, str):
            raise invalid("reaction['emoji'] must be a string")

    def pin(self, content: Any) -> None:
        """Check pinning in a group."""
        obj = as_object(content, "pin")
        if obj.get("type") not in ("pin", "unpin"):
            raise invalid("pin['type'] must be pin or unpin")
        text_of(obj, "message_id", "pin", 512)

    def interactive(self, content: Any) -> None:
        """Check an interactive message."""
        check_interactive(content, self.medium)

    def templated(self, content: Any) -> None:
        """Check a template message."""
        self.template = check_template(
            content, self._waba, unknown_allowed=self._unknown_templates, check_media=self.medium
        )


def _medium_check(kind: str) -> Callable[[_Checker, Any], None]:
    return lambda checker, content: checker.medium(content, kind, kind)


checks: dict[str, Callable[[_Checker, Any], None]] = {
    "text": _Checker.text,
    **{kind: _medium_check(kind) for kind in MEDIA_KINDS},
    "location": _Checker.location,
    "contacts": _Checker.contacts,
    "reaction": _Checker.reaction,
    "pin": _Checker.pin,
    "interactive": _Checker.interactive,
    "template": _Checker.templated,
}

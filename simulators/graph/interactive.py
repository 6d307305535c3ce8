"""Checks of ``interactive`` objects.

Limits: github.com/facebook/openapi business-messaging-api_v23.0.yaml, read 2026-09.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.graph.errors import invalid, missing
from simulators.graph.fields import as_list, as_object, one_of, text_of, url_of

#: Checks a medium given as ``{"id"}`` or ``{"link"}``: (object, kind, path).
MediaCheck = Callable[[Any, str, str], None]

BODY_MAX = 1024
LIST_BODY_MAX = 4096
HEADER_MAX = 60
FOOTER_MAX = 60
BUTTON_TITLE_MAX = 20
BUTTON_ID_MAX = 256
SECTION_TITLE_MAX = 24
ROW_TITLE_MAX = 24
ROW_DESCRIPTION_MAX = 72
ROW_ID_MAX = 200
ROWS_MAX = 10
PRODUCTS_MAX = 30

_ANY_HEADER = frozenset({"text", "image", "video", "document", "gif"})
_TEXT_HEADER = frozenset({"text"})
_NO_BODY_NEEDED = frozenset({"product", "call_permission_request", "voice_call"})


def check_interactive(value: Any, check_media: MediaCheck) -> None:
    """Check a whole ``interactive`` object.

    Raises:
        GraphError: when Meta would refuse it.
    """
    obj = as_object(value, "interactive")
    kind = one_of(obj.get("type"), frozenset(_ACTIONS), "interactive['type']")
    body_max = LIST_BODY_MAX if kind == "list" else BODY_MAX
    if kind not in _NO_BODY_NEEDED or obj.get("body") is not None:
        text_of(as_object(obj.get("body"), "interactive['body']"), "text", "interactive['body']", body_max)
    if obj.get("footer") is not None:
        text_of(as_object(obj["footer"], "interactive['footer']"), "text", "interactive['footer']", FOOTER_MAX)
    allowed = _TEXT_HEADER if kind in ("list", "product_list") else _ANY_HEADER
    if obj.get("header") is not None:
        _check_header(obj["header"], allowed, "interactive['header']", check_media)
    elif kind == "product_list":
        raise missing("Parameter interactive['header'] is required")
    _ACTIONS[kind](as_object(obj.get("action"), "interactive['action']"), check_media)


def _check_header(value: Any, allowed: frozenset[str], path: str, check_media: MediaCheck) -> None:
    header = as_object(value, path)
    kind = one_of(header.get("type"), allowed, f"{path}['type']")
    if kind == "text":
        text_of(header, "text", path, HEADER_MAX)
    else:
        check_media(header.get(kind), "video" if kind == "gif" else kind, f"{path}['{kind}']")


def _buttons(action: dict[str, Any], _check_media: MediaCheck) -> None:
    path = "interactive['action']['buttons']"
    buttons = as_list(action.get("buttons"), path, 1, 3)
    ids: set[str | None] = set()
    titles: set[str | None] = set()
    for index, item in enumerate(buttons):
        button = as_object(item, f"{path}[{index}]")
        one_of(button.get("type"), frozenset({"reply"}), f"{path}[{index}]['type']")
        reply = as_object(button.get("reply"), f"{path}[{index}]['reply']")
        ids.add(text_of(reply, "id", f"{path}[{index}]['reply']", BUTTON_ID_MAX))
        titles.add(text_of(reply, "title", f"{path}[{index}]['reply']", BUTTON_TITLE_MAX))
    if len(ids) != len(buttons) or len(titles) != len(buttons):
        raise invalid("Button ids and titles must be unique")


def _list(action: dict[str, Any], _check_media: MediaCheck) -> None:
    path = "interactive['action']"
    text_of(action, "button", path, BUTTON_TITLE_MAX)
    sections = as_list(action.get("sections"), f"{path}['sections']", 1, 10)
    ids: list[str | None] = []
    for index, item in enumerate(sections):
        here = f"{path}['sections'][{index}]"
        section = as_object(item, here)
        text_of(section, "title", here, SECTION_TITLE_MAX, required=len(sections) > 1)
        for at, entry in enumerate(as_list(section.get("rows"), f"{here}['rows']", 1, ROWS_MAX)):
            row = as_object(entry, f"{here}['rows'][{at}]")
            ids.append(text_of(row, "id", f"{here}['rows'][{at}]", ROW_ID_MAX))
            text_of(row, "title", f"{here}['rows'][{at}]", ROW_TITLE_MAX)
            text_of(row, "description", f"{here}['rows'][{at}]", ROW_DESCRIPTION_MAX, required=False)
    if len(ids) > ROWS_MAX:
        raise invalid(f"Total row count exceed max allowed count: {ROWS_MAX}")
    if len(set(ids)) != len(ids):
        raise invalid("Duplicated row id")


def _named(name: str) -> Callable[[dict[str, Any], MediaCheck], None]:
    def check(action: dict[str, Any], _check_media: MediaCheck) -> None:
        one_of(action.get("name"), frozenset({name}), "interactive['action']['name']")

    return check


def _named_with_parameters(name: str) -> Callable[[dict[str, Any], MediaCheck], None]:
    def check(action: dict[str, Any], check_media: MediaCheck) -> None:
        _named(name)(action, check_media)
        as_object(action.get("parameters"), "interactive['action']['parameters']")

    return check


def _cta_url(action: dict[str, Any], check_media: MediaCheck) -> None:
    path = "interactive['action']['parameters']"
    _named("cta_url")(action, check_media)
    parameters = as_object(action.get("parameters"), path)
    text_of(parameters, "display_text", path, BUTTON_TITLE_MAX)
    url_of(parameters, "url", path)


def _flow(action: dict[str, Any], check_media: MediaCheck) -> None:
    path = "interactive['action']['parameters']"
    _named("flow")(action, check_media)
    parameters = as_object(action.get("parameters"), path)
    mode = parameters.get("mode") or "published"
    one_of(mode, frozenset({"published", "draft"}), f"{path}['mode']")
    text_of(parameters, "flow_message_version", path, 10)
    # A draft shows no button; Meta's own draft example is longer than the limit.
    text_of(parameters, "flow_cta", path, BUTTON_TITLE_MAX if mode == "published" else BODY_MAX)
    if bool(parameters.get("flow_id")) == bool(parameters.get("flow_name")):
        raise invalid("Exactly one of flow_id and flow_name is required")
    if parameters.get("flow_action") is not None:
        one_of(parameters["flow_action"], frozenset({"navigate", "data_exchange"}), f"{path}['flow_action']")
    if parameters.get("flow_action_payload") is not None:
        payload = as_object(parameters["flow_action_payload"], f"{path}['flow_action_payload']")
        text_of(payload, "screen", f"{path}['flow_action_payload']", BUTTON_ID_MAX)


def _product(action: dict[str, Any], _check_media: MediaCheck) -> None:
    path = "interactive['action']"
    text_of(action, "catalog_id", path, BUTTON_ID_MAX)
    text_of(action, "product_retailer_id", path, BUTTON_ID_MAX)


def _product_list(action: dict[str, Any], _check_media: MediaCheck) -> None:
    path = "interactive['action']"
    text_of(action, "catalog_id", path, BUTTON_ID_MAX)
    sections = as_list(action.get("sections"), f"{path}['sections']", 1, 10)
    products = 0
    for index, item in enumerate(sections):
        here = f"{path}['sections'][{index}]"
        section = as_object(item, here)
        # Longer than a list's: Meta's own example has 24, whatsapp-api-js allows 24 as well.
        text_of(section, "title", here, SECTION_TITLE_MAX, required=len(sections) > 1)
        for at, entry in enumerate(as_list(section.get("product_items"), f"{here}['product_items']", 1, PRODUCTS_MAX)):
            product = as_object(entry, f"{here}['product_items'][{at}]")
            text_of(product, "product_retailer_id", f"{here}['product_items'][{at}]", BUTTON_ID_MAX)
            products += 1
    if products > PRODUCTS_MAX:
        raise invalid(f"Total product count exceed max allowed count: {PRODUCTS_MAX}")


def _carousel(action: dict[str, Any], check_media: MediaCheck) -> None:
    path = "interactive['action']['cards']"
    cards = as_list(action.get("cards"), path, 2, 10)
    for index, item in enumerate(cards):
        here = f"{path}[{index}]"
        card = as_object(item, here)
        if card.get("card_index") not in (index, str(index)):
            raise invalid(f"{here}['card_index'] must be {index}")
        if card.get("header") is not None:
            _check_header(card["header"], frozenset({"image", "video"}), f"{here}['header']", check_media)
        as_object(card.get("action"), f"{here}['action']")


def _anything(_action: dict[str, Any], _check_media: MediaCheck) -> None:
    """Calling and commerce kinds whose action Meta documents only by example."""


_ACTIONS: dict[str, Callable[[dict[str, Any], MediaCheck], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _cta_url,
    "flow": _flow,
    "location_request_message": _named("send_location"),
    "request_contact_info": _named("request_contact_info"),
    "product": _product,
    "product_list": _product_list,
    "catalog_message": _named("catalog_message"),
    "order_details": _named_with_parameters("review_and_pay"),
    "order_status": _named_with_parameters("review_order"),
    "call_permission_request": _named("call_permission_request"),
    "voice_call": _named("voice_call"),
    "address_message": _named_with_parameters("address_message"),
    "carousel": _carousel,
    "payment_request": _anything,
}

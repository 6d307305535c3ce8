"""Checks of ``template`` objects, and of their parameters against a template that the account has."""

from __future__ import annotations

import re
from typing import Any

from simulators.graph.errors import GraphError, invalid
from simulators.graph.fields import as_list, as_object, text_of
from simulators.graph.interactive import MediaCheck
from simulators.graph.registry import Waba

NAME_MAX = 512
COMPONENTS_MAX = 30
PARAMETERS_MAX = 100

_PLACEHOLDER = re.compile(r"\{\{\s*\w+\s*\}\}")
_MEDIA = ("image", "video", "document", "gif")

#: What a template that may not be sent answers. Source: error-codes, read 2026-09-11.
_STATUS_CODES = {"PAUSED": 132015, "DISABLED": 132016}


def check_template(value: Any, waba: Waba, *, unknown_allowed: bool, check_media: MediaCheck) -> dict[str, Any] | None:
    """Check a template message; return the account's template, or None where it is not known.

    Raises:
        GraphError: when Meta would refuse it.
    """
    obj = as_object(value, "template")
    name = obj.get("name")
    if not isinstance(name, str) or not name:
        raise GraphError(100, details="Parameter name is missing or empty")
    text_of(obj, "name", "template", NAME_MAX)
    language = text_of(as_object(obj.get("language"), "template['language']"), "code", "template['language']", 64)
    components = obj.get("components")
    parameters: dict[str, int] = {}
    if components is not None:
        for index, item in enumerate(as_list(components, "template['components']", 0, COMPONENTS_MAX)):
            kind, count = _check_component(item, f"template['components'][{index}]", check_media)
            parameters[kind] = parameters.get(kind, 0) + count
    known = waba.templates.get((name, language or ""))
    if known is None:
        if unknown_allowed:
            return None
        raise GraphError(132001, details=f"template name ({name}) does not exist in {language}")
    _check_known(known, parameters.get("body", 0))
    return known


def _check_known(known: dict[str, Any], given: int) -> None:
    status = known.get("status", "APPROVED")
    if status in _STATUS_CODES:
        raise GraphError(_STATUS_CODES[status])
    if status != "APPROVED":
        raise GraphError(132001, details=f"template {known['name']} is not approved")
    bodies = [item for item in known["components"] if str(item.get("type")).upper() == "BODY"]
    expected = len(set(_PLACEHOLDER.findall(str(bodies[0].get("text", ""))))) if bodies else 0
    if expected != given:
        details = f"body: number of localizable_params ({given}) does not match the expected number ({expected})"
        raise GraphError(132000, details=details)


def _check_component(value: Any, path: str, check_media: MediaCheck) -> tuple[str, int]:
    component = as_object(value, path)
    kind = (text_of(component, "type", path, 64) or "").lower()
    if kind == "button":
        text_of(component, "sub_type", path, 64)
        index = component.get("index")
        if isinstance(index, bool) or not str(index).isdigit():
            raise invalid(f"{path}['index'] must be a number")
    if kind == "carousel":
        for at, card in enumerate(as_list(component.get("cards"), f"{path}['cards']", 1, 10)):
            here = f"{path}['cards'][{at}]"
            for index, item in enumerate(as_list(as_object(card, here).get("components"), here, 0, COMPONENTS_MAX)):
                _check_component(item, f"{here}['components'][{index}]", check_media)
    parameters = component.get("parameters")
    if parameters is None:
        return kind, 0
    items = as_list(parameters, f"{path}['parameters']", 0, PARAMETERS_MAX)
    for index, item in enumerate(items):
        _check_parameter(item, f"{path}['parameters'][{index}]", check_media)
    return kind, len(items)


def _check_parameter(value: Any, path: str, check_media: MediaCheck) -> None:
    parameter = as_object(value, path)
    kind = (text_of(parameter, "type", path, 64) or "").lower()
    if kind == "text":
        # Meta's own example sends booleans here: any scalar counts, only its absence is refused.
        if parameter.get("text") in (None, ""):
            raise GraphError(131008, details=f"Parameter {path}['text'] is missing or empty")
    elif kind == "currency":
        # Meta documents code and amount as required too; kapso's client writes the amount under another name.
        text_of(as_object(parameter.get("currency"), f"{path}['currency']"), "fallback_value", path, 256)
    elif kind == "date_time":
        text_of(as_object(parameter.get("date_time"), f"{path}['date_time']"), "fallback_value", path, 256)
    elif kind in _MEDIA:
        check_media(parameter.get(kind), "video" if kind == "gif" else kind, f"{path}['{kind}']")
    elif kind == "payload" and not parameter.get("payload"):
        raise GraphError(131008, details=f"Parameter {path}['payload'] is missing or empty")

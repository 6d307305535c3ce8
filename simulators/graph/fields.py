"""Reading members of a request as leniently as Meta does: JSON in strings, numbers as text, unknown keys ignored."""

from __future__ import annotations

from typing import Any

import orjson

from simulators.graph.errors import GraphError, invalid, missing, too_long

#: How a URL that Meta fetches or shows must begin.
URL_SCHEMES = ("http://", "https://")


def decode(value: Any) -> Any:
    """Return the value, parsed if it is a JSON object or array given as a string."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def as_object(value: Any, path: str) -> dict[str, Any]:
    """Return an object.

    Raises:
        GraphError: 131008 when it is absent, 100 when it is something else.
    """
    value = decode(value)
    if value is None:
        raise missing(f"Parameter {path} is required")
    if not isinstance(value, dict):
        raise GraphError(100, message=f"(#100) Param {path} must be a JSON object.", details="")
    return value


def as_list(value: Any, path: str, low: int, high: int) -> list[Any]:
    """Return a list of ``low`` to ``high`` items.

    Raises:
        GraphError: 131008 when it is absent, 100 when it is no list, 131009 when its length is wrong.
    """
    value = decode(value)
    if value is None:
        raise missing(f"Parameter {path} is required")
    if not isinstance(value, list):
        raise GraphError(100, message=f"(#100) Param {path} must be an array.", details="")
    if not low <= len(value) <= high:
        raise invalid(f"{path} must have between {low} and {high} elements, but has {len(value)}")
    return value


def text_of(obj: dict[str, Any], key: str, path: str, limit: int, *, required: bool = True) -> str | None:
    """Return a text member; numbers count as text.

    Raises:
        GraphError: 131008 when it is required and absent or empty, 100 when it is too long or no text.
    """
    value = obj.get(key)
    name = f"{path}['{key}']"
    if value is None or value == "":
        if required:
            raise missing(f"Parameter {name} is missing or empty")
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise GraphError(100, message=f"(#100) Param {name} must be a string.", details="")
    if len(value) > limit:
        raise too_long(name, limit)
    return value


def url_of(obj: dict[str, Any], key: str, path: str) -> str:
    """Return a URL member.

    Raises:
        GraphError: 131008 when it is absent, 100 when it is no http(s) URL.
    """
    value = text_of(obj, key, path, 2048)
    if value is None or not value.startswith(URL_SCHEMES):
        raise GraphError(100, message=f"(#100) Param {path}['{key}'] is not a valid URI.", details="")
    return value


def number_of(obj: dict[str, Any], key: str, path: str, bound: float) -> float:
    """Return a number, also from a numeric string, within plus and minus ``bound``.

    Raises:
        GraphError: 131008 when it is absent, 131009 when it is no such number.
    """
    value = obj.get(key)
    if value is None or value == "":
        raise missing(f"Parameter {path}['{key}'] is missing or empty")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise invalid(f"{path}['{key}'] must be a number") from None
    if isinstance(value, bool) or not -bound <= number <= bound:
        raise invalid(f"{path}['{key}'] must be between {-bound:g} and {bound:g}")
    return number


def one_of(value: Any, allowed: frozenset[str], path: str) -> str:
    """Return a word of a closed list.

    Raises:
        GraphError: 131008 when it is absent, 100 when it is another word.
    """
    if value is None or value == "":
        raise missing(f"Parameter {path} is missing or empty")
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(sorted(allowed)).upper()
        raise GraphError(100, message=f'(#100) Param {path} must be one of {{{words}}} - got "{value}".', details="")
    return value

"""A call into the page as text: JSON arguments in, a JSON result or the page's error out."""

from __future__ import annotations

from typing import Any, Final

import orjson

from plugins.wwebjs.browser_failed import PageError

#: Characters of the page's stack that are kept: the first few frames tell.
STACK_MAX: Final = 2000

_HEAD: Final = "async (text) => { try { const value = await ("
#: The error is taken apart inside the page: BiDi tells its text only, and wa-js keeps what matters in `code`.
_TAIL: Final = f"""
)(...JSON.parse(text)); return JSON.stringify({{ value }}); }} catch (error) {{
  const word = (value) => (["string", "number", "boolean"].includes(typeof value) ? value : undefined);
  const name = String(error?.name ?? "Error"), message = String(error?.message ?? error);
  const stack = String(error?.stack ?? "").slice(0, {STACK_MAX});
  return JSON.stringify({{ error: {{ name, message, code: word(error?.code), stack }} }}); }} }}"""


def wrapped(function_declaration: str) -> str:
    """The function that calls the given one with arguments from a JSON text."""
    return f"{_HEAD}{function_declaration}{_TAIL}"


def arguments_of(args: tuple[Any, ...]) -> list[dict[str, str]]:
    """The arguments as one string: as BiDi values each would be taken apart and put together piece by piece."""
    return [{"type": "string", "value": orjson.dumps(args).decode()}]


def result_of(answer: dict[str, Any]) -> Any:
    """What the function returned (None for undefined).

    Raises:
        PageError: what it threw; a `SyntaxError` when it is no function.
    """
    if answer["type"] == "exception":
        name, _, message = str(answer["exceptionDetails"]["text"]).partition(": ")
        raise PageError(name, message)
    outcome = orjson.loads(answer["result"]["value"])
    if (error := outcome.get("error")) is not None:
        raise PageError(error["name"], error["message"], code=error.get("code"), stack=error["stack"])
    return outcome.get("value")

"""Takes secrets out of what Meta says before it reaches a log, a trace or a customer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Longest text of Meta's that is kept; its own sentences stay below 300 characters.
TEXT_MAX_CHARACTERS: Final = 500
REDACTED: Final = "[redacted]"

#: Tokens by their form, secrets by the name before them, and signed media addresses by their host.
_SECRETS: Final = re.compile(
    r"""EAA[A-Za-z0-9]{12,}                                                        # Meta's access tokens
    | (?i:bearer)\s+[A-Za-z0-9._~+/=|-]+
    | \b(?i:access_token|input_token|client_secret|app_?secret|fb_exchange_token|appsecret_proof|api[-_]key|pin
            |code(?==))
      ["']?\s*[=:]\s*["']?[^\s"'&,}]+
    | https?://[^\s"'<>]*(?:fbsbx|fbcdn)[^\s"'<>]*                                # media: the address holds its hash
    """,
    re.VERBOSE,
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without tokens, keys and signed addresses, cut to a bearable length.

    Args:
        secrets: values of this phone that must not appear, whatever their form.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    return _SECRETS.sub(REDACTED, text)[:TEXT_MAX_CHARACTERS]

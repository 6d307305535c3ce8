"""Problem documents (RFC 9457): every error that the API answers, each with a stable `code`.

`success` and `error` repeat the essence for callers of the legacy server, which test and show those two fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response

CONTENT_TYPE = "application/problem+json"

#: code -> (HTTP status, title). A code never changes its meaning; callers branch on it.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON"),
    "bad_request": (400, "The request cannot be understood"),
    # Legacy callers of audio know this one by its words (legacy-compat §2.3).
    "audio_url_missing": (400, "No audio URL provided"),
    "key_missing": (401, "An API key is needed"),
    "key_unknown": (401, "The API key is unknown or revoked"),
    "scope_missing": (403, "The API key does not allow this"),
    "signature_invalid": (403, "The webhook is not signed by its provider"),
    "verification_refused": (403, "The webhook's verification is refused"),
    "not_found": (404, "There is nothing here"),
    "company_not_found": (404, "There is no such company"),
    "phone_not_found": (404, "The company has no such phone"),
    "message_not_found": (404, "The company has no such message"),
    "no_qr": (404, "There is no QR to scan at this moment"),
    "method_not_allowed": (405, "This method is not offered here"),
    "request_timeout": (408, "The request came too slowly"),
    "phone_not_connected": (409, "The phone cannot send until somebody has mended it"),
    "phone_exists": (409, "The phone is there already"),
    "no_session": (409, "The phone holds no session"),
    "message_not_sent": (409, "The message has no provider id yet"),
    "message_not_open": (409, "The message's state does not allow that"),
    "body_too_large": (413, "The body is too large"),
    "wrong_content_type": (415, "The body must be application/json"),
    "invalid_field": (422, "A field has the wrong form"),
    "over_limit": (422, "A field is over the channel's limit"),
    "kind_unsupported": (422, "The phone's channel cannot send this"),
    "channel_not_enabled": (422, "The phone's channel is not enabled here"),
    "connection_type_unknown": (422, "No enabled channel serves this connection type"),
    "idempotency_conflict": (422, "The idempotency key belongs to another request"),
    "internal_error": (500, "Something went wrong here"),
    "send_failed": (502, "The message was accepted but could not be sent"),
    "database_away": (503, "The database does not answer"),
    "secrets_unavailable": (503, "Secrets cannot be stored or read here"),
    "no_pairing_code": (504, "The phone has not shown a pairing code in time"),
}

#: Seconds after which a caller may come back when the database is away.
RETRY_AFTER_S = 2


class Problem(Exception):
    """An answer other than success.

    Args:
        code: key of `PROBLEMS`.
        detail: one sentence for people; no secrets, no message text.
        field: name of the field or header that is wrong.
        headers: further response headers.
        more: further members of the document.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.status, self.title = PROBLEMS[code]
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        self.more = more

    def document(self) -> dict[str, Any]:
        """The body as data."""
        field = {"field": self.field} if self.field else {}
        return {
            "type": f"urn:bisnes:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **field,
            "success": False,
            "error": self.title,
            **self.more,
        }

    def response(self) -> Response:
        """The answer."""
        return Response(orjson.dumps(self.document()), self.status, self.headers, content_type=CONTENT_TYPE)


def database_away() -> Problem:
    """PostgreSQL does not answer; nothing is known to be stored."""
    return Problem(
        "database_away",
        "Nothing was answered in time; repeat with the same Idempotency-Key.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )

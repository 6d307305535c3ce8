"""Meta's error codes, their published HTTP statuses and the bodies in which they come.

Source: developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes, read 2026-09-11;
bodies of Graph-level errors: github.com/facebook/openapi business-messaging-api_v23.0.yaml, read 2026-09.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: First code of the WhatsApp range: from here on bodies carry ``error_data`` and a ``(#code)`` prefix.
WHATSAPP_CODES_START = 130000

#: Where a webhook error points its reader to. Source: webhooks/reference/messages/errors, read 2026-09.
ERROR_HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


class Published(NamedTuple):
    """What Meta publishes about one code: HTTP status, title and usual details."""

    http: int
    title: str
    details: str = ""


def _table() -> dict[int, Published]:
    rows: dict[int, Published] = {
        0: Published(401, "We were unable to authenticate the app user."),
        1: Published(400, "Invalid request or possible server error."),
        2: Published(503, "Temporary issue due to downtime or due to being overloaded."),
        3: Published(500, "Application does not have the capability to make this API call."),
        4: Published(400, "Application request limit reached"),
        10: Published(403, "Application does not have permission for this action"),
        17: Published(400, "User request limit reached"),
        32: Published(400, "Page request limit reached"),
        33: Published(400, "The business phone number has been deleted."),
        100: Published(400, "Invalid parameter"),
        102: Published(401, "Session key invalid or no longer valid"),
        104: Published(401, "An access token is required to request this resource"),
        190: Published(401, "Invalid OAuth access token - Cannot parse access token"),
        368: Published(403, "Temporarily blocked for policies violations"),
        613: Published(400, "Calls to this api have exceeded the rate limit."),
        803: Published(404, "Some of the aliases you requested do not exist"),
        80007: Published(400, "There have been too many calls to this WhatsApp Business account."),
        130403: Published(400, "Business has blocked the user", "The business has blocked this user."),
        130429: Published(400, "Rate limit hit", "Cloud API message throughput has been reached."),
        130472: Published(400, "User's number is part of an experiment", "The recipient is in an experiment group."),
        130497: Published(
            403,
            "Business account is restricted from messaging users in this country",
            "The business may not message users of this country.",
        ),
        131000: Published(500, "Something went wrong", "Message failed to send due to an unknown error."),
        131005: Published(403, "Access denied", "Permission is either not granted or has been removed."),
        131008: Published(400, "Required parameter is missing", "The request is missing a required parameter."),
        131009: Published(400, "Parameter value is not valid", "One or more parameter values are invalid."),
        131016: Published(500, "Service unavailable", "A service is temporarily unavailable."),
        131020: Published(400, "Group is not eligible", "The group does not exist or cannot be messaged."),
        131021: Published(400, "Recipient cannot be sender", "Sender and recipient phone number is the same."),
        131026: Published(400, "Message undeliverable", "Message Undeliverable."),
        131030: Published(
            400,
            "Recipient phone number not in allowed list",
            "Add recipient phone number to recipient list and try again.",
        ),
        131031: Published(403, "Account has been locked", "Business account has been locked."),
        131037: Published(
            400,
            "WhatsApp provided number needs display name approval before message can be sent",
            "The 555 business phone number does not have an approved display name.",
        ),
        131041: Published(400, "Group message failed", "The message cannot be sent to this group."),
        131042: Published(400, "Business eligibility payment issue", "There was an error related to your payment."),
        131045: Published(500, "Incorrect certificate", "Phone number registration error."),
        131047: Published(
            400,
            "Re-engagement message",
            "More than 24 hours have passed since the customer last replied to this number.",
        ),
        131048: Published(
            400, "Spam rate limit hit", "Too many messages from this number were blocked or flagged as spam."
        ),
        131049: Published(
            400,
            "This message was not delivered to maintain healthy ecosystem engagement.",
            "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
        ),
        131050: Published(
            400, "User has stopped marketing messages", "The user has chosen to stop marketing messages."
        ),
        131051: Published(400, "Unsupported message type", "Message type is currently not supported."),
        131052: Published(400, "Media download error", "Unable to download the media sent by the user."),
        131053: Published(400, "Media upload error", "Unable to upload the media used in the message."),
        131055: Published(400, "Method not allowed", "This method or category is not allowed on this endpoint."),
        131056: Published(
            400,
            "(Business Account, Consumer Account) pair rate limit hit",
            "Too many messages sent from this phone number to the same recipient in a short period of time.",
        ),
        131057: Published(500, "Account in maintenance mode", "Business account is in maintenance mode."),
        131062: Published(400, "Recipient not supported", "Business-scoped user id is not supported for this message."),
        131063: Published(400, "Marketing templates disabled", "Marketing templates are disabled on Cloud API."),
        131064: Published(400, "Messaging limit reduced", "Messaging limit was cut for template misclassification."),
        132000: Published(
            400,
            "Number of parameters does not match the expected number of params",
            "Number of parameters does not match the expected number of params.",
        ),
        132001: Published(404, "Template name does not exist in the translation", "Template name does not exist."),
        132005: Published(400, "Template hydrated text too long", "Translated text too long."),
        132007: Published(400, "Template format character policy violated", "Template content violates a policy."),
        132012: Published(
            400, "Parameter format does not match format in the created template", "Wrong parameter format."
        ),
        132015: Published(400, "Template is paused", "Template is paused due to low quality."),
        132016: Published(400, "Template is disabled", "Template was paused too many times and is disabled."),
        132018: Published(400, "Template parameters are not valid", "There is an issue with the template parameters."),
        132068: Published(400, "Flow is blocked", "Flow is in blocked state."),
        132069: Published(400, "Flow is throttled", "Flow is throttled: 10 messages in the last hour were sent."),
        133000: Published(500, "Incomplete deregistration", "A previous deregistration attempt failed."),
        133004: Published(503, "Server temporarily unavailable", "Server is temporarily unavailable."),
        133005: Published(400, "Two step verification PIN mismatch", "Two step verification PIN incorrect."),
        133006: Published(400, "Phone number re-verification needed", "Phone number needs to be verified."),
        133008: Published(400, "Too many two step verification PIN guesses", "Too many PIN guesses."),
        133009: Published(400, "Two step verification PIN guessed too fast", "PIN was entered too quickly."),
        133010: Published(
            400, "Account not registered", "Phone number not registered on the Whatsapp Business Platform."
        ),
        133015: Published(400, "Please wait a few minutes", "The number was recently deleted; wait 5 minutes."),
        133016: Published(400, "Account register deregister rate limit exceeded", "Too many registration attempts."),
        134011: Published(400, "Payments terms of service not accepted", "Accept the payments terms of service."),
        134100: Published(400, "Only marketing messages supported", "Only marketing templates are supported here."),
        134101: Published(500, "Template syncing", "The template is still syncing; wait 10 minutes."),
        134102: Published(400, "Template unavailable for use", "The template cannot be used with this API."),
        135000: Published(400, "Generic user error", "Message failed to send because of an unknown parameter problem."),
        136024: Published(400, "Request code error", "The verification code could not be requested."),
        136025: Published(400, "Verify code error", "The verification code is not valid."),
        137000: Published(400, "Identity hash mismatch", "The recipient's identity has changed."),
        2593107: Published(400, "Synchronization request limit exceeded", "The history sync was already used."),
        2593108: Published(400, "Synchronization request made outside of allowed time window", "Too late to sync."),
        2593109: Published(400, "History sharing is turned off", "The business declined to share its history."),
    }
    for code in range(200, 300):
        rows[code] = Published(
            403, "You do not have the necessary permissions to send messages on behalf of this account"
        )
    return rows


#: Every code of the published tables, with the HTTP status of the table (first value where editions differ).
PUBLISHED = _table()

#: Graph-level codes which Meta's published examples mark ``is_transient``.
TRANSIENT = frozenset({2, 4, 17, 80007})


def new_trace_id() -> str:
    """Return a fresh ``fbtrace_id`` of the real shape: ``A`` and 22 URL-safe characters."""
    return "A" + urlsafe_b64encode(os.urandom(17))[:22].decode()


@dataclass
class GraphError(Exception):
    """An error answer of the Graph API.

    Attributes:
        code: Meta's code.
        details: Text of ``error_data.details``; the published text when None. Empty leaves ``error_data`` out.
        message: The whole message; built from code and title when None.
        http: HTTP status; that of the published table when None.
        subcode: ``error_subcode``, left out when None.
        type: Error type.
        extra: Further members of ``error``.
        headers: Further response headers.
    """

    code: int
    details: str | None = None
    message: str | None = None
    http: int | None = None
    subcode: int | None = None
    type: str = "OAuthException"
    extra: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
        return self.http if self.http is not None else published(self.code).http

    def body(self) -> dict[str, Any]:
        """Return the JSON body, as Meta writes it."""
        row = published(self.code)
        whatsapp = self.code >= WHATSAPP_CODES_START
        message = self.message or (f"(#{self.code}) {row.title}" if whatsapp or self.code == 100 else row.title)
        error: dict[str, Any] = {"message": message, "type": self.type, "code": self.code}
        details = row.details if self.details is None else self.details
        if details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.code in TRANSIENT:
            error["is_transient"] = True
        error.update(self.extra)
        error["fbtrace_id"] = new_trace_id()
        return {"error": error}


def published(code: int) -> Published:
    """Return what is published about ``code``; unknown codes count as 400."""
    return PUBLISHED.get(code) or Published(400, "Unknown error", "Unknown error.")


def webhook_error(code: int, details: str | None = None) -> dict[str, Any]:
    """Return the error object of a ``failed`` status."""
    row = published(code)
    text = row.details if details is None else details
    error: dict[str, Any] = {"code": code, "title": row.title, "message": row.title}
    if text:
        error["error_data"] = {"details": text}
    error["href"] = ERROR_HREF
    return error


def parameter_required(name: str) -> GraphError:
    """A missing top-level parameter, as Graph words it."""
    return GraphError(100, message=f"(#100) The parameter {name} is required.", details="")


def missing(details: str) -> GraphError:
    """A missing member of a type object (131008)."""
    return GraphError(131008, details=details)


def invalid(details: str) -> GraphError:
    """A value that is not allowed (131009)."""
    return GraphError(131009, details=details)


def too_long(name: str, limit: int) -> GraphError:
    """A text over its limit, in characters."""
    return GraphError(100, message=f"(#100) Param {name} must be at most {limit} characters long.", details="")


def unknown_node(node: str, method: str) -> GraphError:
    """The answer for a node that does not exist or that the token may not see."""
    return GraphError(
        100,
        message=(
            f"Unsupported {method.lower()} request. Object with ID '{node}' does not exist, cannot be loaded due to "
            "missing permissions, or does not support this operation. Please read the Graph API documentation at "
            "https://developers.facebook.com/docs/graph-api"
        ),
        subcode=33,
        type="GraphMethodException",
        details="",
    )

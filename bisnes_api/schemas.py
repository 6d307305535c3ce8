"""Bodies and answers of the API as models: what is read is checked against them, `/openapi.json` is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

#: Largest phone index: PostgreSQL's integer.
PHONE_INDEX_MAX = 2_147_483_647
#: Longest id of a message at a provider, and longest name of a person: the columns' width.
NAME_MAX_CHARACTERS = 255


def _phone_index(value: object) -> object:
    """The legacy server's callers send numbers, numeric strings, null and ""; true is no phone."""
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or (isinstance(value, str) and not value.isascii()):
        raise ValueError("a phone index is a number from 0")
    return value


PhoneIndex = Annotated[int, BeforeValidator(_phone_index), Field(ge=0, le=PHONE_INDEX_MAX)]
Name = Annotated[str, Field(max_length=NAME_MAX_CHARACTERS)]


class _Body(BaseModel):
    """Unknown fields are ignored: real callers send many."""

    model_config = ConfigDict(extra="ignore")


class Accepted(BaseModel):
    """The message is stored and on its way."""

    success: Literal[True] = True
    messageId: str = Field(description="Ours; see `Location`.")  # noqa: N815 - the field's name in the answer
    status: str = Field(description="`queued`; or the state it has when the request is a repeat.")
    phoneStatus: str | None = Field(  # noqa: N815
        None, description="Only when the phone cannot send now, such as `auth_required`: the message waits."
    )


class SentAnswer(BaseModel):
    """The provider has the message (`Prefer: wait`)."""

    success: Literal[True] = True
    messageId: str  # noqa: N815
    status: str
    providerMessageId: str | None  # noqa: N815


class MessageAnswer(BaseModel):
    """A message, sent or received."""

    messageId: str  # noqa: N815
    providerMessageId: str | None  # noqa: N815
    companyId: str  # noqa: N815
    phoneIndex: int  # noqa: N815
    chatId: str  # noqa: N815
    direction: Literal["outbound", "inbound"]
    kind: str
    channel: str
    content: str | None
    status: str
    held: bool = Field(description="Nobody can tell whether it left; it waits for a person.")
    attempts: int
    error: dict[str, Any] | None = Field(description="`code` and `detail` of the last error.")
    createdAt: datetime  # noqa: N815
    sentAt: datetime | None  # noqa: N815
    deliveredAt: datetime | None  # noqa: N815
    readAt: datetime | None  # noqa: N815
    failedAt: datetime | None  # noqa: N815
    sentElsewhere: bool = Field(description="Sent from the telephone or another device, not through us.")  # noqa: N815
    editedAt: datetime | None  # noqa: N815
    revokedAt: datetime | None  # noqa: N815
    reaction: str | None = Field(description="The emoji that it bears.")
    trace: list[dict[str, Any]] = Field(description="What each attempt met, without secrets.")


class MessagePage(BaseModel):
    """Messages, newest first."""

    success: Literal[True] = True
    messages: list[MessageAnswer]
    next: str | None = Field(description="`cursor` of the next page; null on the last.")


class PageQuery(_Body):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=200)
    cursor: int | None = Field(None, ge=1, le=2**63 - 1, description="`next` of the page before.")
    status: Name | None = Field(None, description="Only messages in this state.")


class PhoneBody(_Body):
    """A phone's configuration, as a whole."""

    connection_type: Name = Field(
        validation_alias=AliasChoices("connectionType"), description="Such as `meta_direct`; names the channel."
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="The channel's fields. Secret ones are encrypted at rest and answered as `***`; a secret sent as "
        "`***` keeps its value.",
    )
    on_unconfirmed: Literal["resend", "hold"] = Field(
        "resend",
        validation_alias=AliasChoices("onUnconfirmed"),
        description="What happens to a message of which nobody can tell whether it left.",
    )


class NewPhoneBody(PhoneBody):
    """A phone to add."""

    phone_index: int | None = Field(
        None,
        ge=0,
        le=PHONE_INDEX_MAX,
        validation_alias=AliasChoices("phoneIndex"),
        description="Default: the next free one.",
    )


class PhoneAnswer(BaseModel):
    """A phone, secrets hidden."""

    companyId: str  # noqa: N815
    phoneIndex: int  # noqa: N815
    connectionType: str  # noqa: N815
    channel: str
    status: str
    displayPhoneNumber: str | None  # noqa: N815
    onUnconfirmed: str  # noqa: N815
    config: dict[str, Any]
    pausedUntil: datetime | None  # noqa: N815
    pauseReason: str | None  # noqa: N815


class PhoneList(BaseModel):
    """A company's phones."""

    success: Literal[True] = True
    phones: list[PhoneAnswer]


class OnePhone(BaseModel):
    """One phone."""

    success: Literal[True] = True
    phone: PhoneAnswer


class Done(BaseModel):
    """It is done."""

    success: Literal[True] = True


class ProblemAnswer(BaseModel):
    """RFC 9457. Branch on `code`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = Field(None, description="Field or header that is wrong.")
    success: Literal[False] = False
    error: str = Field(description="The title again, for callers of the legacy server.")

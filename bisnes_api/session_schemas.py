"""Bodies and answers of the endpoints of sessions; as `bisnes_api.schemas`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from bisnes_api.schemas import PHONE_INDEX_MAX, Name, PhoneIndex

#: E.164: a number has at most 15 digits; none that can be called has fewer than 7.
_NUMBER = re.compile(r"[0-9]{7,15}")


def _digits(value: object) -> object:
    """Callers write numbers with `+`, spaces and dashes, or as JSON numbers; what remains are digits."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a phone number is a string of digits")
    digits = re.sub(r"[^0-9]", "", str(value))
    if not _NUMBER.fullmatch(digits):
        raise ValueError("a phone number has 7 to 15 digits, its country code first")
    return digits


def _index_or_all(value: object) -> object:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or (isinstance(value, str) and not value.isascii()):
        raise ValueError("a phone index is a number from 0")
    return value


PhoneNumber = Annotated[str, BeforeValidator(_digits)]
IndexOrAll = Annotated[
    int | None, BeforeValidator(_index_or_all), Field(ge=0, le=PHONE_INDEX_MAX, description="Default: every phone.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class PairBody(_Body):
    """Which telephone is to be paired."""

    phone_number: PhoneNumber = Field(
        validation_alias=AliasChoices("phoneNumber", "phone_number"),
        description="With country code; whatever is no digit is left out.",
    )


class LegacyPairBody(PairBody):
    """Which telephone is to be paired with which of the company's phones."""

    phone_index: PhoneIndex = Field(0, validation_alias=AliasChoices("phoneIndex", "specificPhoneIndex"))


class ReinitializeBody(_Body):
    """Which phones are to be opened anew."""

    bot_name: Name = Field(min_length=1, validation_alias=AliasChoices("botName"), description="The company's id.")
    phone_index: IndexOrAll = Field(None, validation_alias=AliasChoices("phoneIndex", "specificPhoneIndex"))


class DisconnectBody(_Body):
    """Which phones are to be logged out."""

    phone_index: IndexOrAll = Field(None, validation_alias=AliasChoices("phoneIndex", "specificPhoneIndex"))


class QrQuery(_Body):
    """In which form a QR is wanted."""

    format: Literal["text", "png", "svg"] | None = Field(
        None, description="Default: the first of text/plain, image/png, image/svg+xml that `Accept` allows."
    )


class SessionAnswer(BaseModel):
    """How a phone's session stands."""

    companyId: str  # noqa: N815 - the field's name in the answer
    phoneIndex: int  # noqa: N815
    channel: str
    state: str = Field(description="Such as `initializing`, `qr`, `needs_qr`, `ready`.")
    detail: str = Field(description="One sentence for people; empty when the state says it all.")
    build: str | None = Field(description="Version of what the session runs in.")
    phoneNumber: str | None = Field(description="Its own number, when known.")  # noqa: N815
    pairingCode: str | None = Field(description="What to type into the telephone, in `pairing_code`.")  # noqa: N815
    restrictedUntil: datetime | None = Field(description="End of a restriction, when known.")  # noqa: N815
    since: datetime | None = Field(description="Begin of the state.")


class OneSession(BaseModel):
    """One session."""

    success: Literal[True] = True
    session: SessionAnswer


class SessionAsked(BaseModel):
    """The session is asked; its state shows what came of it."""

    success: Literal[True] = True
    state: str = Field(description="Before it was asked.")


class PairingCode(BaseModel):
    """What to type into the telephone."""

    success: Literal[True] = True
    pairingCode: str  # noqa: N815
    message: str


class BotStatus(BaseModel):
    """Phones of a company as the legacy server shows them; with one phone its fields are here, else in `phones`."""

    companyId: str  # noqa: N815
    v2: bool
    trialEndDate: datetime | None  # noqa: N815
    apiUrl: str  # noqa: N815
    phoneCount: int  # noqa: N815
    phoneIndex: int | None = None  # noqa: N815
    status: str | None = None
    qrCode: str | None = Field(None, description="Data URL of a PNG.")  # noqa: N815
    phoneInfo: str | None = None  # noqa: N815
    connectionType: str | None = None  # noqa: N815
    phones: list[dict[str, Any]] | None = None


class BotAsked(BaseModel):
    """The sessions are asked; their states show what came of it."""

    success: Literal[True] = True
    message: str
    phoneCount: int | None = None  # noqa: N815
    phoneIndex: int | None = None  # noqa: N815

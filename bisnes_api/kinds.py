"""Every kind of message that a caller may send, as a table: its path, its body, and the payload made of it.

Attributes of a body are named as the payload's fields, their aliases as callers know them: what a payload holds and how
a wrong field is called towards its caller both follow from the body alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from bisnes_api.schemas import NAME_MAX_CHARACTERS, Name, PhoneIndex
from bisnes_core.message import PAYLOADS, Kind


# -- bodies -----------------------------------------------------------------------------------------------------------
class SendBody(BaseModel):
    """What every body has; unknown fields are ignored, since real callers send many."""

    model_config = ConfigDict(extra="ignore")

    author: Name | None = Field(
        None, validation_alias=AliasChoices("userName"), description="Who of the staff sends; stored as the author."
    )
    priority: Literal["interactive", "bulk"] = Field(
        "interactive", description="`bulk` leaves after everything interactive of the same phone."
    )


class ChatBody(SendBody):
    """Something new for a chat."""

    phone_index: PhoneIndex = Field(
        0,
        validation_alias=AliasChoices("phoneIndex", "specificPhoneIndex"),
        description='Which of the company\'s phones sends. A number or numeric string; null and "" mean 0.',
    )


class QuotingBody(ChatBody):
    """Something that may quote a message."""

    reply_to: Name | None = Field(
        None,
        validation_alias=AliasChoices("quotedMessageId"),
        description="Message to quote: our id or the provider's.",
    )


class TextBody(QuotingBody):
    """A text message."""

    text: str = Field(
        min_length=1,
        validation_alias=AliasChoices("message"),
        description="The text; its greatest length is the channel's (Meta: 4,096).",
    )
    preview_url: bool = Field(
        False, validation_alias=AliasChoices("previewUrl"), description="Whether the first link is shown as a preview."
    )


class FileBody(QuotingBody):
    """A file, fetched from its address when it is sent."""

    name: Name | None = Field(
        None, validation_alias=AliasChoices("filename", "fileName"), description="File name; default: the source's."
    )
    mime_type: Name | None = Field(
        None, validation_alias=AliasChoices("mimeType"), description="Instead of what the source says."
    )


class CaptionedBody(FileBody):
    """A file with text below it."""

    caption: str | None = Field(None, description="Text below it.")


class ImageBody(CaptionedBody):
    """A picture."""

    url: str = Field(validation_alias=AliasChoices("imageUrl"), description="Its address, https or http.")


class VideoBody(CaptionedBody):
    """A video."""

    url: str = Field(validation_alias=AliasChoices("videoUrl"), description="Its address, https or http.")


class AudioBody(CaptionedBody):
    """A voice note, or an audio file."""

    url: str = Field(validation_alias=AliasChoices("audioUrl"), description="Its address, https or http.")
    voice: bool = Field(True, description="As a voice note, as the legacy server sent all audio.")


class DocumentBody(CaptionedBody):
    """A document."""

    url: str = Field(validation_alias=AliasChoices("documentUrl"), description="Its address, https or http.")


class StickerBody(FileBody):
    """A sticker."""

    url: str = Field(validation_alias=AliasChoices("stickerUrl"), description="Its address, https or http.")


class LocationBody(QuotingBody):
    """A place."""

    latitude: float = Field(description="Degrees, -90 to 90.")
    longitude: float = Field(description="Degrees, -180 to 180.")
    name: Name | None = Field(None, description="Name of the place.")
    address: Name | None = Field(None, description="Address of the place.")


def _digits(value: object) -> object:
    """A telephone number as people write it."""
    return re.sub(r"[\s().+-]", "", value) if isinstance(value, str) else value


class ContactCard(BaseModel):
    """One contact."""

    model_config = ConfigDict(extra="ignore")

    name: Name = Field(min_length=1)
    phone: Annotated[Name, BeforeValidator(_digits)] = Field(description="With its country code, such as +60123456789.")
    organisation: Name | None = None


class ContactsBody(QuotingBody):
    """Contact cards."""

    contacts: list[ContactCard] = Field(min_length=1)


class PollBody(ChatBody):
    """A poll."""

    question: str = Field(min_length=1)
    options: list[str] = Field(description="2 to 12 answers to choose from.")
    choices_max: int | None = Field(
        None,
        validation_alias=AliasChoices("choicesMax"),
        description="How many answers one person may choose; 0 for any. Default: 1.",
    )


class ForwardBody(SendBody):
    """A message to forward; it is sent by the phone that has it."""

    message_id: Name = Field(validation_alias=AliasChoices("messageId"), description="Our id or the provider's.")


class TypingBody(ChatBody):
    """A typing sign."""

    sign: Literal["typing", "recording", "paused"] = "typing"
    seconds: float | None = Field(None, description="How long it is shown, at most 25.")


class ReactionBody(SendBody):
    """A reaction to a message."""

    emoji: str = Field(
        max_length=NAME_MAX_CHARACTERS,
        validation_alias=AliasChoices("reaction", "emoji"),
        description="One emoji; empty takes the reaction back.",
    )


class ReadBody(SendBody):
    """Marking a received message as read."""

    typing: bool = Field(False, description="Also shows the typing sign for a while.")


class EditBody(SendBody):
    """A message's new text."""

    text: str = Field(
        min_length=1, validation_alias=AliasChoices("newMessage", "newText"), description="New text or caption."
    )


class DeleteBody(SendBody):
    """How a message is deleted."""

    for_everyone: Annotated[StrictBool, BeforeValidator(lambda value: value or False)] = Field(
        False,
        validation_alias=AliasChoices("deleteForEveryone"),
        description="For everyone rather than for us alone; counts for our own messages only.",
    )
    phone_index: PhoneIndex = Field(
        0, validation_alias=AliasChoices("phoneIndex"), description="Of no effect: the phone that has the message acts."
    )


# -- the table --------------------------------------------------------------------------------------------------------
def _text_of(*names: str) -> Callable[[Mapping[str, Any]], str | None]:
    """The first of these fields that a payload has."""
    return lambda payload: next((payload[name] for name in names if name in payload), None)


def _names_of_contacts(payload: Mapping[str, Any]) -> str:
    return ", ".join(contact["name"] for contact in payload["contacts"])


@dataclass(frozen=True)
class Form:
    """How a kind is sent.

    Attributes:
        name: `operationId`.
        summary: one sentence for the documentation.
        path: default: of something new for a chat.
        content: readable text of a payload, for the message's row.
        empty: whether a request without a body counts as `{}`.
        direction: only messages of that direction may be named.
        missing: field that the legacy server asked for first, with the code of the problem when it is empty.
    """

    kind: Kind
    name: str
    summary: str
    body: type[SendBody]
    path: str = ""
    method: str = "POST"
    content: Callable[[Mapping[str, Any]], str | None] = field(default=_text_of())
    empty: bool = False
    direction: str | None = None
    missing: tuple[str, str] | None = None

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        path = self.path or f"/api/v2/messages/{self.kind}/{{company_id}}/{{chat_id}}"
        return path.format(company_id="<company_id>", chat_id="<chat_id>", message_id="<path:message_id>")

    @property
    def names_message(self) -> bool:
        """Whether it is about, or made of, a message that is there already."""
        return "message_id" in self._needed

    @cached_property
    def _needed(self) -> Mapping[str, bool]:
        return {name.rstrip("?"): not name.endswith("?") for name in PAYLOADS[self.kind]}

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """Payload fields with the name that callers know them by."""
        known = {"message_id": "messageId"} if self.names_message else {}
        return known | {name: _caller_name(self.body, name) for name in self._needed.keys() & self.body.model_fields}

    def payload_of(self, body: SendBody) -> dict[str, Any]:
        """The payload, without optional fields that say nothing."""
        given = body.model_dump(include=set(self._needed), exclude_none=True)
        return {
            name: value for name, value in given.items() if self._needed[name] or not (value is False or value == "")
        }


def _caller_name(body: type[BaseModel], name: str) -> str:
    alias = body.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


FORMS: tuple[Form, ...] = (
    Form(Kind.TEXT, "sendText", "Send a text message.", TextBody, content=_text_of("text")),
    Form(Kind.IMAGE, "sendImage", "Send a picture.", ImageBody, content=_text_of("caption")),
    Form(Kind.VIDEO, "sendVideo", "Send a video.", VideoBody, content=_text_of("caption")),
    Form(
        Kind.AUDIO,
        "sendAudio",
        "Send a voice note, or an audio file.",
        AudioBody,
        content=_text_of("caption"),
        missing=("audioUrl", "audio_url_missing"),
    ),
    Form(Kind.DOCUMENT, "sendDocument", "Send a document.", DocumentBody, content=_text_of("caption", "name")),
    Form(Kind.STICKER, "sendSticker", "Send a sticker.", StickerBody),
    Form(Kind.LOCATION, "sendLocation", "Send a place.", LocationBody, content=_text_of("name", "address")),
    Form(Kind.CONTACTS, "sendContacts", "Send contact cards.", ContactsBody, content=_names_of_contacts),
    Form(Kind.POLL, "sendPoll", "Send a poll.", PollBody, content=_text_of("question")),
    Form(Kind.FORWARD, "forward", "Forward a message; it is sent by the phone that has it.", ForwardBody),
    Form(Kind.TYPING, "showTyping", "Show a typing sign for a while.", TypingBody, empty=True),
    Form(
        Kind.REACTION,
        "react",
        "React to a message; it is sent by the phone that has the message.",
        ReactionBody,
        path="/api/messages/react/{company_id}/{message_id}",
        content=_text_of("emoji"),
    ),
    Form(
        Kind.READ,
        "markRead",
        "Mark a received message, and all before it, as read.",
        ReadBody,
        path="/api/v2/messages/read/{company_id}/{message_id}",
        empty=True,
        direction="inbound",
    ),
    Form(
        Kind.EDIT,
        "edit",
        "Give one of our own messages another text.",
        EditBody,
        path="/api/v2/messages/{company_id}/{chat_id}/{message_id}",
        method="PUT",
        content=_text_of("text"),
        direction="outbound",
    ),
    Form(
        Kind.DELETE,
        "delete",
        "Delete a message, for us or, if it is our own, for everyone.",
        DeleteBody,
        path="/api/v2/messages/{company_id}/{chat_id}/{message_id}",
        method="DELETE",
        empty=True,
    ),
)

"""A spec's webhook functions: nothing passes unsigned, nothing raises, nothing vanishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from bisnes_core.channel import ChannelSpec, Parsed, Webhook, WebhookRequest
from bisnes_core.settings import Settings

#: What nobody's provider sends: each must come out of `parse` as something, never as an exception.
GARBAGE: Final = (
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"0",
    b"[[[[]]]]",
    b"[" * 50_000,
    b'{"entry":[null,7,{"changes":[{"value":{"messages":[{}],"statuses":[null]}}]}]}',
    b'{"messages":[{"id":1}],"statuses":{}}',
    b'{"a":"\\ud800\\u0000"}',
)
_HEADERS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"x-hub-signature-256": "sha256=é"},
    {"authorization": "\x00"},
    {"x-signature": ""},
)


def check_webhook(spec: ChannelSpec) -> Iterator[str]:
    """Gates are shut without a secret, and `parse` survives everything."""
    webhook = spec.webhook
    if webhook is None:
        return
    for name in (webhook.secret_setting, webhook.token_setting):
        if name is not None and name not in Settings.model_fields:
            yield f"{name!r} is no setting"
    yield from _check_gates(webhook)
    yield from check_parse(webhook.parse)


def _check_gates(webhook: Webhook) -> Iterator[str]:
    """Nothing passes without a secret, and nothing raises."""
    for headers in _HEADERS:
        for secrets in ((), ("",), ("made-up",)):
            request = WebhookRequest("POST", {}, headers, b"{}")
            answer = _call(partial(webhook.verify, request, secrets))
            if answer is not False:
                yield f"verify must refuse an unsigned request with secrets {secrets}; it {_answered(answer)}"
                return
    queries: tuple[dict[str, str], ...] = ({}, {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""})
    for query in queries:
        for tokens in ((), ("",)):
            request = WebhookRequest("GET", query, {})
            answer = _call(partial(webhook.challenge, request, tokens))
            if answer is not None:
                yield f"challenge must refuse when there is no token; it {_answered(answer)}"
                return


def check_parse(parse: Callable[[bytes], list[Parsed]]) -> Iterator[str]:
    """Garbage comes out as items, and the same bytes as the same items."""
    for body in GARBAGE:
        first, second = (_call(partial(parse, body)) for _ in range(2))
        if not isinstance(first, list) or not first:
            yield f"parse must answer a list with at least one item for {body[:60]!r}; it {_answered(first)}"
        elif not all(isinstance(item, Parsed) for item in first):
            yield f"parse answered something else than items for {body[:60]!r}"
        elif first != second:
            yield f"parse answered two different things for the same {body[:60]!r}"


def _call(function: Callable[[], object]) -> object:
    """The function's answer, or the exception that it raised."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - that it raises is the defect
        return error


def _answered(answer: object) -> str:
    return f"raised {type(answer).__name__}: {answer}" if isinstance(answer, Exception) else f"answered {answer!r}"

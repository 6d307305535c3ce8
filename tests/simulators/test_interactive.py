"""Limits of interactive and template messages: what just fits is taken, one more is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulators.support import Simulator, error_of, running

LINK = "https://example.com/a.jpg"
REPLY = {"type": "reply", "reply": {"id": "1", "title": "Yes"}}
ROW = {"id": "1", "title": "One"}
CTA = {"name": "cta_url", "parameters": {"display_text": "Go", "url": LINK}}
FLOW = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Start"}


@pytest.fixture(scope="module")
def one() -> Iterator[Simulator]:
    """One process for the tables; its only state is the ledger."""
    with running("--receipts", "off") as simulator:
        yield simulator


def interactive(kind: str, action: Any, body: str | None = "body", **parts: Any) -> dict[str, Any]:
    return {"type": kind, "action": action, **({"body": {"text": body}} if body is not None else {}), **parts}


def buttons(*replies: tuple[str, str]) -> dict[str, Any]:
    return {"buttons": [{"type": "reply", "reply": {"id": key, "title": title}} for key, title in replies]}


def sections(*sizes: int, title: str = "T") -> list[dict[str, Any]]:
    return [
        {"title": f"{title}{at}", "rows": [{"id": f"{at}-{row}", "title": "One"} for row in range(size)]}
        for at, size in enumerate(sizes)
    ]


def card(index: int) -> dict[str, Any]:
    return {"card_index": index, "header": {"type": "image", "image": {"link": LINK}}, "action": CTA}


ACCEPTED: dict[str, dict[str, Any]] = {
    "longest body": interactive("button", {"buttons": [REPLY]}, "x" * 1024),
    "longest list body": interactive("list", {"button": "b", "sections": [{"rows": [ROW]}]}, "x" * 4096),
    "three buttons": interactive("button", buttons(("1", "a"), ("2", "b"), ("3", "c" * 20))),
    "longest header and footer": interactive(
        "button", {"buttons": [REPLY]}, header={"type": "text", "text": "x" * 60}, footer={"text": "x" * 60}
    ),
    "image header": interactive("button", {"buttons": [REPLY]}, header={"type": "image", "image": {"link": LINK}}),
    "ten rows": interactive("list", {"button": "b" * 20, "sections": sections(5, 5)}),
    "one section without a title": interactive("list", {"button": "b", "sections": [{"rows": [ROW]}]}),
    "link": interactive("cta_url", CTA),
    "flow by name": interactive("flow", {"name": "flow", "parameters": {**FLOW, "flow_id": None, "flow_name": "n"}}),
    "carousel": interactive("carousel", {"cards": [card(0), card(1)]}),
    "json in strings": interactive(
        "button", '{"buttons":[{"type":"reply","reply":"{\\"id\\":1,\\"title\\":\\"t\\"}"}]}'
    ),
}

REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "no body": (interactive("button", {"buttons": [REPLY]}, None), 131008),
    "unknown type": (interactive("poll", {}), 100),
    "no action": (interactive("button", None), 131008),
    "body too long": (interactive("button", {"buttons": [REPLY]}, "x" * 1025), 100),
    "list body too long": (interactive("list", {"button": "b", "sections": [{"rows": [ROW]}]}, "x" * 4097), 100),
    "header too long": (interactive("button", {"buttons": [REPLY]}, header={"type": "text", "text": "x" * 61}), 100),
    "footer too long": (interactive("button", {"buttons": [REPLY]}, footer={"text": "x" * 61}), 100),
    "image on a list": (
        interactive(
            "list",
            {"button": "b", "sections": [{"rows": [ROW]}]},
            header={"type": "image", "image": {"link": LINK}},
        ),
        100,
    ),
    "no buttons": (interactive("button", {"buttons": []}), 131009),
    "four buttons": (interactive("button", buttons(*((str(at), str(at)) for at in range(4)))), 131009),
    "button title too long": (interactive("button", buttons(("1", "x" * 21))), 100),
    "button id too long": (interactive("button", buttons(("x" * 257, "a"))), 100),
    "same button id": (interactive("button", buttons(("1", "a"), ("1", "b"))), 131009),
    "same button title": (interactive("button", buttons(("1", "a"), ("2", "a"))), 131009),
    "other button type": (interactive("button", {"buttons": [{**REPLY, "type": "url"}]}), 100),
    "eleven rows": (interactive("list", {"button": "b", "sections": sections(6, 5)}), 131009),
    "no rows": (interactive("list", {"button": "b", "sections": sections(0)}), 131009),
    "eleven sections": (interactive("list", {"button": "b", "sections": sections(*[1] * 11)}), 131009),
    "section without a title": (
        interactive("list", {"button": "b", "sections": [*sections(1), {"rows": [{"id": "x", "title": "t"}]}]}),
        131008,
    ),
    "list button too long": (interactive("list", {"button": "b" * 21, "sections": sections(1)}), 100),
    "section title too long": (interactive("list", {"button": "b", "sections": sections(1, title="x" * 24)}), 100),
    "same row id": (interactive("list", {"button": "b", "sections": [{"rows": [ROW, ROW]}]}), 131009),
    "row title too long": (
        interactive("list", {"button": "b", "sections": [{"rows": [{"id": "1", "title": "x" * 25}]}]}),
        100,
    ),
    "row description too long": (
        interactive("list", {"button": "b", "sections": [{"rows": [{**ROW, "description": "x" * 73}]}]}),
        100,
    ),
    "link without a scheme": (
        interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "Go", "url": "example.com"}}),
        100,
    ),
    "link text too long": (
        interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "x" * 21, "url": LINK}}),
        100,
    ),
    "flow by id and name": (
        interactive("flow", {"name": "flow", "parameters": {**FLOW, "flow_name": "n"}}),
        131009,
    ),
    "flow button too long": (interactive("flow", {"name": "flow", "parameters": {**FLOW, "flow_cta": "x" * 21}}), 100),
    "other action name": (interactive("location_request_message", {"name": "send_money"}), 100),
    "products without a header": (interactive("product_list", {"catalog_id": "1", "sections": []}), 131008),
    "one card": (interactive("carousel", {"cards": [card(0)]}), 131009),
    "cards out of order": (interactive("carousel", {"cards": [card(1), card(0)]}), 131009),
}


def test_what_just_fits_is_taken(one: Simulator) -> None:
    found = {name: one.send(type="interactive", interactive=obj).text for name, obj in ACCEPTED.items()}
    assert {name: text for name, text in found.items() if "wamid." not in text} == {}


def test_one_more_is_refused_with_metas_code(one: Simulator) -> None:
    found = {
        name: error_of(one.send(type="interactive", interactive=obj))["code"] for name, (obj, _) in REFUSED.items()
    }
    assert found == {name: code for name, (_, code) in REFUSED.items()}


def template(*components: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"name": "any", "language": {"code": "en"}, "components": list(components), **members}


BAD_TEMPLATES: dict[str, tuple[dict[str, Any], int]] = {
    "no name": (template(name=""), 100),
    "no language": (template(language=None), 131008),
    "language as a word": (template(language="en"), 100),
    "components no list": (template(components="header"), 100),
    "component without a type": (template({"parameters": []}), 131008),
    "text parameter without text": (template({"type": "body", "parameters": [{"type": "text"}]}), 131008),
    "parameter without a type": (template({"type": "body", "parameters": [{"text": "x"}]}), 131008),
    "currency without a value": (template({"type": "body", "parameters": [{"type": "currency"}]}), 131008),
    "image without a source": (template({"type": "header", "parameters": [{"type": "image", "image": {}}]}), 100),
    "button without an index": (template({"type": "button", "sub_type": "url"}), 131009),
    "button without a sub type": (template({"type": "button", "index": 0}), 131008),
    "hello_world with a parameter": (
        template(
            {"type": "body", "parameters": [{"type": "text", "text": "x"}]},
            name="hello_world",
            language={"code": "en_US"},
        ),
        132000,
    ),
}


def test_bad_templates_are_refused_with_metas_code(one: Simulator) -> None:
    found = {
        name: error_of(one.send(type="template", template=obj))["code"] for name, (obj, _) in BAD_TEMPLATES.items()
    }
    assert found == {name: code for name, (_, code) in BAD_TEMPLATES.items()}
    upper = template(
        {"type": "BODY", "parameters": [{"type": "text", "text": "x"}]},
        language={"code": "en", "policy": "deterministic"},
    )
    assert one.send(type="template", template=upper).status_code == 200

"""The conformance kit finds what is wrong: each rule breaks on a planted defect, and on nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from bisnes_core.channel import ChannelAdapter, ChannelSpec, Ignored, Parsed, Quarantined, WebhookRequest
from bisnes_core.conformance import RULES, check_channel, check_spec, weight
from bisnes_core.conformance.webhook import GARBAGE
from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import Kind
from bisnes_core.pace import PACE_SCHEMA, PaceRule
from bisnes_core.phone import Phone
from bisnes_core.retry import RetryRule
from bisnes_core.session import Session, SessionHost
from plugins.loopback.adapter import LoopbackAdapter
from plugins.loopback.spec import SPEC as LOOPBACK
from plugins.meta.spec import SPEC as META
from plugins.wwebjs.spec import SPEC as WWEBJS

SPECS = ["plugins.meta.spec:SPEC", "plugins.wwebjs.spec:SPEC", "plugins.loopback.spec:SPEC"]


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def planted(**changes: Any) -> ChannelSpec:
    """Loopback's spec with a defect."""
    return dataclasses.replace(LOOPBACK, **changes)


def paced(pace: PaceRule) -> ChannelSpec:
    """Loopback's spec with a pace that phones may replace."""
    return planted(pace=pace, config_schema=schema(pace=PACE_SCHEMA))


def with_webhook(**changes: Any) -> ChannelSpec:
    """Meta's spec with a defect in its webhook."""
    assert META.webhook is not None
    return dataclasses.replace(META, webhook=dataclasses.replace(META.webhook, **changes))


class NoChannel:
    """An adapter that is none."""


class Half(ChannelAdapter):
    """An adapter that lacks its methods."""


class Listening(LoopbackAdapter):
    """Opens sessions."""

    async def listen(self, phone: Phone, host: SessionHost) -> None:
        """Would hold it."""


HEARING = Session(lambda event: [Ignored("heard")])
LISTENING = f"{__name__}:Listening"


def check_nothing(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Lets everything pass."""


def check_carelessly(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Raises what it finds."""
    if kind not in LOOPBACK.kinds:
        raise Unsupported("unsupported_kind")
    payload["text"].strip()


def check_and_change(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Trims the text in place."""
    LOOPBACK.check(kind, chat_id, payload)
    assert isinstance(payload, dict)
    payload["trimmed"] = True


def check_refusing_all(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Refuses everything."""
    raise (Unsupported if kind not in LOOPBACK.kinds else Permanent)("invalid_field")


def check_refusing_polls(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Says that it sends polls, and sends none."""
    LOOPBACK.check(kind, chat_id, payload)
    if kind is Kind.POLL:
        raise Permanent("invalid_field")


def check_without_kinds(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Knows no kind at all."""
    raise Unsupported("unsupported_kind")


def verify_raising(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Needs its header."""
    return bool(request.headers["x-hub-signature-256"])


def parse_once() -> Callable[[bytes], list[Parsed]]:
    """Answers differently each time."""
    seen: list[bytes] = []

    def parse(body: bytes) -> list[Parsed]:
        seen.append(body)
        return [Ignored(str(len(seen)))]

    return parse


def parse_raising(body: bytes) -> list[Parsed]:
    """Believes that all is well."""
    return [Ignored(str(body.decode()))]


PLANTED: list[tuple[str, str, ChannelSpec]] = [
    ("names", "names the watcher", planted(name="Loop Back")),
    ("names", "names the watcher", planted(name="")),
    ("names", "connection_types", planted(connection_types=())),
    ("names", "connection_types", planted(connection_types=("a", "a"))),
    ("names", "connection_types", planted(connection_types=("a", ""))),
    ("names", "connection_types", planted(connection_types="loopback")),
    ("names", "kinds", planted(kinds=frozenset(), check=check_without_kinds)),
    ("retry", "attempts", planted(retry=RetryRule(attempts=0))),
    ("retry", "jitter", planted(retry=RetryRule(jitter=1.0))),
    ("retry", "factor", planted(retry=RetryRule(factor=0.5))),
    ("retry", "first_s", planted(retry=RetryRule(first_s=0))),
    ("schema", "no JSON Schema", planted(config_schema={"type": "objekt", "properties": {}})),
    ("schema", '"type": "object"', planted(config_schema={"properties": {}, "additionalProperties": False})),
    ("schema", "additionalProperties", planted(config_schema={"type": "object", "properties": {}})),
    ("schema", "provider_phone_id", planted(provider_phone_id="nowhere")),
    ("schema", "nobody knows whose", planted(webhook=META.webhook)),
    ("pace", "$.gap_s", paced(PaceRule(gap_s=-1))),
    ("pace", "quiet_until", paced(PaceRule(quiet_from=time(21)))),
    ("pace", "'Nowhere/Else' is unknown", paced(PaceRule(timezone="Nowhere/Else"))),
    ("pace", "limits of its own", planted(pace=PaceRule(), config_schema=schema())),
    ("secrets", "looks like a secret", planted(config_schema=schema(access_token={"type": "string"}))),
    ("secrets", "looks like a secret", planted(config_schema=schema(apiKey={"type": "string", "x-secret": False}))),
    ("secrets", "must be a string", planted(config_schema=schema(pin={"type": "integer", "x-secret": True}))),
    (
        "secrets",
        "must not hold values",
        planted(config_schema=schema(pin={"type": "string", "x-secret": True, "default": "0000"})),
    ),
    (
        "secrets",
        "below the first level",
        planted(config_schema=schema(login={"anyOf": [{"properties": {"key": {"x-secret": True}}}]})),
    ),
    (
        "secrets",
        "routed by it",
        planted(config_schema=schema(number={"type": "string", "x-secret": True}), provider_phone_id="number"),
    ),
    ("adapter", "form", planted(adapter="plugins.loopback.adapter")),
    ("adapter", "cannot be imported", planted(adapter="plugins.loopback.nowhere:Adapter")),
    ("adapter", "cannot be imported", planted(adapter="plugins.loopback.adapter:Nobody")),
    ("adapter", "no subclass", planted(adapter=f"{__name__}:NoChannel")),
    ("adapter", "lacks find_sent, health, send", planted(adapter=f"{__name__}:Half")),
    ("adapter", "lacks listen", planted(session=HEARING)),
    ("adapter", "nobody calls it", planted(adapter=LISTENING)),
    ("check", "must raise Unsupported", planted(check=check_nothing)),
    ("check", "must raise Permanent", planted(check=check_carelessly)),
    ("check", "changed the payload", planted(check=check_and_change)),
    ("check", "must accept a plain text", planted(check=check_refusing_all)),
    ("check", "must accept a plain poll", planted(check=check_refusing_polls)),
    ("webhook", "is no setting", with_webhook(secret_setting="meta_app_sekret")),
    ("webhook", "verify must refuse", with_webhook(verify=lambda request, secrets: True)),
    ("webhook", "raised KeyError", with_webhook(verify=verify_raising)),
    (
        "webhook",
        "challenge must refuse",
        with_webhook(challenge=lambda request, tokens: request.query.get("hub.challenge")),
    ),
    ("webhook", "raised UnicodeDecodeError", with_webhook(parse=parse_raising)),
    ("webhook", "at least one item", with_webhook(parse=lambda body: [])),
    ("webhook", "something else than items", with_webhook(parse=lambda body: [body])),
    ("webhook", "two different things", with_webhook(parse=parse_once())),
    ("session", "not both", dataclasses.replace(META, session=HEARING, adapter=LISTENING)),
    ("session", "raised UnicodeDecodeError", planted(session=Session(parse_raising), adapter=LISTENING)),
    ("session", "at least one item", planted(session=Session(lambda event: []), adapter=LISTENING)),
    ("retry", "cannot be looked at", planted(retry=None)),
]


@pytest.mark.parametrize(("rule", "words", "spec"), PLANTED, ids=[f"{rule}-{words}" for rule, words, _ in PLANTED])
def test_a_planted_defect_is_found_under_its_rule(rule: str, words: str, spec: ChannelSpec) -> None:
    defects = check_spec(spec)
    assert any(words in str(defect) for defect in defects), defects
    assert {defect.rule for defect in defects} == {rule}


def test_every_rule_has_a_planted_defect() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


@pytest.mark.parametrize("reference", SPECS)
def test_built_in_channels_have_none(reference: str) -> None:
    assert check_channel(reference) == []


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a spec module that only the tested interpreter can find; answers its reference."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(source: str) -> str:
        (tmp_path / "planted_spec.py").write_text(source)
        (tmp_path / "planted_adapter.py").write_text("")
        return "planted_spec:SPEC"

    return write


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ValueError('oops')", "with status 1: ValueError: oops"),
        ("import os\nos._exit(3)", "with status 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "with status -11"),
        ("import threading\nthreading.Event().wait()", "to end within"),
    ],
)
def test_an_import_that_breaks_or_hangs_is_a_defect(
    plug_in: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    monkeypatch.setattr(weight, "IMPORT_TIMEOUT_S", 1.0)
    [defect] = check_channel(plug_in(source))
    assert defect.rule == "import"
    assert words in defect.words


def test_a_heavy_import_is_a_defect(plug_in: Callable[[str], str]) -> None:
    source = """
import redis, planted_adapter
from plugins.loopback.spec import SPEC as LOOPBACK
from dataclasses import replace
SPEC = replace(LOOPBACK, adapter="planted_adapter:Adapter")
"""
    words = list(weight.weigh_import(plug_in(source)))
    assert len(words) == 2
    assert "loads redis" in words[0]
    assert "imports its adapter planted_adapter" in words[1]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("plugins.meta.spec", "form"),
        ("", "form"),
        ("json:dumps", "not a ChannelSpec"),
        ("no_such_module:SPEC", "import fails"),
    ],
)
def test_a_reference_that_leads_nowhere(reference: str, words: str) -> None:
    [defect] = check_channel(reference)
    assert words in defect.words


@pytest.mark.parametrize("spec", [META, WWEBJS], ids=["meta", "wwebjs"])
def test_garbage_of_the_kit_is_understood_as_garbage(spec: ChannelSpec) -> None:
    """Otherwise its rules on `parse` would prove nothing."""
    assert spec.parse is not None
    for body in GARBAGE:
        assert all(isinstance(item, Quarantined | Ignored) for item in spec.parse(body))

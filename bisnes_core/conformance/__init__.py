"""The conformance kit: tells the author of a channel what is missing, before any message is sent.

    defects = check_channel("my_pkg.spec:SPEC")

looks at the spec's form, its check, what it makes of what comes in, and the weight of its import. What its adapter
makes of a provider's answers is tested by `bisnes_core.conformance.suite`; how it holds sessions, by `session_suite`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final

from bisnes_core.channel import ChannelSpec
from bisnes_core.conformance import form, payload, session, webhook
from bisnes_core.conformance.weight import IMPORT_FAILS, weigh_import

#: Every rule by its name, in the order in which an author meets them.
RULES: Final[Mapping[str, Callable[[ChannelSpec], Iterator[str]]]] = MappingProxyType(
    {
        "names": form.check_names,
        "retry": form.check_retry,
        "schema": form.check_schema,
        "pace": form.check_pace,
        "secrets": form.check_secrets,
        "adapter": form.check_adapter,
        "check": payload.check_check,
        "webhook": webhook.check_webhook,
        "session": session.check_session,
    }
)


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong with a channel.

    Attributes:
        rule: name of the broken rule, such as `schema`.
        words: what is wrong and what would be right.
    """

    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.words}"


def check_channel(reference: str) -> list[Defect]:
    """Everything wrong with the channel whose spec is at `"package.module:NAME"`.

    The import is tried in an interpreter of its own first, so that one that hangs or crashes is a defect like others.
    """
    if not form.REFERENCE.fullmatch(reference):
        return [Defect("reference", f"{reference!r} is not of the form package.module:NAME")]
    defects = [Defect("import", words) for words in weigh_import(reference)]
    if any(defect.words.startswith(IMPORT_FAILS) for defect in defects):
        return defects
    module, _, name = reference.partition(":")
    spec = getattr(import_module(module), name)
    if not isinstance(spec, ChannelSpec):
        return [*defects, Defect("reference", f"{reference} is a {type(spec).__name__}, not a ChannelSpec")]
    return [*defects, *check_spec(spec)]


def check_spec(spec: ChannelSpec) -> list[Defect]:
    """Everything wrong with a spec that is imported already."""
    return [Defect(rule, words) for rule in RULES for words in _apply(rule, spec)]


def _apply(rule: str, spec: ChannelSpec) -> list[str]:
    try:
        return list(RULES[rule](spec))
    except Exception as error:  # noqa: BLE001 - a spec may be wrong in ways that no rule foresaw; that is a defect too
        return [f"cannot be looked at: {type(error).__name__}: {error}"]

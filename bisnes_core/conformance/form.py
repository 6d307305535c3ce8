"""The form of a spec: names, retry rule, configuration schema, pace, secrets, adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import time
from importlib import import_module
from inspect import isabstract
from typing import Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from bisnes_core.channel import ChannelAdapter, ChannelSpec
from bisnes_core.message import Kind
from bisnes_core.pace import PACE_SCHEMA, zone_of

#: `package.module:NAME`.
REFERENCE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

#: Configuration fields with such names hold secrets.
_SECRET_NAMES: Final = re.compile(r"(?i)(secret|token|password|passphrase|api_?key|private_?key|credential|^pin$)")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def check_names(spec: ChannelSpec) -> Iterator[str]:
    """Name, connection types and kinds."""
    if not _NAME.fullmatch(spec.name):
        yield f"{spec.name!r} must be 1 to 32 lower-case letters, digits, - and _, a letter first: it names the watcher"
    types: object = spec.connection_types
    if not isinstance(types, tuple) or not all(types) or not 0 < len(set(types)) == len(types):
        yield "connection_types must be a tuple of at least one connection type, each once"
    if not spec.kinds or not all(isinstance(kind, Kind) for kind in spec.kinds):
        yield "kinds must hold at least one Kind"


def check_retry(spec: ChannelSpec) -> Iterator[str]:
    """Numbers of the retry rule."""
    rule = spec.retry
    if rule.attempts < 1 or rule.first_s <= 0 or rule.factor < 1 or not 0 <= rule.jitter < 1:
        yield f"{rule} needs attempts >= 1, first_s > 0, factor >= 1 and 0 <= jitter < 1"


def check_schema(spec: ChannelSpec) -> Iterator[str]:
    """The configuration schema is one, and has the fields that are named elsewhere."""
    schema = spec.config_schema
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"config_schema is no JSON Schema (draft 2020-12): {error.message}"
        return
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), Mapping):
        yield 'config_schema must have "type": "object" and "properties"'
        return
    if schema.get("additionalProperties") is not False:
        yield 'config_schema must have "additionalProperties": false, or a misspelled field is silently ignored'
    if spec.provider_phone_id is not None and spec.provider_phone_id not in schema["properties"]:
        yield f"provider_phone_id names {spec.provider_phone_id!r}, which config_schema does not have"
    if spec.webhook is not None and spec.provider_phone_id is None:
        yield "a channel with a webhook needs provider_phone_id, or nobody knows whose webhook it is"


def check_pace(spec: ChannelSpec) -> Iterator[str]:
    """The channel's limits are such as a phone may have, and each phone may have its own."""
    if spec.pace is None:
        return
    limits = {name: _written(value) for name, value in asdict(spec.pace).items() if value is not None}
    for error in Draft202012Validator(PACE_SCHEMA).iter_errors(limits):
        yield f"no phone could have this pace: {error.json_path}: {error.message}"
    if zone_of(spec.pace.timezone) is None:
        yield f"no phone could have this pace: the time zone {spec.pace.timezone!r} is unknown"
    properties = spec.config_schema.get("properties")
    if isinstance(properties, Mapping) and not isinstance(properties.get("pace"), Mapping):
        yield 'config_schema needs "pace": PACE_SCHEMA, or no phone can have limits of its own'


def _written(value: object) -> object:
    return value.isoformat("minutes") if isinstance(value, time) else value


def check_secrets(spec: ChannelSpec) -> Iterator[str]:
    """Everything secret is marked, and nothing else hides a mark."""
    properties = spec.config_schema.get("properties")
    if not isinstance(properties, Mapping):
        return
    for name, schema in properties.items():
        marked = isinstance(schema, Mapping) and schema.get("x-secret") is True
        if _SECRET_NAMES.search(name) and not marked:
            yield f'{name} looks like a secret: mark it "x-secret": true'
        if marked and schema.get("type") != "string":
            yield f"{name} is secret and must be a string: it is stored encrypted"
        if marked and (schema.keys() & {"default", "examples", "const", "enum"}):
            yield f"{name} is secret: its schema must not hold values"
        if not marked and _has_mark(schema):
            yield f"{name} hides a secret below the first level, where nobody encrypts it"
    if spec.provider_phone_id in spec.secret_fields:
        yield "provider_phone_id is secret, but webhooks are routed by it"


def _has_mark(schema: object) -> bool:
    if isinstance(schema, Mapping):
        return "x-secret" in schema or any(_has_mark(inner) for inner in schema.values())
    return isinstance(schema, list) and any(_has_mark(inner) for inner in schema)


def check_adapter(spec: ChannelSpec) -> Iterator[str]:
    """The adapter can be imported and is a whole ChannelAdapter."""
    if not REFERENCE.fullmatch(spec.adapter):
        yield f"adapter {spec.adapter!r} is not of the form package.module:Class"
        return
    module, _, name = spec.adapter.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # noqa: BLE001 - a plug-in's import may raise anything, and that is the defect
        yield f"adapter {spec.adapter} cannot be imported: {type(error).__name__}: {error}"
        return
    if not (isinstance(found, type) and issubclass(found, ChannelAdapter)):
        yield f"adapter {spec.adapter} is no subclass of ChannelAdapter"
    elif isabstract(found):
        yield f"adapter {spec.adapter} lacks {', '.join(sorted(found.__abstractmethods__))}"
    elif spec.session is not None and found.listen is ChannelAdapter.listen:
        yield f"adapter {spec.adapter} lacks listen, which opens the phones' sessions"
    elif spec.session is None and found.listen is not ChannelAdapter.listen:
        yield f"adapter {spec.adapter} has listen, but nobody calls it: the spec has no session"

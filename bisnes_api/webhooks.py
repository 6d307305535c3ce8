"""Webhooks of providers: verified over the raw bytes, stored raw, answered, and only then told to the relay.

Everything here fails closed. What is stored is parsed by the events worker; an answer other than 2xx makes the provider
deliver again.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from bisnes_api.body import read_bytes
from bisnes_api.documents import documented
from bisnes_api.problem import Problem
from bisnes_api.runtime import Runtime, runtime
from bisnes_core.channel import ChannelSpec, UnknownChannel, Webhook, WebhookRequest, spec_for
from db import provider_events

blueprint = Blueprint("webhooks", __name__)

_TAG = "Provider webhooks"


@blueprint.get("/webhooks/<channel>")
@documented(
    "verifyWebhook",
    _TAG,
    {200: (None, "The challenge.")},
    problems=("verification_refused", "not_found"),
    by_key=False,
)
def verify(channel: str) -> Response:
    """Answer a provider's verification request."""
    return _verify(channel)


@blueprint.get("/webhook/<channel>")
def verify_legacy(channel: str) -> Response:
    """As `verify`, under the legacy server's path."""
    return _verify(channel)


def _verify(channel: str) -> Response:
    run = runtime()
    _, webhook = _webhook(run, channel)
    text = webhook.challenge(_request(b""), _setting(run, webhook.token_setting))
    if text is None:
        raise Problem("verification_refused", "The verify token is missing, wrong, or not configured here.")
    return Response(text, content_type="text/plain; charset=utf-8")


@blueprint.post("/webhooks/<channel>")
@documented(
    "receiveWebhook",
    _TAG,
    {200: (None, "Stored.")},
    problems=("signature_invalid", "not_found", "bad_request", "body_too_large", "database_away"),
    by_key=False,
)
def receive(channel: str) -> Response:
    """Store what a provider tells us."""
    return _receive(channel)


@blueprint.post("/webhook/<channel>")
def receive_legacy(channel: str) -> Response:
    """As `receive`, under the legacy server's path."""
    return _receive(channel)


def _receive(channel: str) -> Response:
    run = runtime()
    spec, webhook = _webhook(run, channel)
    body = read_bytes(run.settings.webhook_body_max_bytes)
    if not webhook.verify(_request(body), _secrets(run, spec, webhook)):
        raise Problem("signature_invalid", "The signature is missing or none of our secrets made it.")
    with run.pool.connection() as conn:
        provider_events.store_event(conn, spec.name, body)
    run.nudge_events()
    return Response("OK", content_type="text/plain; charset=utf-8")


def _webhook(run: Runtime, channel: str) -> tuple[ChannelSpec, Webhook]:
    """The channel behind a path; legacy paths name a connection type (`360dialog`)."""
    spec = run.specs.get(channel)
    if spec is None:
        try:
            spec = spec_for(run.specs, channel)
        except UnknownChannel:
            spec = None
    if spec is None or spec.webhook is None:
        raise Problem("not_found", "No enabled channel receives webhooks here.")
    return spec, spec.webhook


def _request(body: bytes) -> WebhookRequest:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return WebhookRequest(request.method, request.args.to_dict(), headers, body)


def _setting(run: Runtime, name: str | None) -> list[str]:
    secret = getattr(run.settings, name) if name else None
    return [secret.get_secret_value()] if secret else []


def _secrets(run: Runtime, spec: ChannelSpec, webhook: Webhook) -> list[str]:
    """The installation's secret and those that phones bring."""
    return _setting(run, webhook.secret_setting) + (run.webhook_secrets.get(spec.name) or [])

"""The app factory, the composition root of the API. It opens nothing: `Runtime.start` does that after the fork."""

from __future__ import annotations

from typing import Any

import orjson
import structlog
from flask import Flask, Response, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import HTTPException

from bisnes_api import bots, decisions, health, messages, phones, sessions, webhooks
from bisnes_api.documents import add_documents
from bisnes_api.problem import Problem, database_away
from bisnes_api.runtime import Runtime
from bisnes_core.settings import Settings, load_settings
from db.pool import DatabaseAway, RefusedData

log = structlog.get_logger(__name__)

#: Codes for what Flask itself refuses, by status.
_CODES = {404: "not_found", 405: "method_not_allowed"}


class _Json(JSONProvider):
    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)


def create_app(settings: Settings | None = None) -> Flask:
    """Builds the application.

    Args:
        settings: default: read from the environment.
    """
    settings = settings or load_settings()
    app = Flask(__name__, static_folder=None)
    app.json = _Json(app)
    # Message ids are rest-of-path values and may hold `//`.
    app.url_map.merge_slashes = False
    run = Runtime(settings)
    app.extensions["bisnes"] = run
    for module in (messages, decisions, phones, sessions, bots, webhooks, health):
        app.register_blueprint(module.blueprint)
    add_documents(app)
    _handle_errors(app)
    run.metrics.observe(app)
    return app


def _handle_errors(app: Flask) -> None:
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(DatabaseAway, _on_database_away)
    app.register_error_handler(RefusedData, _on_refused_data)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_bug)


def _on_database_away(_error: DatabaseAway) -> Response:
    return database_away().response()  # the pool has logged why


def _on_refused_data(error: RefusedData) -> Response:
    """PostgreSQL knows a limit that the checks before it do not."""
    log.warning("data refused by the database", route=str(request.url_rule), exc_info=error)
    return Problem("invalid_field", "A value cannot be stored.").response()


def _on_http_exception(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if status < 400:
        return error  # a redirect, as it is
    allowed = {"Allow": ", ".join(error.valid_methods or ())} if hasattr(error, "valid_methods") else {}
    detail = error.description or error.name
    return Problem(_CODES.get(status, "bad_request"), detail, headers=allowed).response()


def _on_bug(error: Exception) -> Response:
    log.error("request failed", route=str(request.url_rule), exc_info=error)
    return Problem("internal_error", "The failure is in the log.").response()

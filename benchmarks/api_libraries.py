"""What a validation and OpenAPI library costs per request: the same endpoint on each candidate, in turns.

Plain Flask with pydantic is the base line. Each round measures every candidate once, so that a slow minute of the
machine falls on all of them; the figure is the median of the rounds. Run it with the candidates installed:

    pip install apiflask flask-smorest flask-openapi3 spectree
    python benchmarks/api_libraries.py
"""

from __future__ import annotations

import gc
import io
import json
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request
from pydantic import BaseModel, ConfigDict, Field

ROUNDS = 15
REQUESTS = 400
BODY = json.dumps({"message": "Good morning, your order is on its way.", "phoneIndex": 0, "userName": "Ana"}).encode()
PATH = "/api/v2/messages/text/0001/60123456789@c.us"
RULE = "/api/v2/messages/text/<company_id>/<chat_id>"
ANSWER = {"success": True, "messageId": "0199c1f0-0000-7000-8000-000000000000", "status": "queued"}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Text(BaseModel):
    """The body, as pydantic sees it."""

    model_config = ConfigDict(extra="ignore")
    message: str = Field(min_length=1)
    quotedMessageId: str | None = None  # noqa: N815 - the field's name in the body
    phoneIndex: int = 0  # noqa: N815
    userName: str = ""  # noqa: N815


class Accepted(BaseModel):
    """The answer."""

    success: bool
    messageId: str  # noqa: N815
    status: str


class Where(BaseModel):
    """The path."""

    company_id: str
    chat_id: str


def plain() -> Wsgi:
    """Flask; pydantic reads the bytes itself."""
    app = Flask(__name__)

    @app.post(RULE)
    def send(company_id: str, chat_id: str) -> tuple[dict[str, Any], int]:
        Text.model_validate_json(request.get_data(cache=False))
        return ANSWER, 202

    return app.wsgi_app


def apiflask() -> Wsgi:
    """APIFlask as its guide shows it."""
    from apiflask import APIFlask

    app = APIFlask(__name__)

    @app.post(RULE)
    @app.input(Text)
    @app.output(Accepted, status_code=202)
    def send(company_id: str, chat_id: str, json_data: Text) -> dict[str, Any]:
        return ANSWER

    return app.wsgi_app


def flask_openapi3() -> Wsgi:
    """flask-openapi3; validates what the view's annotations name."""
    from flask_openapi3 import Info, OpenAPI

    app = OpenAPI(__name__, info=Info(title="t", version="1"))

    @app.post(RULE, responses={202: Accepted})
    def send(path: Where, body: Text) -> tuple[dict[str, Any], int]:
        return ANSWER, 202

    return app.wsgi_app


def spectree() -> Wsgi:
    """SpecTree as its guide shows it."""
    from spectree import Response, SpecTree

    app = Flask(__name__)
    spec = SpecTree("flask")

    @app.post(RULE)
    @spec.validate(json=Text, resp=Response(HTTP_202=Accepted))
    def send(company_id: str, chat_id: str) -> tuple[dict[str, Any], int]:
        return ANSWER, 202

    spec.register(app)
    return app.wsgi_app


def spectree_documenting() -> Wsgi:
    """SpecTree writes the document only; pydantic checks what orjson read. What `bisnes_api` does."""
    import orjson
    from spectree import Response, SpecTree
    from spectree.plugins.flask_plugin import FlaskPlugin

    class DocumentOnly(FlaskPlugin):
        def validate(self, func: Callable[..., Any], *_: Any, **arguments: Any) -> Any:
            return func(**arguments)

    app = Flask(__name__)
    spec = SpecTree(backend=DocumentOnly, annotations=False)

    @app.post(RULE)
    @spec.validate(json=Text, resp=Response(HTTP_202=Accepted), skip_validation=True)
    def send(company_id: str, chat_id: str) -> tuple[dict[str, Any], int]:
        Text.model_validate(orjson.loads(request.get_data(cache=False)))
        return ANSWER, 202

    spec.register(app)
    return app.wsgi_app


def flask_smorest() -> Wsgi:
    """flask-smorest; knows marshmallow only, so the schema is written a second time."""
    import flask_smorest as smorest
    import marshmallow as ma

    class TextSchema(ma.Schema):
        class Meta:
            unknown = ma.EXCLUDE

        message = ma.fields.String(required=True, validate=ma.validate.Length(min=1))
        quotedMessageId = ma.fields.String(allow_none=True)  # noqa: N815
        phoneIndex = ma.fields.Integer(load_default=0)  # noqa: N815
        userName = ma.fields.String(load_default="")  # noqa: N815

    class AcceptedSchema(ma.Schema):
        success = ma.fields.Boolean()
        messageId = ma.fields.String()  # noqa: N815
        status = ma.fields.String()

    app = Flask(__name__)
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.0.3")
    api = smorest.Api(app)
    blueprint = smorest.Blueprint("messages", __name__)

    @blueprint.route(RULE, methods=["POST"])
    @blueprint.arguments(TextSchema)
    @blueprint.response(202, AcceptedSchema)
    def send(body: dict[str, Any], company_id: str, chat_id: str) -> dict[str, Any]:
        return ANSWER

    api.register_blueprint(blueprint)
    return app.wsgi_app


CANDIDATES: tuple[Callable[[], Wsgi], ...] = (
    plain,
    apiflask,
    flask_openapi3,
    spectree,
    spectree_documenting,
    flask_smorest,
)


def _environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "3000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.errors": io.StringIO(),
    }


def _ask(app: Wsgi) -> str:
    status: list[str] = []
    b"".join(app(_environ(), lambda line, headers, *_: status.append(line)))
    return status[0]


def _round_us(app: Wsgi) -> float:
    began = time.process_time()
    for _ in range(REQUESTS):
        _ask(app)
    return (time.process_time() - began) / REQUESTS * 1e6


def main() -> None:
    """Prints the median CPU time per request of each candidate and its ratio to the base line."""
    apps = {make.__name__: make() for make in CANDIDATES}
    for name, app in apps.items():
        assert _ask(app).startswith("202"), (name, _ask(app))
        _round_us(app)  # warm
    gc.collect()
    gc.freeze()
    rounds: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            rounds[name].append(_round_us(app))
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    for name, median in medians.items():
        print(f"{name:22} {median:7.0f} µs/request   x {median / medians['plain']:.2f}")


if __name__ == "__main__":
    main()

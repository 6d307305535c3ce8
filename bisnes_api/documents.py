"""`/openapi.json` and the page to try it, made from the models and docstrings of the endpoints by SpecTree.

SpecTree only writes the document: bodies are checked by `bisnes_api.body`, after the key and before anything else, so
that each failure has its own code. The page's files come with the wheel flask-swagger-ui; a browser loads nothing from
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

import orjson
from flask import Flask, Response
from flask_swagger_ui import get_swaggerui_blueprint
from pydantic import BaseModel, Field
from spectree import Response as Responses
from spectree import SecurityScheme, SpecTree, Tag
from spectree.models import SecureType, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from bisnes_api.problem import CONTENT_TYPE, PROBLEMS
from bisnes_api.schemas import ProblemAnswer

View = TypeVar("View", bound=Callable[..., Any])

KEY_PROBLEMS = ("key_missing", "key_unknown", "company_not_found", "scope_missing", "database_away")
BODY_PROBLEMS = ("malformed_json", "bad_request", "body_too_large", "wrong_content_type", "invalid_field")


class IdempotencyHeader(BaseModel):
    """Headers of every POST."""

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Same key and body: same answer, nothing is done twice. Another body: 422 `idempotency_conflict`.",
    )


class SendHeaders(IdempotencyHeader):
    """Headers of requests that send."""

    prefer: str | None = Field(
        None,
        alias="Prefer",
        description="`wait=S` (at most 30): 200 as soon as the provider has the message; 202 when the time runs out or "
        "too many callers wait already.",
    )


class _DocumentOnly(FlaskPlugin):
    def validate(self, func: Callable[..., Any], *_: Any, **arguments: Any) -> Any:
        """Calls the view; what came in and goes out is ours to check."""
        return func(**arguments)


_tree = SpecTree(
    backend=_DocumentOnly,
    title="Bisnes",
    version=version("bisnes"),
    description="A self-hosted WhatsApp gateway. Every error is a problem document (RFC 9457) with a stable `code`.",
    annotations=False,
    mode="strict",
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _, name: name,
    security_schemes=[
        SecurityScheme(name="bearer", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer")),
    ],
    validation_error_status=422,
    validation_error_model=ProblemAnswer,
)


def documented(
    name: str,
    tag: str,
    success: Mapping[int, tuple[type[BaseModel] | None, str]],
    *,
    problems: Sequence[str] = (),
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    headers: type[BaseModel] | None = None,
    by_key: bool = True,
) -> Callable[[View], View]:
    """Puts an endpoint into the document.

    Args:
        name: `operationId`.
        tag: heading.
        success: answers other than problems: status to model and meaning.
        problems: codes of the problems that it answers.
        by_key: whether it needs a key; adds the problems of keys.
    """
    by_status: dict[int, list[str]] = {}
    for code in (*problems, *(KEY_PROBLEMS if by_key else ()), *(BODY_PROBLEMS if body else ())):
        by_status.setdefault(PROBLEMS[code][0], []).append(f"`{code}`: {PROBLEMS[code][1]}.")
    models: dict[str, Any] = {f"HTTP_{status}": answer for status, answer in success.items()}
    models |= {f"HTTP_{status}": (ProblemAnswer, " ".join(lines)) for status, lines in sorted(by_status.items())}
    decorate: Callable[[View], View] = _tree.validate(
        json=body,
        query=query,
        headers=headers,
        resp=Responses(**models),
        tags=[Tag(name=tag)],
        operation_id=name,
        security={"bearer": []} if by_key else {},
        skip_validation=True,
    )
    return decorate


def add_documents(app: Flask) -> None:
    """Serves the document and the page."""
    page = get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": "Bisnes API"})
    app.register_blueprint(page)

    @app.get("/openapi.json")
    def document() -> Response:
        return Response(orjson.dumps(_document(app)), content_type="application/json")


def _document(app: Flask) -> dict[str, Any]:
    """The document; problems under their own media type, which SpecTree cannot say."""
    kept: dict[str, Any] | None = app.extensions.get("bisnes-openapi")
    if kept is None:
        _tree.app = app
        kept = orjson.loads(orjson.dumps(_tree.spec))
        for operation in (operation for path in kept["paths"].values() for operation in path.values()):
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if int(status) >= 400 and "application/json" in content:
                    answer["content"] = {CONTENT_TYPE: content["application/json"]}
        app.extensions["bisnes-openapi"] = kept
    return kept

"""One HTTP request as the simulator sees it: raw first, decoded only where asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson

from simulators.graph.errors import GraphError
from simulators.graph.multipart import Part, parse_multipart


class Request:
    """A request; ``began`` is when its first byte came (monotonic seconds)."""

    __slots__ = ("_parts", "began", "body", "headers", "method", "path", "query")

    def __init__(
        self, method: str, path: bytes, query: bytes, headers: dict[bytes, bytes], body: bytes, began: float
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.began = began
        self._parts: dict[str, Part] | None = None

    def args(self) -> dict[str, str]:
        """Return the query parameters."""
        if not self.query:
            return {}
        return dict(parse_qsl(self.query.decode("utf-8", "replace"), keep_blank_values=True))

    def parts(self) -> dict[str, Part]:
        """Return the parts of a multipart body; none for other bodies.

        Raises:
            GraphError: 100 when it is malformed.
        """
        if self._parts is None:
            content_type = self.headers.get(b"content-type", b"").decode("latin-1")
            if not content_type.lower().startswith("multipart/form-data"):
                self._parts = {}
            else:
                try:
                    self._parts = parse_multipart(content_type, self.body)
                except ValueError as error:
                    raise GraphError(100, message=f"(#100) Malformed multipart body: {error}", details="") from None
        return self._parts

    def params(self) -> dict[str, Any]:
        """Return body and query parameters together, whatever the body's encoding; the body wins.

        Raises:
            GraphError: 100 when the body is malformed.
        """
        body = self._body_params()
        return {**self.args(), **body} if self.query else body

    def host(self) -> str:
        """Return the host by which the client knows this server."""
        return self.headers.get(b"host", b"localhost").decode("latin-1")

    def _body_params(self) -> dict[str, Any]:
        if not self.body:
            return {}
        content_type = self.headers.get(b"content-type", b"").lower()
        if content_type.startswith(b"application/x-www-form-urlencoded"):
            return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        if content_type.startswith(b"multipart/form-data"):
            return {
                name: part.content.decode("utf-8", "replace")
                for name, part in self.parts().items()
                if part.filename is None
            }
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise GraphError(100, message=f"(#100) Invalid JSON in request body: {error}", details="") from None
        if not isinstance(value, dict):
            raise GraphError(100, message="(#100) The request body must be a JSON object.", details="")
        return value

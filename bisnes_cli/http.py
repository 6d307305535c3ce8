"""The API as a peer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from bisnes_cli.errors import NOT_RUNNING, Refused

#: Every call that we make is answered within milliseconds; PostgreSQL away costs the API 2 s.
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """Status and JSON body of an answer."""

    status: int
    body: Any

    def require(self, *expected: int) -> Any:
        """The body.

        Raises:
            Refused: when the status is none of the expected ones; the sentence is the API's.
        """
        if self.status in expected:
            return self.body
        detail = self.body
        if isinstance(self.body, dict):
            detail = self.body.get("detail") or self.body.get("title") or self.body
        raise Refused(f"The API answered {self.status}: {detail}")


@dataclass(frozen=True)
class Api:
    """The HTTP API at one address.

    Args:
        url: scheme, host and port.
        key: bearer key; not every path wants one.
    """

    url: str
    key: str | None = None

    def get(self, path: str) -> Answer:
        """Reads."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = TIMEOUT_S) -> Answer:
        """Makes one request on a connection of its own.

        Raises:
            Refused: when nothing answers.
        """
        parts = urlsplit(self.url)
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s)
        headers = {"Accept": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as silence:
            raise Refused(
                f"The API at {self.url} does not answer ({silence}). Start it: bisnes up", NOT_RUNNING
            ) from silence
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(content) if content else None)
        except ValueError:
            return Answer(response.status, content.decode("utf-8", "replace"))

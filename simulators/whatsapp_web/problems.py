"""How the control API says that something cannot be done (RFC 9457)."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """An answer other than 2xx; ``code`` is for programs, ``detail`` for people."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail

    def as_dict(self) -> dict[str, Any]:
        """Return the body."""
        return {"type": "about:blank", "status": self.status, "code": self.code, "detail": self.detail}

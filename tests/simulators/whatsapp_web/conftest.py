"""Fixtures: a simulator per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.whatsapp_web.support import Web, running


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A simulator without a file."""
    with running(tmp_path) as it:
        yield it

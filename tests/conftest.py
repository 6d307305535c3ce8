"""What holds for every test: none sees the settings of the shell that started it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bisnes_core.settings import declared_variables


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_the_shell() -> Iterator[None]:
    """A developer's DATABASE_URL or port must reach neither a test nor a process that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in declared_variables().keys() & os.environ.keys():
            patch.delenv(name)
        yield


pytest_plugins = ["tests.fixtures.stores", "tests.fixtures.api", "tests.fixtures.circusd"]

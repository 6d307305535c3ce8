"""What holds for every test: none sees the settings of the shell that started it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadFileScheduling

from bisnes_core.settings import declared_variables


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_the_shell() -> Iterator[None]:
    """A developer's DATABASE_URL or port must reach neither a test nor a process that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in declared_variables().keys() & os.environ.keys():
            patch.delenv(name)
        yield


class FilesInTurn(LoadFileScheduling):
    """A file's tests stay in one process, and so do all of those that drive several browsers at a time."""

    def _split_scope(self, nodeid: str) -> str:
        folder = "tests/web_sessions"
        return folder if nodeid.startswith(f"{folder}/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesInTurn:
    """Three files of browsers side by side would take both cores for minutes, and every deadline with them."""
    return FilesInTurn(config, log)


pytest_plugins = ["tests.fixtures.stores", "tests.fixtures.api", "tests.fixtures.circusd"]

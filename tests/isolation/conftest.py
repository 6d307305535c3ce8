"""A gateway with two Cloud API phones and two WhatsApp Web phones, paired and ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fixtures.gateway import start_gateway
from tests.fixtures.whatsapp_web import WhatsApp
from tests.isolation.furnished import (
    MEMORY_HARD_BYTES,
    META_PHONES,
    PROBE_S,
    PROBE_TIMEOUT_S,
    SITE_CUSTOMIZE,
    WEB_PHONES,
    Site,
    add_meta_phone,
)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole site, for all tests of this folder: each has to leave it whole."""
    home = tmp_path_factory.mktemp("isolation")
    (home / "python").mkdir()
    (home / "python" / "sitecustomize.py").write_text(SITE_CUSTOMIZE)
    with closing(WhatsApp()) as web:
        settings = {
            "BISNES_WWEBJS_URL": f"{web.url}/",
            "BISNES_WWEBJS_MEMORY_CHECK_S": "2",
            "BISNES_WWEBJS_PROBE_S": f"{PROBE_S:g}",
            "BISNES_WWEBJS_PROBE_TIMEOUT_S": f"{PROBE_TIMEOUT_S:g}",
            "BISNES_WWEBJS_MEMORY_HARD_BYTES": str(MEMORY_HARD_BYTES),
            "PYTHONPATH": str(home / "python"),
        }
        with start_gateway(home, settings) as gateway:
            made = Site(gateway, web, broken=home / "python" / "broken")
            add_meta_phone(gateway, META_PHONES[1])
            made.pair(*WEB_PHONES)
            yield made

"""One gateway for all chaos tests: what one of them breaks has to be whole again for the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.gateway import Gateway, start_gateway

#: Production's rule with shorter times: the simulator redelivers refused webhooks within 4 s (`--redeliver-scale`),
#: so a receipt that has not come 12 s after an outage will not come.
SETTINGS = {"BISNES_REDELIVERY_WAIT_S": "12"}


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A whole gateway whose simulator redelivers quickly."""
    with start_gateway(tmp_path_factory.mktemp("chaos"), SETTINGS, "--redeliver-scale", "0.0004") as started:
        yield started


@pytest.fixture(autouse=True)
def _no_fault_is_left(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.simulator("DELETE", "faults")
    gateway.simulator("POST", "settings", {"receipts": True, "receipt_delay_s": 0.05})

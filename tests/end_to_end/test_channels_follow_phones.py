"""A channel runs while it has a phone: it starts within seconds of the first one and stops after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import Gateway, start_gateway

#: A relay's look, circusd's look, and the start of an interpreter, on a machine that does other things too.
SECONDS = 15.0


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without phones; each test takes away what it adds."""
    with start_gateway(tmp_path_factory.mktemp("bare"), phones=False) as started:
        yield started


def stopped(gateway: Gateway, channel: str) -> bool:
    return gateway.state(channel) == "stopped" and not gateway.pids(channel)


def test_the_first_phone_starts_its_channel_and_the_last_one_stops_it(bare: Gateway) -> None:
    assert stopped(bare, "meta")
    assert stopped(bare, "loopback")
    assert bare.http.get(f"{bare.base_url}/health").json()["status"] == "healthy", "nobody misses them"
    bare.add_phone(0, "meta_direct")
    bare.wait_for_status(bare.send("the first"), "delivered", deadline_s=SECONDS)
    assert bare.state("meta") == "active"
    assert stopped(bare, "loopback")
    bare.remove_phone(0)
    eventually(lambda: stopped(bare, "meta"), SECONDS, "meta to stop")


def test_what_is_in_flight_when_the_last_phone_goes_is_finished(bare: Gateway) -> None:
    bare.add_phone(1, "loopback")
    message = bare.send("!stall:3 hello", phone=1)
    bare.wait_for_status(message, "sending", deadline_s=SECONDS)
    bare.remove_phone(1)
    eventually(lambda: stopped(bare, "loopback"), SECONDS, "loopback to stop")
    assert bare.message(message)["status"] == "sent"


def test_an_operators_stop_and_start_stand(bare: Gateway) -> None:
    bare.add_phone(1, "loopback")
    eventually(lambda: bare.runs("loopback"), SECONDS, "loopback to start")
    bare.circus("stop", name="loopback", waiting=True)
    bare.add_phone(0, "meta_direct")
    eventually(lambda: bare.runs("meta"), SECONDS, "meta to start: phones were looked at since")
    assert stopped(bare, "loopback")
    waiting = bare.send("for nobody", phone=1)
    bare.remove_phone(0)
    eventually(lambda: stopped(bare, "meta"), SECONDS, "meta to stop")
    assert bare.message(waiting)["status"] == "queued"
    bare.circus("start", name="loopback", waiting=True)
    bare.wait_for_status(waiting, "sent", deadline_s=SECONDS)
    bare.remove_phone(1)
    eventually(lambda: stopped(bare, "loopback"), SECONDS, "loopback to stop")


def test_what_waits_for_a_channel_fails_with_its_last_phone(bare: Gateway) -> None:
    bare.add_phone(1, "loopback")
    eventually(lambda: bare.runs("loopback"), SECONDS, "loopback to start")
    bare.circus("stop", name="loopback", waiting=True)
    waiting = bare.send("for nobody", phone=1)
    bare.remove_phone(1)
    assert bare.message(waiting)["status"] == "failed"
    bare.add_phone(1, "loopback")
    bare.circus("start", name="loopback", waiting=True)
    bare.wait_for_status(bare.send("for somebody", phone=1), "sent", deadline_s=SECONDS)
    bare.remove_phone(1)
    eventually(lambda: stopped(bare, "loopback"), SECONDS, "loopback to stop")
    assert bare.message(waiting)["status"] == "failed"

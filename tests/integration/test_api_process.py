"""The API as a process: what it imports, says about itself, and does when its signals come."""

from __future__ import annotations

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import jsonschema
import psutil
import zmq

from bisnes_api.app import create_app
from bisnes_api.health import summarise, worst
from bisnes_api.problem import PROBLEMS
from db.health import InstanceHealth
from tests.fixtures.api import Api, running_api, sign
from tests.fixtures.eventually import eventually


def test_its_interpreter_imports_no_queue_browser_supervisor_or_adapter(api: Api) -> None:
    company = api.company()
    with running_api(api.settings, app="tests.fixtures.listing_app:create_listing_app()") as listing:
        # Used once, so that what is imported late is there as well.
        listing.client.get("/health")
        listing.client.get("/openapi.json")
        listing.client.post("/webhooks/meta", content=b"{}", headers=sign(b"{}"))
        path = f"/api/v2/messages/text/{company.id}/60123456789"
        sent = listing.client.post(path, json={"message": "x"}, headers={"Authorization": f"Bearer {company.key}"})
        assert sent.status_code == 202
        modules = listing.client.get("/_modules").json()
    assert "bisnes_api.accept" in modules
    roots = {name.partition(".")[0] for name in modules}
    assert not roots & {"redis", "dramatiq", "selenium", "circus", "aiohttp", "uvloop", "offapi"}
    assert not [name for name in modules if re.fullmatch(r"plugins\.\w+\.adapter|bisnes_workers.*", name)]


def test_the_document_describes_every_route_and_every_code(api: Api) -> None:
    document = api.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    own = {"/", "/docs/", "/docs/<path:path>", "/docs/dist/<path:filename>", "/openapi.json", "/webhook/<channel>"}
    routes = {
        re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule)
        for rule in create_app().url_map.iter_rules()
        if rule.rule not in own
    }
    assert set(document["paths"]) == routes
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"].endswith(".") for operation in operations)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    said = str(document)
    unsaid = {code for code in PROBLEMS if f"`{code}`" not in said}
    # Any request may meet these.
    assert unsaid == {"method_not_allowed", "internal_error", "request_timeout"}
    text = document["paths"]["/api/v2/messages/text/{company_id}/{chat_id}"]["post"]
    assert {parameter["name"] for parameter in text["parameters"]} >= {
        "Idempotency-Key",
        "Prefer",
        "company_id",
        "chat_id",
    }
    assert "phoneIndex" in str(document["components"]["schemas"]["TextBody"])
    assert list(text["responses"]["422"]["content"]) == ["application/problem+json"]


def test_the_page_to_try_it_loads_nothing_from_elsewhere(api: Api) -> None:
    page = api.client.get("/docs", follow_redirects=True)
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/docs/swagger-ui-bundle.js" in sources
    for source in sources:
        assert api.client.get(source).status_code == 200
    assert "://" not in re.sub(r"//.*", "", page.text)
    missing = api.client.get("/docs/nothing.js")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_an_accepted_message_nudges_the_relay(api: Api) -> None:
    company = api.company()
    with zmq.Context() as context, context.socket(zmq.PULL) as relay:
        relay.setsockopt(zmq.LINGER, 0)
        relay.bind(api.settings.nudge_address)

        def nudges() -> list[list[bytes]]:
            company.send()
            return [relay.recv_multipart()] if relay.poll(200) else []

        nudge = eventually(nudges, 5, "a nudge")[0]
        assert nudge == [b"lane", company.id.encode(), b"0", b"meta"]
        while relay.poll(100):
            relay.recv_multipart()
        api.client.post("/webhooks/meta", content=b"{}", headers=sign(b"{}"))
        assert relay.poll(2000)
        assert relay.recv_multipart() == [b"events"]


def test_metrics_name_route_and_status(api: Api) -> None:
    company = api.company()
    company.send()
    text = api.client.get("/metrics").text
    route = "POST /api/v2/messages/text/<company_id>/<chat_id>"
    assert f'bisnes_http_request_seconds_count{{route="{route}",status="202"}}' in text
    for name in ("bisnes_messages_accepted_total", "bisnes_pool_connections_in_use", "bisnes_waiting_places_max 12.0"):
        assert name in text


def test_health_shows_this_process_and_misses_the_others(api: Api) -> None:
    answer = api.client.get("/health")
    health = answer.json()
    assert (answer.status_code, health["status"]) == (503, "down")
    assert health["processes"]["relay"] == {"status": "down", "instances": []}
    assert "healthy" in {instance["status"] for instance in health["processes"]["api"]["instances"]}


def test_health_of_a_process_is_that_of_its_instances() -> None:
    def instance(name: str, health: str) -> InstanceHealth:
        return InstanceHealth(name, "1", health, 1, 0.0, 0, 0, 0.0, 0, 0, None, {})

    seen = [
        instance("api", "healthy"),
        instance("meta", "healthy"),
        instance("meta", "down"),
        instance("relay", "down"),
    ]
    states = {name: process["status"] for name, process in summarise(seen, ["api", "meta", "relay", "events"]).items()}
    assert states == {"api": "healthy", "meta": "degraded", "relay": "down", "events": "down"}
    assert worst(["healthy", "degraded"]) == "degraded"
    assert worst(["healthy"]) == "healthy"


def test_a_revoked_key_stops_working_within_five_seconds(api: Api) -> None:
    company = api.company()
    assert company.send().status_code == 202
    api.sql("UPDATE api_keys SET revoked_at = now() WHERE company_id = %s", company.id)
    eventually(lambda: company.send().status_code == 401, 6, "the key's end")


def test_a_graceful_stop_answers_those_who_wait_and_leaves_no_row(api: Api) -> None:
    company = api.company()
    with running_api(api.settings) as ending, ThreadPoolExecutor(1) as caller:
        path = f"{ending.url}/api/v2/messages/text/{company.id}/60123456789"
        headers = {"Authorization": f"Bearer {company.key}", "Prefer": "wait=30"}
        answer = caller.submit(httpx.post, path, json={"message": "x"}, headers=headers, timeout=40)
        eventually(lambda: company.count() == 1, 5, "the message")
        process = psutil.Process(ending.pids[0])
        pids = [child.pid for child in process.children()]
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert answer.result(10).status_code == 202
        process.wait(10)
        assert time.monotonic() - began < 5
    assert api.sql("SELECT count(*) FROM process_health WHERE pid = ANY(%s)", pids) == [(0,)]

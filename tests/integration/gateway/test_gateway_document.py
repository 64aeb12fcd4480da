"""The OpenAPI document and the metrics, held against what a gateway really answers."""

import base64
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from producer import Client
from producer.gateway.app import Gateway
from producer.gateway.keys import KeyFile
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, another_app, solve, wait_until
from tests.support.running.gateway import FAR, bearer, gateway, keys
from tilefleet.settings import Settings

TEXT = base64.b64encode(b"any picture").decode()
LINES = {"accept": "application/x-ndjson", "idempotency-key": "lines"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url, *STRANGE, environ=NULL):
        yield server


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    added = keys("add", "eve", "--file", file, "--rate", "0.001", "--burst", "20")
    return file, bearer(added.stdout.strip())


@pytest.fixture(scope="module")
def client(server, key):
    with gateway(server.url, "--keys", str(key[0]), "--legacy", "on") as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def test_it_is_a_document_of_openapi(document):
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.parametrize(("legacy", "old"), [("on", 7), ("off", 0)])
def test_it_has_every_route_and_no_other(key, legacy, old):
    app = Gateway(Settings(), keys=KeyFile(key[0]), legacy_paths=legacy)
    served = {
        (route.path, method.lower())
        for route in app.routes
        for method in route.methods - {"HEAD"}
        if not route.path.startswith("/site/")
    }
    described = {
        (path, method) for path, methods in app.document["paths"].items() for method in methods
    }
    assert described == served
    assert sum(1 for path, _ in described if re.match("/(verify|check|result|predict)", path)) == (
        old
    )


def test_every_reply_is_as_described(client, document, key, server):
    """Each path, asked well and badly: status, kind and body are those of the document."""
    file, headers = key
    good = {"content": b"any", "headers": headers}
    seen = [
        client.post("/v1/solve", **good),
        client.post("/v1/solve?timeout=0", **good),
        client.post("/v1/solve", content=b"any"),
        client.post("/v1/solve?model=nobody", **good),
        client.post("/v1/solve", content=bytes(5 << 20), headers=headers),
        client.post("/v1/solve?timeout=0.2", content=b"slow", headers=headers),
        client.post("/v1/solve-many", json={"images": [TEXT, TEXT]}, headers=headers),
        client.post("/v1/solve-many", json={"images": []}, headers=headers),
        client.post("/v1/solve-many", json={"images": [TEXT] * 20}, headers=headers),
        client.post("/v1/solve", content=b"any", headers={**headers, "idempotency-key": "one"}),
        client.post("/v1/solve", content=b"two", headers={**headers, "idempotency-key": "one"}),
        client.post("/v1/solve", **good),
        client.post("/v1/solve-many", files={"a": b"any"}, headers={**headers, **LINES}),
        client.get("/docs"),
        client.get("/healthz"),
        client.get("/readyz"),
        client.get("/metrics"),
        client.get("/metrics", headers=FAR),
        client.get("/openapi.json"),
        client.get("/", headers={"accept": "text/html"}),
        client.post("/verify/base64/", content="imageFile=" + TEXT, headers=FORM),
        client.post("/check", content="img=" + TEXT, headers=FORM),
        client.post("/check/", content="img=%%%", headers=FORM),
        client.post("/check/"),
        client.post("/check", headers=FAR),
        client.post("/result/pic", files={"file": ("a.jpg", b"any")}),
        client.post("/result/pic"),
        client.post("/result/base64"),
        client.post("/predict/pic", files={"file": ("a.jpg", b"any")}),
        client.post("/predict/base64", content="base64String=" + TEXT, headers=FORM),
        client.post("/predict/base64"),
    ]
    with gateway(f"redis://127.0.0.1:{free_port()}/0", "--keys", str(file)) as alone:
        seen += [alone.post("/v1/solve", **good), alone.get("/readyz")]
    for reply in seen:
        check(document, reply)
    statuses = {reply.status_code for reply in seen}
    assert statuses == {200, 400, 401, 404, 413, 422, 429, 503, 504}
    asked = {reply.request.url.path for reply in seen}
    assert asked == set(document["paths"])


def check(document, reply):
    method, path = reply.request.method.lower(), reply.request.url.path
    described = document["paths"][path][method]["responses"].get(str(reply.status_code))
    assert described, f"{method} {path} answers {reply.status_code}, which is not described"
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    kind = reply.headers["content-type"].partition(";")[0]
    assert kind in described["content"], (path, kind)
    for header in described.get("headers", {}):
        assert header in reply.headers, (path, reply.status_code, header)
    schema = described["content"][kind]["schema"]
    value = reply.json() if kind.endswith("json") else reply.text
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


# Metrics ------------------------------------------------------------------------------------------


def metrics(client):
    """Name and labels, but for the fleet's, which all have → value."""
    return {
        (sample.name, *(value for name, value in sample.labels.items() if name != "fleet")): (
            sample.value
        )
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def test_metrics_count_requests_captchas_and_bytes(client, key):
    before = metrics(client)
    with_key = {"headers": {"x-api-key": key[1]["authorization"].split()[1]}}
    client.post("/check", content="img=" + TEXT, headers=FORM)
    client.post("/v1/solve", content=b"12345", **with_key)
    client.post("/secret/path/of/somebody")
    after = metrics(client)

    def more(*sample):
        return after[sample] - before.get(sample, 0)

    assert more("tilefleet_gateway_requests_total", "/check", "200") == 1
    assert more("tilefleet_gateway_requests_total", "other", "401") == 1
    assert more("tilefleet_gateway_request_seconds_count", "/check") == 1
    assert more("tilefleet_gateway_request_seconds_sum", "/check") > 0
    assert more("tilefleet_gateway_captchas_total", "answered") >= 1
    assert more("tilefleet_gateway_received_bytes_total") >= len("img=" + TEXT)
    assert after["tilefleet_gateway_requests_in_flight",] == 1
    assert "secret" not in client.get("/metrics").text
    assert after["tilefleet_gateway_ready",] == 1
    assert after["tilefleet_fleet_workers",] >= 1
    assert after["tilefleet_queue_messages", "captcha"] == 0


def test_metrics_know_how_long_the_oldest_has_waited():
    """Nobody reads here; one captcha is of an application that does not say when it sent it."""
    with EmbeddedServer() as own, gateway(own.url) as client, Client(own.url) as fleet:
        lone = metrics(client)
        assert lone["tilefleet_gateway_ready",] == 0
        assert lone["tilefleet_queue_oldest_seconds", "captcha"] == 0
        fleet.submit(b"first")
        wait_until(lambda: metrics(client)["tilefleet_queue_oldest_seconds", "captcha"] >= 1)
        fleet.submit(b"second")
        seen = metrics(client)
        assert seen["tilefleet_queue_messages", "captcha"] == 2
        assert seen["tilefleet_queue_oldest_seconds", "captcha.bulk"] == 0
        with another_app(own.url) as other:
            solve(other).apply_async(queue="captcha.bulk")
        assert ("tilefleet_queue_oldest_seconds", "captcha.bulk") not in metrics(client)


def test_names_and_units_are_as_prometheus_wants_them(client):
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    ours = [family for family in families if not family.name.startswith("process_")]
    assert len(ours) >= 12
    for family in ours:
        assert family.name.startswith("tilefleet_"), family.name
        assert not re.search(r"_(ms|milliseconds|kb|count|total)$", family.name), family.name
        assert family.documentation.endswith("."), family.name

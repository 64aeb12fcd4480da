"""A request names a model, or its key is bound to one: that one reads, and no other."""

import base64
import json

import pytest

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.gateway import bearer, gateway, keys

TEXT = base64.b64encode(b"any picture").decode()


@pytest.fixture(scope="module")
def server():
    held = {**NULL, "TILEFLEET_MODEL": "builtin,mine"}
    with EmbeddedServer() as server, WorkerProcess(server.url, environ=held):
        yield server


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def anyone(file):
    return bearer(keys("add", "anyone", "--file", file).stdout.strip())


@pytest.fixture(scope="module")
def bound(file):
    return bearer(keys("add", "bound", "--file", file, "--model", "mine").stdout.strip())


@pytest.fixture(scope="module")
def client(server, file, anyone, bound):
    with gateway(server.url, "--keys", str(file), "--legacy", "on") as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def read_by(client, headers, query="", **more):
    reply = client.post(f"/v1/solve{query}", content=b"any", headers={**headers, **more})
    return reply.json().get("model", reply.status_code)


def test_a_request_is_read_by_the_model_that_it_names(client, anyone):
    assert read_by(client, anyone) == "builtin@null"
    assert read_by(client, anyone, "?model=mine") == "mine@null"
    assert read_by(client, anyone, "?model=builtin&timeout=5") == "builtin@null"


def test_a_list_is_too_at_once_and_as_answers_come(client, anyone):
    listed = {"images": [TEXT, TEXT]}
    reply = client.post("/v1/solve-many?model=mine", json=listed, headers=anyone)
    assert {each["model"] for each in reply.json()} == {"mine@null"}
    lines = {**anyone, "accept": "application/x-ndjson"}
    reply = client.post("/v1/solve-many?model=mine", json=listed, headers=lines)
    answers = [json.loads(line)["answer"] for line in reply.text.splitlines()]
    assert {each["model"] for each in answers} == {"mine@null"}


@pytest.mark.parametrize("path", ["solve", "solve-many"])
def test_a_model_that_nobody_holds_is_not_found_and_those_that_are_held_are_told(
    client, anyone, path
):
    reply = client.post(f"/v1/{path}?model=main", json=asked(path), headers=anyone)
    assert reply.status_code == 404
    assert reply.json()["title"] == "UnknownModel"
    assert "'main'; they hold: builtin, mine; did you mean mine?" in reply.json()["detail"]


def asked(path):
    return {"image": TEXT} if path == "solve" else {"images": [TEXT]}


@pytest.mark.parametrize("path", ["solve", "solve-many"])
def test_a_bound_key_has_its_model_and_no_other(client, bound, path):
    for query in ("", "?model=mine"):
        reply = client.post(f"/v1/{path}{query}", json=asked(path), headers=bound).json()
        assert (reply if path == "solve" else reply[0])["model"] == "mine@null"
    refused = client.post(f"/v1/{path}?model=builtin", json=asked(path), headers=bound)
    assert refused.status_code == 403
    assert "bound is bound to the model 'mine'" in refused.json()["detail"]


def test_the_same_pictures_for_another_model_are_another_request(client, anyone):
    once = {"idempotency-key": "once"}
    assert read_by(client, anyone, "?model=mine", **once) == "mine@null"
    assert read_by(client, anyone, "?model=mine", **once) == "mine@null"
    assert read_by(client, anyone, "?model=builtin", **once) == 422


def test_what_is_held_is_told(client, file, anyone):
    ready = client.get("/readyz").json()
    assert ready["models"] == ["builtin", "mine"]
    assert ready["waiting"] == {"captcha": 0, "captcha.bulk": 0}
    shown = client.get("/metrics", headers=anyone).text
    assert 'tilefleet_queue_messages{fleet="tilefleet",lane="captcha"} 0.0' in shown
    assert 'tilefleet_queue_messages{fleet="tilefleet",lane="captcha",model="mine"} 0.0' in shown
    listed = keys("list", "--file", file).stdout
    assert [" mine " in line for line in listed.splitlines()] == [False, True]

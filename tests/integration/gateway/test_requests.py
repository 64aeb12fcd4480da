"""What a program may ask of the gateway beside one answer: lines as they come and repetition.

From which pages it may ask; and what it may not: that the gateway fetches something.
"""

import asyncio
import base64
import json
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from producer.client.results.spares import MOST
from producer.local.worker import WorkerProcess
from tests.conftest import REPOSITORY
from tests.support.running.fleet import NULL, STRANGE, wait_until
from tests.support.running.gateway import gateway

OWN_SERVER = True

#: So that what is slow keeps no others.
SINGLE = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
NDJSON = {"accept": "application/x-ndjson"}
HERE, ELSEWHERE = "https://bot.example", "https://other.example"


@pytest.fixture(scope="module")
def client(server):
    with (
        WorkerProcess(server.url, *STRANGE, "-c", "2", environ=SINGLE),
        gateway(server.url, "--cors", HERE, "--cors", "http://localhost:3000/") as client,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def listed(*pictures):
    return {"images": [base64.b64encode(picture).decode() for picture in pictures]}


def statuses(client, path):
    """With which this path has replied."""
    return {
        each.labels["status"]
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for each in family.samples
        if each.name == "tilefleet_gateway_requests_total" and each.labels["path"] == path
    }


# Lines --------------------------------------------------------------------------------------------


def test_lines_come_as_answers_are_ready_and_say_whose_they_are(client):
    async def use():
        arrived = {}
        pictures = [b"slow", *(b"quick %d" % number for number in range(5)), b""]
        asked = {"images": [*listed(*pictures)["images"], "§"]}
        async with (
            httpx.AsyncClient(base_url=client.base_url, timeout=30) as http,
            http.stream("POST", "/v1/solve-many", json=asked, headers=NDJSON) as reply,
        ):
            assert reply.status_code == 200
            assert reply.headers["content-type"] == "application/x-ndjson"
            async for line in reply.aiter_lines():
                said = json.loads(line)
                arrived[said["index"]] = (monotonic(), said)
        return arrived

    arrived = asyncio.run(use())
    assert sorted(arrived) == list(range(8))
    assert list(arrived)[-1] == 0
    # Each is sent when it is there, not with the last.
    assert arrived[0][0] - max(at for index, (at, _) in arrived.items() if index) > 0.5
    assert arrived[0][1]["answer"]["model"] == "null"
    assert arrived[7][1]["error"]["type"] == "BadMessage"


def test_a_client_of_http_1_0_gets_the_lines_without_chunks(client):
    asked = json.dumps(listed(b"one", b"two")).encode()
    head = (
        "POST /v1/solve-many HTTP/1.0\r\nAccept: application/x-ndjson\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(asked)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", client.base_url.port), timeout=20) as line:
        line.sendall(head.encode() + asked)
        reply = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, lines = reply.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"content-type: application/x-ndjson" in head
    assert sorted(json.loads(each)["index"] for each in lines.splitlines()) == [0, 1]


def test_the_program_of_the_page_runs(client, tmp_path):
    page = (REPOSITORY / "docs" / "gateway.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "captcha.jpg").write_bytes(b"any")
    done = subprocess.run(
        [sys.executable, "-c", block.replace("http://127.0.0.1:8000", str(client.base_url))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert sorted(done.stdout.splitlines()) == ["0 [1]", "1 [1]", "2 [1]"], done.stderr


def test_who_does_not_ask_for_lines_gets_the_list(client):
    reply = client.post("/v1/solve-many", json=listed(b"one", b"two"))
    assert reply.headers["content-type"] == "application/json"
    assert [each["model"] for each in reply.json()] == ["null", "null"]


def test_who_goes_away_has_the_rest_revoked(client, server):
    asked = listed(*[b"slow", b"quick", *(b"slow %d" % number for number in range(40))])
    with client.stream("POST", "/v1/solve-many", json=asked, headers=NDJSON) as reply:
        assert "answer" in json.loads(next(reply.iter_lines()))
    wait_until(lambda: "499" in statuses(client, "/v1/solve-many"))
    with Redis.from_url(server.url) as redis:
        wait_until(lambda: redis.llen("captcha.bulk") == 0 and redis.hlen("unacked") == 0)
        # But for those of captchas to come.
        wait_until(lambda: len(redis.pubsub_channels("celery-task-meta-*")) <= MOST)


# Safe repetition ----------------------------------------------------------------------------------


def keyed(name):
    return {"idempotency-key": name}


def test_a_request_that_is_repeated_gets_the_first_reply(client):
    first = client.post("/v1/solve", content=b"one", headers=keyed("a"))
    answered = client.get("/readyz").json()["answered"]
    again = client.post("/v1/solve", content=b"one", headers=keyed('"a"'))
    form = client.post("/v1/solve", files={"x": b"one"}, headers=keyed("a"))
    assert client.get("/readyz").json()["answered"] == answered
    assert first.content == again.content == form.content
    assert first.json()["timing"] == again.json()["timing"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == form.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]


def test_lists_and_lines_are_repeated_too(client):
    for headers in ({}, NDJSON):
        name = keyed(f"list {headers}")
        pair = [
            client.post("/v1/solve-many", json=listed(b"1", b"2"), headers={**headers, **name})
            for _ in range(2)
        ]
        assert pair[0].content == pair[1].content
        assert pair[1].headers["idempotent-replayed"] == "true"
        assert pair[0].headers["content-type"] == pair[1].headers["content-type"]
    lines = [json.loads(line) for line in pair[0].text.splitlines()]
    assert sorted(line["index"] for line in lines) == [0, 1]


def test_of_many_at_once_one_is_read_and_the_others_are_told_so(client):
    answered = client.get("/readyz").json()["answered"]
    with ThreadPoolExecutor(6) as pool:
        replies = list(
            pool.map(
                lambda _: client.post("/v1/solve", content=b"slow", headers=keyed("b")), range(6)
            )
        )
    assert sorted(reply.status_code for reply in replies) == [200, *[409] * 5]
    assert client.get("/readyz").json()["answered"] == answered + 1
    refused = next(reply for reply in replies if reply.status_code == 409)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert client.post("/v1/solve", content=b"slow", headers=keyed("b")).status_code == 200


def test_another_picture_under_the_same_key_is_refused(client):
    assert client.post("/v1/solve", content=b"one", headers=keyed("c")).status_code == 200
    reply = client.post("/v1/solve", content=b"two", headers=keyed("c"))
    assert reply.status_code == 422
    assert "another request had this one" in reply.json()["detail"]
    assert client.post("/v1/solve", content=b"two", headers=keyed("d")).status_code == 200
    for wrong in ("", "x" * 256):
        assert client.post("/v1/solve", content=b"one", headers=keyed(wrong)).status_code == 400


def test_what_came_to_nothing_is_read_when_it_is_sent_again(client):
    late = client.post("/v1/solve?timeout=0.2", content=b"slow", headers=keyed("e"))
    assert late.status_code == 504
    wait_until(
        lambda: client.post("/v1/solve", content=b"slow", headers=keyed("e")).status_code == 200
    )
    # What stays wrong, stays.
    for replayed in (None, "true"):
        wrong = client.post("/v1/solve", json={"image": "%%%"}, headers=keyed("f"))
        assert wrong.status_code == 400
        assert wrong.headers.get("idempotent-replayed") in (None, replayed)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/solve", content=b"slow", headers=keyed("g"), timeout=0.2)
    wait_until(
        lambda: client.post("/v1/solve", content=b"slow", headers=keyed("g")).status_code == 200
    )


def test_gateways_share_the_replies(client, server):
    first = client.post("/v1/solve", content=b"shared", headers=keyed("h"))
    with gateway(server.url) as second:
        again = second.post("/v1/solve", content=b"shared", headers=keyed("h"))
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


# Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/v1/solve-many", {"json": {"urls": ["https://pictures.example/1.jpg"]}}),
        ("/v1/solve-many", {"json": {"images": ["YQ==", "http://10.0.0.1/secret"]}}),
        ("/v1/solve-many", {"data": {"u": "ftp://a"}, "files": {"x": b"a"}}),
        ("/v1/solve", {"json": {"url": "file:///etc/passwd"}}),
        ("/v1/solve", {"json": {"image": " HTTPS://pictures.example/1.jpg"}}),
        ("/v1/solve", {"content": b"https://pictures.example/1.jpg"}),
        ("/v1/solve", {"files": {"image": (None, "https://pictures.example/1.jpg")}}),
    ],
)
def test_nothing_is_fetched_and_the_error_says_why(client, path, request_):
    reply = client.post(path, **request_)
    assert (reply.status_code, reply.json()["title"]) == (400, "BadMessage")
    assert "is an address: this gateway fetches nothing, since" in reply.json()["detail"]


# Pages of other origins ---------------------------------------------------------------------------


def asks_first(client, origin):
    """As a browser does before it sends a key, or JSON."""
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-api-key,idempotency-key",
    }
    return client.options("/v1/solve", headers=headers)


def test_pages_of_named_origins_may_ask_and_others_may_not(client):
    for origin in (HERE, "http://localhost:3000"):
        asked = asks_first(client, origin)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == origin
        reply = client.post("/v1/solve", content=b"any", headers={"origin": origin})
        assert reply.headers["access-control-allow-origin"] == origin
        assert "Origin" in reply.headers["vary"]
        assert "Retry-After" in reply.headers["access-control-expose-headers"]
    # An error can be read by the page as well.
    wrong = client.post("/v1/solve", json={}, headers={"origin": HERE})
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (400, HERE)
    asked = asks_first(client, ELSEWHERE)
    assert asked.status_code == 400
    for reply in (asked, client.post("/v1/solve", content=b"a", headers={"origin": ELSEWHERE})):
        assert "access-control-allow-origin" not in reply.headers
        assert "access-control-allow-credentials" not in reply.headers


def test_without_names_no_other_page_may(server):
    with gateway(server.url, environ={"TILEFLEET_CORS": ""}) as alone:
        assert asks_first(alone, HERE).status_code == 405
        assert "access-control-allow-origin" not in alone.get("/healthz").headers

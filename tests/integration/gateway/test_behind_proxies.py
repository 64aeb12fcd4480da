"""A gateway behind reverse proxies: whose bounds count, which paths there are, who may ask."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from producer.cli.main import main
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, wait_until
from tests.support.running.gateway import gateway

FIRST, SECOND = {"x-forwarded-for": "203.0.113.9"}, {"x-forwarded-for": "2001:db8::1"}


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url, *STRANGE, environ=NULL):
        yield server


@pytest.fixture(scope="module")
def client(server):
    options = ("--prefix", "/captchas/", "--hostname", "gw.example", "--cors", "https://b.example")
    with gateway(server.url, *options) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def statuses(client, *requests):
    """Of captchas that take their time, all asked for at once."""

    def ask(headers):
        return client.post("/v1/solve", content=b"slow", headers=headers).status_code

    with ThreadPoolExecutor(len(requests)) as pool:
        return sorted(pool.map(ask, requests))


def test_bounds_count_the_address_that_a_trusted_proxy_names(server):
    with gateway(server.url, "--max-requests", "4") as client:
        assert statuses(client, *[FIRST] * 3) == [200, 200, 503]
        assert statuses(client, FIRST, FIRST, SECOND) == [200, 200, 200]
        # Of IPv6, who has a network has one share.
        assert statuses(
            client, *({"x-forwarded-for": f"2001:db8::{number}"} for number in range(3))
        ) == [200, 200, 503]
        # What a client has put in front of its own address makes it no other one.
        assert statuses(
            client, *({"forwarded": f"for=192.0.2.{n}, for=203.0.113.9"} for n in range(3))
        ) == [200, 200, 503]


def test_nobody_is_believed_where_no_proxy_is_named(server):
    for option in (["--proxy", "none"], ["--proxy", "192.0.2.0/24", "--proxy", "fd00::/8"]):
        with gateway(server.url, "--max-requests", "4", *option) as client:
            spoofed = [{"x-forwarded-for": f"203.0.113.{number}"} for number in range(3)]
            assert statuses(client, *spoofed) == [200, 200, 503]
            # It stays a request of this machine: old paths are open to it.
            assert client.post("/check", headers=FIRST).status_code == 200


def test_this_machine_is_only_who_asks_from_it(client):
    old = client.post
    assert old("/check").status_code == 200
    assert old("/check", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 200
    for headers in (
        FIRST,
        {"x-forwarded-for": "127.0.0.1, 203.0.113.9"},
        {"x-forwarded-for": "unknown"},
        {"forwarded": "for=_hidden"},
        {"forwarded": 'for="127.0.0.1, for=203.0.113.9'},
        {"forwarded": "for=127.0.0.1", **FIRST},
    ):
        assert old("/check", headers=headers).status_code == 404, headers


def test_paths_are_there_with_and_without_the_prefix(client):
    for prefix in ("", "/captchas"):
        assert client.get(f"{prefix}/healthz").text == "ok"
        assert client.post(f"{prefix}/v1/solve", content=b"any").json()["picks"] == [1]
        assert client.post(f"{prefix}/check", content=b"").content == b'{"msg":"Wrong format. "}'
        page = client.get(f"{prefix}/", headers={"accept": "text/html"}).text
        for name in re.findall(r'(?:href|src)="(site/[^"]+|docs)"', page):
            assert client.get(f"{prefix}/{name}").status_code == 200, name
    assert client.get("/captchas").headers["location"] == "/captchas/"
    for path in ("/captchasx/healthz", "/captchas/captchas/healthz", "/captchas//healthz"):
        assert client.get(path).status_code == 404, path
    assert client.get("/captchas/openapi.json").json()["servers"] == [{"url": "/captchas"}]
    metrics = client.get("/metrics").text
    assert 'path="/healthz"' in metrics
    assert 'path="/captchas' not in metrics


def test_pages_of_elsewhere_and_their_names_are_refused(client):
    def ask(**headers):
        return client.post("/v1/solve", content=b"any", headers=headers)

    rebound = ask(host="evil.example:8000")
    assert (rebound.status_code, rebound.json()["title"]) == (403, "Forbidden")
    assert "TILEFLEET_HOSTS" in rebound.json()["detail"]
    assert client.get("/metrics", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/check", headers={"host": "evil.example"}).status_code == 403
    # That it has come through a proxy anybody can say who may set headers.
    assert ask(host="evil.example", **FIRST).status_code == 403
    assert ask(host="gw.example", **FIRST).status_code == 200
    assert ask(origin="https://evil.example").status_code == 403
    assert ask(origin="null").status_code == 403
    assert client.post("/check", headers={"origin": "https://evil.example"}).status_code == 403
    assert ask(origin="https://b.example").status_code == 200
    assert ask(origin="https://gw.example", host="gw.example").status_code == 200
    assert ask(origin=str(client.base_url).rstrip("/")).status_code == 200


def test_a_key_is_enough_under_any_name(server, tmp_path):
    file = tmp_path / "keys.json"
    added = CliRunner().invoke(main, ["keys", "add", "alice", "--file", str(file)])
    key = {"x-api-key": added.stdout.strip()}
    with gateway(server.url, "--keys", str(file)) as client:
        for headers in ({"host": "any.example"}, {"origin": "https://any.example"}):
            reply = client.post("/v1/solve", content=b"any", headers=headers | key)
            assert reply.status_code == 200
            # Old paths ask this machine for none, so a page might get in there.
            assert client.post("/check", headers=headers).status_code == 403
            assert client.post("/v1/solve", headers=headers | FIRST).status_code == 401


def test_replies_may_not_be_framed_sniffed_or_embedded(client):
    for reply in (
        client.get("/healthz"),
        client.get("/nothing"),
        client.get("/openapi.json"),
        client.get("/", headers={"accept": "text/html"}),
        client.post("/v1/solve", content=b"any"),
        client.post("/v1/solve", json={}),
        client.post("/v1/solve-many", json={"images": ["YQ=="]}, headers={"accept": "x-ndjson"}),
    ):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--proxy", "*"), ("--proxy", "example"), ("--proxy", "10.0.0.0/99")),
        *(("--prefix", "/a b"), ("--prefix", "/.."), ("--prefix", "/")),
        *(("--hostname", "a:80"), ("--hostname", "http://a"), ("--hostname", "*")),
    ],
)
def test_what_is_no_proxy_no_name_and_no_path_is_refused_at_start(option, value):
    result = CliRunner().invoke(main, ["serve", option, value])
    assert result.exit_code == 1
    assert f"{option} is not usable: give " in result.stderr
    assert len(result.stderr.splitlines()) == 1

"""The worker's transport on every kind of server that Celery's Redis transport can use."""

from contextlib import contextmanager
from time import sleep

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, another_app, ask, wait_until
from worker.transport import scripts
from worker.transport.claim import Claim

OWN_SERVER = True


@contextmanager
def working(url, **environ):
    """A worker that has answered some captchas, one after the other and at once."""
    with WorkerProcess(url, environ={**NULL, **environ}) as worker, Client(url) as fleet:
        for number in range(5):
            assert fleet.solve(b"one %d" % number, timeout=10).model == "null"
        images = [b"many %d" % number for number in range(200)]
        assert len(list(fleet.map(images, window=200))) == 200
        assert len(list(fleet.map(images, window=200, bulk=True))) == 200
        yield worker


def test_a_large_prefetch_leaves_room_for_the_bulk_lane(server):
    # Prefetch of which a third is more than one claim may bring.
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "128"}
    with WorkerProcess(server.url, environ=environ), Client(server.url) as fleet:
        assert fleet.submit(b"only this", bulk=True).result(10).model == "null"


def transport_of(url) -> dict:
    with another_app(url) as app:
        return ask(app, "stats")["engine_room"]["transport"]


def test_messages_are_claimed_many_at_once(server):
    with Client(server.url) as fleet:
        pending = [fleet.submit(b"waiting %d" % number) for number in range(300)]
        with WorkerProcess(server.url, environ=NULL):
            assert all(each.result(10) for each in pending)
            transport = transport_of(server.url)
    assert transport["claimed"] == 300
    assert transport["exchanges"] <= 0.2 * 300


@pytest.mark.parametrize(
    ("waiting", "bulk", "claimed", "on_top"),
    [(100, 0, 25, 22), (9, 0, 3, 0), (0, 100, 25, 23), (1000, 1000, 64, 61), (3, 100, 3, 0)],
)
def test_of_a_long_list_more_is_claimed_than_there_is_room_for(
    server, waiting, bulk, claimed, on_top
):
    # A quarter at most: as many others find as much. Where there is no room, nothing.
    claim = Claim.make(
        ("unacked", "unacked_index"),
        [("first", "first"), ("rest", "rest")],
        few=1,
        most=3,
        most_of_rest=2,
        on_top=61,
        tags=(),
        prefix="mine:",
        before_first=0,
    )
    with Redis(port=server.port, db=5) as redis:
        redis.flushdb()
        for name, count in (("first", waiting), ("rest", bulk)):
            if count:
                redis.lpush(name, *(f"{name} {number}" for number in range(count)))
        reply = redis.eval(scripts.EXCHANGE, len(claim.keys), *claim.keys, *claim.arguments)
        got = list(claim.read(reply))
        assert (len(got), sum(each.on_top for each in got)) == (claimed, on_top)
        assert redis.hlen("unacked") == redis.zcard("unacked_index") == claimed
        assert set(redis.hkeys("unacked")) == {each.tag.encode() for each in got}
        assert redis.llen("first") + redis.llen("rest") == waiting + bulk - claimed


def test_a_long_queue_is_claimed_in_larger_parts_than_a_short_one(server):
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "1"}
    with Client(server.url) as fleet:
        pending = [fleet.submit(b"waiting %d" % number) for number in range(300)]
        bulk = [fleet.submit(b"bulk %d" % number, bulk=True) for number in range(300)]
        # Three at a time are what it has room for.
        with WorkerProcess(server.url, "-c", "1", environ=environ):
            assert all(each.result(10) for each in [*pending, *bulk])
            transport = transport_of(server.url)
    assert transport["claimed"] == 600
    assert transport["exchanges"] <= 0.2 * 600


def test_an_idle_worker_hardly_asks(server):
    with working(server.url), Redis.from_url(server.url) as redis:
        redis.config_resetstat()
        sleep(3)
        commands = redis.info("commandstats")
        # A look at the queues, one for ended leases and a sign of life, each once a second.
        assert commands["cmdstat_eval"]["calls"] <= 12
        assert "cmdstat_brpop" not in commands


def test_stock_transport_is_a_setting_away(server):
    with working(server.url, TILEFLEET_TRANSPORT="stock"):
        assert transport_of(server.url)["claimed"] == 0


def test_fleets_with_prefixes_share_a_database(server, monkeypatch):
    with (
        accounts.prefixed(server, "other:"),
        Redis.from_url(server.url) as redis,
        working(server.url),
    ):
        monkeypatch.setenv("TILEFLEET_KEY_PREFIX", "other:")
        with working(server.url):
            assert redis.exists("tilefleet-fleet", "other:tilefleet-fleet") == 2
            assert redis.smembers("other:_kombu.binding.captcha")
        wait_until(lambda: not redis.exists("other:captcha", "other:unacked", "unacked"))


@pytest.mark.parametrize("tracking", [True, False])
def test_an_account_with_few_rights_is_enough(server, tracking):
    rights = ["+@all", "-@dangerous", "-@admin"] + ([] if tracking else ["-client|tracking"])
    with Redis.from_url(server.url) as redis:
        redis.execute_command(
            "ACL", "SETUSER", "fleet", "reset", "on", ">pass", "~*", "&*", *rights
        )
    url = f"redis://fleet:pass@127.0.0.1:{server.port}/0"
    with working(url) as worker:
        assert ("are looked at every 0.05 s" in worker.log) is not tracking


def test_a_unix_socket(tmp_path):
    path = tmp_path / "server.sock"
    with EmbeddedServer("--unixsocket", str(path)) as server:
        url = server.url.replace("redis://", "redis+socket://").replace(
            f"127.0.0.1:{server.port}/0", str(path)
        )
        with WorkerProcess(url, environ=NULL), Client(server.url) as fleet:
            assert fleet.solve(b"any", timeout=10).model == "null"

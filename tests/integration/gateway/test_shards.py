"""A gateway before several servers."""

from contextlib import ExitStack

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.gateway import gateway


def test_a_gateway_reads_with_all_shards_and_goes_on_without_one():
    with ExitStack() as stack:
        servers = [stack.enter_context(EmbeddedServer()) for _ in range(2)]
        for server in servers:
            stack.enter_context(WorkerProcess(server.url, environ=NULL))
        shards = {"TILEFLEET_SHARDS": ",".join(server.url for server in servers)}
        door = stack.enter_context(gateway(servers[0].url, environ=shards))
        assert door.get("/readyz").json()["workers"] == 2
        assert "tilefleet_queue_oldest_seconds" in door.get("/metrics").text
        for number in range(20):
            assert door.post("/v1/solve", content=b"%d" % number).status_code == 200
        servers[1].__exit__()
        wait_until(lambda: door.get("/readyz").json()["workers"] == 1)
        for number in range(20):
            assert door.post("/v1/solve", content=b"%d" % number).status_code == 200

"""The server becomes something else for a while: the worker says so, and works when it can."""

from contextlib import suppress
from threading import Thread
from time import sleep

import pytest
from redis import Redis
from redis.exceptions import RedisError

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, wait_until

RIGHTS = ("on", ">pw", "~*", "&*", "+@all")
#: Seconds that it lasts.
LASTS_S = 2.5


class Server:
    """A server with an account for the worker, and what can be done to it."""

    def __init__(self, server, other):
        self.redis = Redis.from_url(server.url)
        self._server, self._other = server, other
        self._account("reset", *RIGHTS)
        self.url = f"redis://worker:pw@127.0.0.1:{server.port}/0"

    def _account(self, *rules):
        self.redis.execute_command("ACL", "SETUSER", "worker", *rules)

    def _hang_up(self):
        self.redis.client_kill_filter(_type="normal", skipme=True)
        self.redis.client_kill_filter(_type="pubsub")

    def _run(self):
        with suppress(RedisError), Redis.from_url(self._server.url, socket_timeout=60) as redis:
            redis.eval("while true do end", 0)

    def replica(self):
        self.redis.replicaof("127.0.0.1", self._other.port)

    def busy(self):
        self.redis.config_set("lua-time-limit", 100)
        Thread(target=self._run).start()

    def full(self):
        self.redis.config_set("maxmemory", 1)

    def no_rights(self):
        self._account("-@all", "+ping")

    def no_keys(self):
        self._account("resetkeys")

    def no_channels(self):
        self._account("resetchannels")

    def another_password(self):
        self._account("resetpass", ">new")
        self._hang_up()

    def hung_up(self):
        self._hang_up()

    def empty(self):
        self.redis.flushall()

    def no_scripts(self):
        self.redis.script_flush()

    def another_type(self):
        self.redis.delete("captcha")
        self.redis.hset("captcha", "a", "b")

    def as_before(self):
        with suppress(RedisError):
            self.redis.execute_command("SCRIPT", "KILL")
        # A script ends some instructions after it was told to.
        wait_until(self.redis.ping)
        self.redis.replicaof("NO", "ONE")
        self.redis.config_set("maxmemory", 0)
        self._account("reset", *RIGHTS)
        if self.redis.type("captcha") == b"hash":
            self.redis.delete("captcha")


#: What it becomes, and a word of what the worker says of it; none where nobody need know.
STATES = {
    "replica": "read only replica",
    "busy": "BUSY",
    "full": "maxmemory",
    "no_rights": "no permissions",
    "no_keys": "permissions to access",
    "no_channels": "ermission",
    "another_password": "invalid username-password",
    "hung_up": "connecting anew",
    "another_type": "WRONGTYPE",
    "empty": "",
    "no_scripts": "",
}


@pytest.fixture(scope="module")
def other():
    with EmbeddedServer() as other:
        yield other


@pytest.fixture(scope="module")
def working(other):
    with EmbeddedServer() as server:
        hurt = Server(server, other)
        with (
            hurt.redis,
            Client(server.url) as fleet,
            WorkerProcess(hurt.url, environ=NULL) as worker,
        ):
            yield hurt, fleet, worker
            accounts.forget(server)


@pytest.mark.parametrize("state", STATES)
def test_the_worker_says_so_and_goes_on(working, state):
    hurt, fleet, worker = working
    told = len(worker.log)
    getattr(hurt, state)()
    sleep(LASTS_S)
    hurt.as_before()

    def is_answered():
        with suppress(Exception):
            return fleet.solve(b"after %s" % state.encode(), timeout=2).model == "null"

    wait_until(is_answered, 17)
    assert worker.process.poll() is None
    said = worker.log[told:]
    assert STATES[state] in said
    assert "Traceback" not in said
    if not STATES[state]:
        assert not said.strip()


def test_a_worker_that_starts_beside_a_replica_waits_for_the_master(other):
    with EmbeddedServer() as server, Redis.from_url(server.url) as redis:
        redis.replicaof("127.0.0.1", other.port)
        worker = WorkerProcess(server.url, environ=NULL)
        worker.start()
        try:
            wait_until(lambda: "read only replica" in worker.log)
            redis.replicaof("NO", "ONE")
            worker.wait_ready()
            with Client(server.url) as fleet:
                assert fleet.solve(b"any", timeout=10).model == "null"
        finally:
            assert worker.stop() == 0


def test_a_worker_whose_server_is_away_stops_when_told():
    with EmbeddedServer() as server, WorkerProcess(server.url, environ=NULL) as worker:
        server.stop()
        wait_until(lambda: "tried again in" in worker.log)
        worker.process.terminate()
        assert worker.process.wait(15) == 0


@pytest.mark.parametrize(
    ("policy", "what"),
    [("noeviction", None), ("allkeys-lru", "any key"), ("volatile-ttl", "keys that expire")],
)
def test_a_server_that_evicts_keys_is_named_at_the_start(policy, what):
    with (
        EmbeddedServer("--maxmemory", "200mb", "--maxmemory-policy", policy) as server,
        WorkerProcess(server.url, environ=NULL) as worker,
    ):
        lines = [line for line in worker.log.splitlines() if "evict" in line]
        assert len(lines) == (1 if what else 0)
        if what:
            assert what in lines[0]
            assert policy in lines[0]
            assert "set maxmemory-policy noeviction" in lines[0]

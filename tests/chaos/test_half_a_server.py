"""A server that does half of what is asked: a right that is gone, a key of another type, no memory.

What a script had done by then stays done, so each of the commands in them is taken away once.
"""

import re
from time import sleep

import pytest
from redis import Redis

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, another_app, solve, wait_until
from worker.transport import scripts

RIGHTS = ("on", ">pw", "~*", "&*", "+@all")
#: Seconds that it lasts.
LASTS_S = 1.0
SCRIPTS = {name: text for name, text in vars(scripts).items() if name.isupper()}
COMMANDS = sorted({
    command.lower()
    for text in SCRIPTS.values()
    for command in [*re.findall(r"redis\.p?call\('(\w+)'", text), "lpush"]
})  # fmt: skip
KEYS = ("unacked", "unacked_index")


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server:
        yield server
        accounts.forget(server)


@pytest.fixture
def redis(server):
    with Redis.from_url(server.url) as redis:
        redis.flushdb()
        yield redis
        redis.config_set("maxmemory", 0)


def account(redis, *rules):
    redis.execute_command("ACL", "SETUSER", "half", *rules)


@pytest.fixture(scope="module")
def worker(server):
    with Redis.from_url(server.url) as redis:
        account(redis, "reset", *RIGHTS)
    url = f"redis://half:pw@127.0.0.1:{server.port}/0"
    short = {**NULL, "TILEFLEET_LEASE_S": "2"}
    with WorkerProcess(url, "-c", "1", environ=short) as worker:
        yield worker


@pytest.mark.parametrize("what", [*COMMANDS, *KEYS])
def test_no_captcha_is_lost_whatever_half_is_missing(server, worker, redis, what):
    is_key = what in KEYS
    with another_app(server.url) as app:
        if is_key:
            redis.delete(what)
            redis.set(what, "a text")
        else:
            account(redis, f"-{what}")
        pending = [solve(app, f"{what} {number}".encode()).delay() for number in range(5)]
        sleep(LASTS_S)
        if is_key:
            redis.delete(what)
        else:
            account(redis, f"+{what}")
        assert [each.get(timeout=20)["model"] for each in pending] == ["null"] * 5
    assert worker.process.poll() is None
    # Nothing of it stays behind either.
    wait_until(lambda: not redis.exists("captcha", *KEYS))

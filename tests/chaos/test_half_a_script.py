"""A script of which a command fails: what it has done by then stays done; no message is lost."""

import re
from contextlib import suppress
from time import time

import pytest
from kombu.utils.json import dumps
from redis import Redis
from redis.exceptions import ResponseError

from worker.transport import scripts

OWN_SERVER = True

RIGHTS = ("on", ">pw", "~*", "&*", "+@all")
COMMANDS = sorted(set(re.findall(r"redis\.p?call\('(\w+)'", scripts.RESTORE)) | {"RPUSH"})
KEYS = ("unacked", "unacked_index")


@pytest.fixture
def redis(server):
    with Redis.from_url(server.url) as redis:
        redis.flushdb()
        yield redis
        redis.config_set("maxmemory", 0)


def record(queue):
    return f'[{dumps({"body": "", "headers": {}, "properties": {}})}, "", {dumps(queue)}]'


def claimed(redis, tag, queue, ended_s):
    redis.hset("unacked", tag, record(queue))
    redis.zadd("unacked_index", {tag: time() - ended_s})


def overdue(redis):
    return redis.eval(scripts.OVERDUE, 2, *KEYS, 10, 100, 0, 1000, "", ' "captcha"]')


def put_back(redis, *tags):
    each = [argument for tag in tags for argument in (tag, "the message", 1)]
    lists = ["captcha" if tag != "other" else "others" for tag in tags]
    return redis.eval(scripts.RESTORE, 2 + len(lists), *KEYS, *lists, "RPUSH", "1e18", *each)


@pytest.mark.parametrize("what", COMMANDS)
def test_who_lacks_a_right_puts_a_message_back_whole_or_not_at_all(server, redis, what):
    claimed(redis, "mine", "captcha", 100)
    redis.execute_command("ACL", "SETUSER", "mover", "reset", *RIGHTS, f"-{what}")
    mover = Redis.from_url(f"redis://mover:pw@127.0.0.1:{server.port}/0")
    with mover, suppress(ResponseError):
        put_back(mover, "mine")
    held = redis.hkeys("unacked") == redis.zrange("unacked_index", 0, -1) == [b"mine"]
    back = redis.llen("captcha") == 1 and not redis.exists(*KEYS)
    assert held != back


@pytest.mark.parametrize("full", [False, True])
def test_what_cannot_go_back_to_its_queue_stays_claimed_and_holds_up_no_other(redis, full):
    for tag in ("mine", "other"):
        claimed(redis, tag, "captcha", 100)
    redis.set("captcha", "a text")
    redis.config_set("maxmemory", 1 if full else 0)
    restored, why = put_back(redis, "mine", "other")
    assert (restored, redis.llen("others")) == (1, 1)
    assert b"WRONGTYPE" in why
    assert redis.hkeys("unacked") == [b"mine"]
    # For another lease: those behind it are next.
    assert redis.zscore("unacked_index", "mine") > time() - 5
    redis.delete("captcha")
    assert put_back(redis, "mine") == [1, b""]
    assert redis.llen("captcha") == 1
    assert not redis.exists(*KEYS)


@pytest.mark.parametrize("full", [False, True])
def test_what_is_due_and_cannot_join_its_queue_stays_parked(redis, full):
    claimed(redis, "later:\ntag", "captcha", 100)
    redis.set("captcha", "a text")
    redis.config_set("maxmemory", 1 if full else 0)
    _, _, why, *found = overdue(redis)
    assert b"WRONGTYPE" in why
    assert not found
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 1
    redis.delete("captcha")
    redis.config_set("maxmemory", 0)
    redis.zadd("unacked_index", {"later:\ntag": time() - 100})
    assert overdue(redis)[2:] == [b""]
    assert redis.llen("captcha") == 1
    assert not redis.exists(*KEYS)


@pytest.mark.parametrize("full", [False, True])
def test_what_is_parked_is_there_under_one_tag(redis, full):
    claimed(redis, "tag", "captcha", 0)
    redis.config_set("maxmemory", 1 if full else 0)
    redis.eval(scripts.PARK, 2, *KEYS, 15, "tag", "", time() + 3600)
    assert redis.hkeys("unacked") == redis.zrange("unacked_index", 0, -1) == [b"later:\ntag"]


def test_what_has_no_record_any_more_is_no_lease(redis):
    redis.zadd("unacked_index", {"nothing": time() - 100})
    claimed(redis, "theirs", "celery", 100)
    _, others, *_ = overdue(redis)
    assert redis.zrange("unacked_index", 0, -1) == [b"theirs"]
    assert others == 0


def test_a_claim_that_cannot_be_recorded_is_none(redis):
    redis.lpush("captcha", "one", "two")
    redis.set("unacked_index", "a text")
    arguments = ("mine:", 0, 5, 5, 1, 1 << 20, 0, "0.25", ', "", "captcha"]')
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        redis.eval(scripts.EXCHANGE, 3, *KEYS, "captcha", *arguments)
    assert redis.lrange("captcha", 0, -1) == [b"two", b"one"]
    assert not redis.hlen("unacked")

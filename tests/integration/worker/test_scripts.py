"""What the server does in one step, script by script: what is claimed, parked, and given back."""

import json
from time import time

import pytest

from worker.transport import scripts
from worker.transport.claim import MOST_BYTES

HELD, INDEX, FIRST, SECOND = (f"scripts.{name}" for name in ("held", "index", "first", "second"))
#: What follows a message in its record, by its queue.
ENDS = {name: f', "", "{name}"]' for name in (FIRST, SECOND)}
#: The same as a record ends, by which our own are told from others'.
OURS = [f' "{name}"]' for name in (FIRST, SECOND)]


@pytest.fixture
def run(redis):
    """A script on keys of its own, which are gone afterwards."""
    yield lambda script, keys, *arguments: redis.eval(script, len(keys), *keys, *arguments)
    # Nothing else: others have theirs on this server.
    for key in redis.scan_iter("*scripts.*"):
        redis.delete(key)


def claim(
    run,
    *lists: str,
    before: int = 0,
    most: int = 10,
    of_rest: int = 10,
    few: int = 2,
    most_bytes: int = MOST_BYTES,
    on_top: int = 0,
    tags=(),
) -> list:
    options = ("mine:", before, most, of_rest, few, most_bytes, on_top, 0.25)
    ends = [ENDS[name] for name in lists]
    now, *reply = run(scripts.EXCHANGE, [HELD, INDEX, *lists], *options, *ends, *tags)
    assert float(now) == pytest.approx(time(), abs=5)
    return reply


def hold(redis, tag: str, queue: str = FIRST, *, since: float = 0.0, text: str = '{"a":1}') -> None:
    redis.hset(HELD, tag, f"[{text}{ENDS.get(queue, ENDS[FIRST].replace(FIRST, queue))}")
    redis.zadd(INDEX, {tag: since})


def held(redis) -> set[str]:
    """Tags of what is held; both keys say the same."""
    tags = {each.decode() for each in redis.hkeys(HELD)}
    assert {each.decode() for each in redis.zrange(INDEX, 0, -1)} == tags
    return tags


def waiting(redis, queue: str) -> list[bytes]:
    """In the order in which they are claimed."""
    return redis.lrange(queue, 0, -1)[::-1]


def test_the_oldest_are_claimed_in_the_order_of_the_lists_and_recorded(run, redis):
    redis.lpush(FIRST, '{"n":1}', '{"n":2}')
    redis.lpush(SECOND, '{"n":3}', '{"n":4}')
    before = time()
    reply = claim(run, FIRST, SECOND, before=7, most=3)
    assert reply == [1, b'{"n":1}', 1, b'{"n":2}', 2, b'{"n":3}']
    assert held(redis) == {"mine:8", "mine:9", "mine:10"}
    assert json.loads(redis.hget(HELD, "mine:10")) == [{"n": 3}, "", SECOND]
    assert before - 5 < redis.zscore(INDEX, "mine:8") < time() + 5
    assert waiting(redis, SECOND) == [b'{"n":4}']


def test_all_lists_but_the_first_few_give_no_more_than_their_share(run, redis):
    for queue in (FIRST, SECOND):
        redis.lpush(queue, *"12345")
    assert claim(run, FIRST, SECOND, most=10, of_rest=2, few=1)[::2] == [1] * 5 + [2] * 2
    redis.delete(FIRST, SECOND)
    redis.lpush(FIRST, *"12345")
    assert claim(run, FIRST, SECOND, most=4, of_rest=2, few=1)[::2] == [1] * 4


def test_what_is_acknowledged_is_held_no_more_however_many_it_is(run, redis):
    tags = [f"tag {number}" for number in range(2500)]
    for tag in [*tags, "other"]:
        hold(redis, tag)
    assert claim(run, FIRST, tags=tags) == []
    assert held(redis) == {"other"}


def test_no_more_is_claimed_once_there_are_so_many_bytes_which_the_reply_says(run, redis):
    redis.lpush(FIRST, "x" * 60, "y" * 60, "z" * 60)
    assert claim(run, FIRST, most_bytes=100) == [1, b"x" * 60, 1, b"y" * 60, 0]
    assert waiting(redis, FIRST) == [b"z" * 60]


def test_of_a_long_list_a_quarter_comes_on_top_and_no_more_than_asked_for(run, redis):
    redis.lpush(FIRST, *map(str, range(40)))
    assert claim(run, FIRST, most=4, on_top=100)[::2] == [1] * 4 + [-1] * 6
    redis.lpush(SECOND, *map(str, range(400)))
    reply = claim(run, FIRST, SECOND, before=10, most=40, on_top=3, of_rest=5, few=1)
    assert reply[::2] == [1] * 30 + [2] * 5 + [-2] * 3
    assert len(held(redis)) == 48


def test_where_there_is_no_room_nothing_comes_on_top(run, redis):
    redis.lpush(FIRST, *map(str, range(40)))
    assert claim(run, FIRST, most=0, on_top=10) == []


def test_a_connection_that_asked_is_told_of_a_list_that_had_no_more(server, run):
    from redis import Redis

    with Redis.from_url(server.url, protocol=3) as asking, Redis.from_url(server.url) as other:
        connection = asking.connection_pool.get_connection()
        told = []
        connection._parser.set_invalidation_push_handler(told.append)
        connection.send_command("CLIENT", "TRACKING", "ON", "NOLOOP")
        connection.read_response()
        options = ("mine:", 0, 10, 10, 1, MOST_BYTES, 0, 0.25, ENDS[FIRST])
        connection.send_command("EVAL", scripts.EXCHANGE, 3, HELD, INDEX, FIRST, *options)
        assert len(connection.read_response()) == 1
        other.lpush(FIRST, "1")
        assert connection.can_read(timeout=5)
        connection.read_response(push_request=True)
        assert told
        asking.connection_pool.release(connection)


def test_what_is_parked_is_held_by_nobody_until_it_is_due(run, redis):
    hold(redis, "one")
    run(scripts.PARK, [HELD, INDEX], 20, "one", "\x06\x163", 5000.5, "gone", "", 1)
    later = "later:\x06\x163\none"
    assert held(redis) == {later}
    # Its lease of 20 seconds ends then.
    assert redis.zscore(INDEX, later) == pytest.approx(4980.5)


def overdue(run, *, lease: int = 10, most: int = 10, skip: int = 0, looks: int = 100, prefix=""):
    """What is passed over the next time, and the tags of what is overdue; nothing is refused."""
    arguments = (lease, most, skip, looks, prefix, *OURS)
    _, others, refused, *found = run(scripts.OVERDUE, [HELD, INDEX], *arguments)
    assert refused == b""
    return others, [each.decode() for each in found[::2]]


def test_what_is_held_for_longer_than_a_lease_is_found_and_left_there(run, redis):
    hold(redis, "old")
    hold(redis, "new", since=time())
    assert overdue(run) == (0, ["old"])
    assert held(redis) == {"old", "new"}


def test_others_messages_are_passed_over_and_not_looked_at_again_and_again(run, redis):
    for number in range(6):
        hold(redis, f"theirs {number}", "their.queue", since=number)
    hold(redis, "ours", since=10)
    assert overdue(run, looks=4) == (4, [])
    # At the end it begins anew.
    assert overdue(run, looks=4, skip=4) == (0, ["ours"])


def test_no_more_are_found_than_asked_for(run, redis):
    for number in range(5):
        hold(redis, f"ours {number}", since=number)
    assert overdue(run, most=2) == (0, ["ours 0", "ours 1"])


def test_what_is_due_joins_its_queue_as_the_last_under_the_prefix(run, redis):
    hold(redis, "later:\x06\x163\none", text='{"n":2}')
    queue = f"p:{FIRST}\x06\x163"
    redis.lpush(queue, '{"n":1}')
    assert overdue(run, prefix="p:") == (0, [])
    assert waiting(redis, queue) == [b'{"n":1}', b'{"n":2}']
    assert held(redis) == set()


def test_what_another_application_has_parked_stays(run, redis):
    hold(redis, "later:\none", "their.queue")
    assert overdue(run) == (0, [])
    assert held(redis) == {"later:\none"}


def restore(run, *messages: tuple[str, str, str], command: str = "LPUSH", before: object = 1e18):
    """How many are put back, and nothing is refused; `messages`: tag, text, list it goes to."""
    lists = [queue for _, _, queue in messages]
    arguments = [each for tag, text, _ in messages for each in (tag, text, 1)]
    restored, refused = run(scripts.RESTORE, [HELD, INDEX, *lists], command, before, *arguments)
    assert refused == b""
    return restored


def test_what_is_put_back_is_there_once_however_many_ask(run, redis):
    hold(redis, "one")
    hold(redis, "two", SECOND)
    both = (("one", "1", FIRST), ("two", "2", SECOND))
    assert restore(run, *both) == 2
    assert restore(run, *both) == 0
    assert (waiting(redis, FIRST), waiting(redis, SECOND)) == ([b"1"], [b"2"])
    assert held(redis) == set()


def test_one_whose_record_is_gone_is_not_put_back(run, redis):
    redis.zadd(INDEX, {"one": 0})
    assert restore(run, ("one", "1", FIRST)) == 0
    assert waiting(redis, FIRST) == []
    assert held(redis) == set()


def test_one_whose_lease_was_begun_anew_meanwhile_stays(run, redis):
    hold(redis, "one", since=time())
    assert restore(run, ("one", "1", FIRST), before=time() - 10) == 0
    assert held(redis) == {"one"}


@pytest.mark.parametrize(("command", "order"), [("RPUSH", b"21"), ("LPUSH", b"12")])
def test_it_is_the_next_one_or_the_last_as_asked(run, redis, command, order):
    redis.lpush(FIRST, "1")
    hold(redis, "two")
    restore(run, ("two", "2", FIRST), command=command)
    assert b"".join(waiting(redis, FIRST)) == order


def test_only_what_is_still_held_is_renewed(run, redis):
    hold(redis, "one")
    before = time()
    run(scripts.RENEW, [INDEX], "one", "gone")
    assert held(redis) == {"one"}
    assert redis.zscore(INDEX, "one") > before - 5


def test_leases_of_the_future_begin_anew_but_others_and_what_is_parked_do_not(run, redis):
    future = time() + 3600
    hold(redis, "ours", since=future)
    hold(redis, "theirs", "their.queue", since=future)
    hold(redis, "later:\nparked", since=future)
    hold(redis, "now", since=1.0)
    assert run(scripts.REBEGIN, [HELD, INDEX], 0, 100, *OURS) == [3, 2]
    assert redis.zscore(INDEX, "ours") < future - 3000
    assert redis.zscore(INDEX, "theirs") == pytest.approx(future)
    assert redis.zscore(INDEX, "later:\nparked") == pytest.approx(future)
    assert redis.zscore(INDEX, "now") == 1.0

"""What is held without a server: how much of it counts, whatever becomes of each, and what the
server is told and asked."""

import json
import logging
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from worker.transport import scripts
from worker.transport.counts import counts
from worker.transport.qos import QoS


class Channel:
    """Notes what the server is told, and answers what it is told to."""

    do_restore = False
    unacked_key, unacked_index_key = "unacked", "unacked_index"
    visibility_timeout = 15
    global_keyprefix = ""
    own_queues = ("captcha",)

    def __init__(self, *, in_event_loop: bool = True) -> None:
        self.connection = SimpleNamespace(cycle=SimpleNamespace(in_event_loop=in_event_loop))
        #: Scripts with their arguments, and what they answer: an error is raised.
        self.ran: list[tuple[str, list]] = []
        #: The keys of the last one.
        self.keys: list[str] = []
        self.replies: dict[str, deque] = {}
        #: What pipelines were told; an error that they run into.
        self.told: list[tuple] = []
        self.trouble: Exception | None = None

    def run_script(self, script, keys, arguments):
        self.ran.append((script, list(arguments)))
        self.keys = list(keys)
        replies = self.replies.get(script)
        nothing = [0, b""] if script == scripts.RESTORE else [0, 0]
        reply = replies.popleft() if replies else nothing
        if isinstance(reply, Exception):
            raise reply
        return reply

    @contextmanager
    def conn_or_acquire(self, client=None):
        yield SimpleNamespace(pipeline=lambda **options: self)

    def zrem(self, key, *tags) -> "Channel":
        self.told.append(("ZREM", *tags))
        return self

    def hdel(self, key, *tags) -> "Channel":
        self.told.append(("HDEL", *tags))
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        """Nothing is open."""

    def execute(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def _get_message_priority(self, message, reverse):
        return message["properties"].get("priority", 0)

    def _q_for_pri(self, queue, priority):
        return f"{queue}:{priority}" if priority else queue

    def _lookup(self, exchange, routing_key):
        return [routing_key]


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def plain(channel) -> QoS:
    """Holds nothing."""
    return QoS(channel, prefetch_count=0)


@pytest.fixture
def qos(monkeypatch) -> QoS:
    """Holds one message that counts, and four that were claimed on top."""
    channel = SimpleNamespace(
        do_restore=False,
        connection=SimpleNamespace(cycle=SimpleNamespace(in_event_loop=True)),
        _get_message_priority=lambda envelope, reverse: 0,
        _q_for_pri=lambda queue, priority: queue,
    )
    monkeypatch.setattr(QoS, "restore", lambda self, tags, **options: len(tags))
    made = QoS(channel, prefetch_count=2)
    tops = [f"top {number}" for number in range(4)]
    made.on_top.update(tops)
    for tag in ("counts", *tops):
        made.hold(tag, 1)
    return made


def test_what_came_on_top_leaves_room_for_others(qos):
    assert qos.held_count == 1
    assert qos.can_consume()
    qos.hold("counts, too", 1)
    assert not qos.can_consume()


def test_however_a_message_is_let_go_it_is_on_top_no_more(qos):
    qos.ack("top 0")
    qos.reject("top 1")
    qos.reject("top 2", requeue=True)
    qos.park(SimpleNamespace(delivery_tag="top 3", properties={}), due=0.0)
    assert not qos.on_top
    assert (qos.held_count, qos.held_bytes) == (1, 1)
    qos.ack("counts")
    assert qos.held_count == 0


def test_nothing_is_on_top_once_all_is_given_back(qos):
    qos.restore_unacked()
    assert not qos.on_top
    assert (qos.held_count, qos.held_bytes) == (0, 0)


def test_so_many_bytes_are_held_and_no_more_are_claimed(plain):
    plain.hold("half", 32 << 20)
    assert not plain.is_crowded
    plain.hold("one", 1)
    assert plain.is_crowded
    assert plain.can_consume()
    plain.hold("rest", (32 << 20) - 1)
    assert not plain.can_consume()
    plain.ack("half")
    assert plain.can_consume()
    assert not plain.is_crowded


def test_in_an_event_loop_the_next_exchange_carries_what_is_acknowledged(plain, channel):
    plain.hold("one", 1)
    plain.ack("one")
    assert list(plain.acknowledged) == ["one"]
    assert channel.told == []
    plain.confirm(1)
    assert not plain.acknowledged


def test_without_one_the_server_is_told_at_once():
    channel = Channel(in_event_loop=False)
    qos = QoS(channel, prefetch_count=0)
    qos.hold("one", 1)
    qos.ack("one")
    assert channel.told == [("ZREM", "one"), ("HDEL", "one")]
    assert not qos.acknowledged


def test_what_the_server_could_not_be_told_is_told_again_in_its_order(plain, channel):
    for tag in ("one", "two", "three"):
        plain.hold(tag, 1)
        plain.ack(tag)
    channel.trouble = RedisConnectionError("away")
    with pytest.raises(RedisConnectionError):
        plain.flush()
    channel.trouble = None
    channel.told.clear()
    plain.flush()
    assert channel.told[-1:] == [("HDEL", "one", "two", "three")]
    assert not plain.acknowledged


@pytest.fixture
def given_back(monkeypatch) -> list:
    """Tags that are put back on their queue, and whether as the next ones."""
    found: list[tuple[list[str], bool]] = []
    monkeypatch.setattr(
        QoS, "restore", lambda self, tags, *, leftmost=False: found.append((list(tags), leftmost))
    )
    return found


def test_what_is_rejected_is_the_next_one_of_its_queue(plain, given_back):
    plain.hold("one", 1)
    plain.reject("one", requeue=True)
    assert given_back == [(["one"], True)]
    assert plain.held() == []
    assert not plain.acknowledged


def test_of_a_channel_that_is_gone_nothing_is_acknowledged_or_given_back(
    plain, channel, given_back
):
    for tag in ("one", "two"):
        plain.hold(tag, 1)
    channel.connection = None
    plain.ack("one")
    plain.reject("two", requeue=True)
    assert not plain.acknowledged
    assert given_back == []
    assert (plain.held(), plain.held_bytes) == ([], 0)


def test_only_what_is_still_held_is_given_back_with_its_channel(plain, given_back):
    for tag in ("one", "two"):
        plain.hold(tag, 1)
    plain.ack("one")
    plain.restore_unacked()
    assert given_back == [(["two"], False)]
    assert (plain.held(), plain.held_bytes) == ([], 0)


def test_only_leases_of_what_is_still_held_begin_anew(plain, channel):
    plain.renew()
    assert channel.ran == []
    for tag in ("one", "two"):
        plain.hold(tag, 1)
    plain.ack("one")
    plain.renew()
    assert channel.ran == [(scripts.RENEW, ["two"])]


def test_a_server_that_refuses_to_renew_or_to_give_back_is_told_of_and_waited_for(
    plain, channel, caplog
):
    for script in (scripts.RENEW, scripts.OVERDUE):
        channel.replies[script] = deque([ResponseError("READONLY")])
    plain.hold("one", 1)
    with caplog.at_level(logging.WARNING):
        plain.renew()
        plain.restore_visible()
    assert caplog.text.count("READONLY") == 2


def test_what_is_parked_says_where_it_was_and_when_it_is_due(plain, channel):
    plain.flush_parked()
    assert channel.ran == []
    plain.hold("one", 1)
    plain.park(SimpleNamespace(delivery_tag="one", properties={"priority": 3}), due=99.5)
    plain.flush_parked()
    plain.flush_parked()
    assert channel.ran == [(scripts.PARK, [15, "one", ":3", 99.5])]
    assert plain.held() == []


def overdue(
    *found: object, before: bytes = b"100.5", others: int = 0, refused: bytes = b""
) -> list:
    return [before, others, refused, *found]


def record(queue: str = "captcha", **properties: object) -> bytes:
    properties["delivery_info"] = {"routing_key": queue}
    return json.dumps([{"headers": {}, "properties": properties}, "", queue]).encode()


def test_what_is_overdue_goes_to_its_own_list_marked_as_delivered_before(plain, channel, caplog):
    channel.replies[scripts.OVERDUE] = deque([overdue(b"one", record(priority=3))])
    channel.replies[scripts.RESTORE] = deque([[1, b""]])
    before = counts.restored
    with caplog.at_level(logging.WARNING):
        plain.restore_visible()
    (arguments,) = [said for script, said in channel.ran if script == scripts.RESTORE]
    command, claimed_before, tag, text, lists = arguments
    # The next one to be claimed is on the right; only what was not renewed meanwhile.
    assert (command, claimed_before, tag, lists) == ("RPUSH", "100.5", "one", 1)
    assert channel.keys == ["unacked", "unacked_index", "captcha:3"]
    message = json.loads(text)
    assert message["headers"]["redelivered"] is True
    assert message["properties"]["delivery_info"]["redelivered"] is True
    assert counts.restored == before + 1
    assert "1 messages of lost workers are given back" in caplog.text


def test_what_a_queue_does_not_take_is_told_of_and_not_counted_as_given_back(
    plain, channel, caplog
):
    parked, held = b"WRONGTYPE of the parked", b"WRONGTYPE of the held"
    channel.replies[scripts.OVERDUE] = deque([overdue(b"one", record(), refused=parked)])
    channel.replies[scripts.RESTORE] = deque([[0, held]])
    before = counts.restored
    with caplog.at_level(logging.WARNING):
        plain.restore_visible()
    for why in (parked, held):
        assert f"stay claimed that cannot be given back: {why.decode()}" in caplog.text
    assert counts.restored == before
    assert "are given back" not in caplog.text


def test_a_record_that_is_no_message_is_forgotten_and_counted(plain, channel):
    deep = b"[" * 100_000
    channel.replies[scripts.OVERDUE] = deque([overdue(b"one", b"no JSON", b"two", deep)])
    before = counts.unreadable
    plain.restore_visible()
    (arguments,) = [said for script, said in channel.ran if script == scripts.RESTORE]
    assert arguments[2:] == ["one", "", 0, "two", "", 0]
    assert counts.unreadable == before + 2


def test_one_look_in_so_many_is_made_and_each_goes_on_where_the_last_one_ended(plain, channel):
    channel.replies[scripts.OVERDUE] = deque([overdue(others=7), overdue()])
    for _ in range(4):
        plain.restore_visible(interval=3)
    looks = [said for script, said in channel.ran if script == scripts.OVERDUE]
    # Passed over: those of others that were seen.
    assert [said[2] for said in looks] == [0, 7]
    assert [said[:2] for said in looks] == [[15, 100]] * 2


def test_leases_of_the_future_are_looked_for_at_the_start_until_all_were_seen(plain, channel):
    channel.replies[scripts.OVERDUE] = deque([overdue(), overdue(), overdue()])
    channel.replies[scripts.REBEGIN] = deque([[1000, 990], [3, 3]])
    for _ in range(3):
        plain.restore_visible()
    looks = [said[0] for script, said in channel.ran if script == scripts.REBEGIN]
    assert looks == [0, 990]


def test_they_are_looked_for_again_once_the_servers_clock_was_set_back(plain, channel):
    channel.replies[scripts.OVERDUE] = deque(
        [overdue(), overdue(), overdue(before=b"40.5"), overdue(before=b"40.5")]
    )
    channel.replies[scripts.REBEGIN] = deque([[0, 0], [0, 0]])
    for expected in (1, 1, 2, 2):
        plain.restore_visible()
        assert [script for script, _ in channel.ran].count(scripts.REBEGIN) == expected


def test_a_body_is_needed_until_the_server_knows_that_its_message_is_acknowledged(qos):
    qos.beside.update({tag: f"body of {tag}" for tag in qos.held()})
    qos.ack("counts")
    assert qos.take_unneeded() == []
    qos.confirm(1)
    assert qos.take_unneeded() == ["body of counts"]
    assert qos.take_unneeded() == []
    # Whoever gets one of the others needs it.
    qos.reject("top 2", requeue=True)
    qos.park(SimpleNamespace(delivery_tag="top 3", properties={}), due=0.0)
    assert qos.beside.keys() == {"top 0", "top 1"}
    qos.restore_unacked()
    assert not qos.beside
    assert qos.take_unneeded() == []

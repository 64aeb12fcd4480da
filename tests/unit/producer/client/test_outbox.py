"""What goes out together: accepted once, however often it is tried, and refused by itself."""

import asyncio
from dataclasses import replace
from itertools import chain
from types import SimpleNamespace

import pytest
from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError, WatchError

from producer.client.message import Message
from producer.client.transport.outbox import NOTE, Batch, BodyRefused, Outbox, Sending
from tilefleet import wire
from tilefleet.errors import FleetUnreachable


def run(test):
    """A test in an event loop, of which futures are."""
    return lambda *args: asyncio.run(test(*args))


def sending(id: str, lane: str = "captcha", *, size: int = 3) -> Sending:
    message = Message(id, lane, b"x" * size, 60.0)
    return Sending([message], asyncio.get_running_loop().create_future())


def batch(*sendings: Sending, noted_s: int = 60) -> Batch:
    return Batch(sendings, name="redis://here", key_prefix="a:", noted_s=noted_s)


def why(each: Sending) -> str:
    """What whoever waits for it is told; empty: that it is accepted."""
    error = each.accepted.exception()
    assert error is None or isinstance(error, FleetUnreachable)
    return "" if error is None else str(error)


class Pipeline:
    """A transaction that is watched: notes what it is asked, and says what it is told to."""

    def __init__(self, *, noted: bool = False, said: object = ()) -> None:
        self._noted, self._said = noted, said
        self.asked: list[tuple] = []
        #: How often its connections were closed.
        self.left = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_) -> None:
        """Nothing is open."""

    async def watch(self, key: str) -> None:
        self.asked.append(("WATCH", key))

    async def exists(self, key: str) -> bool:
        self.asked.append(("EXISTS", key))
        return self._noted

    def multi(self) -> None:
        self.asked.append(("MULTI",))

    def execute_command(self, *command) -> None:
        self.asked.append(command)

    async def disconnect(self) -> None:
        self.left += 1

    async def execute(self, *, raise_on_error: bool):
        if isinstance(self._said, Exception):
            raise self._said
        return list(self._said)


def again(made: Batch, pipeline: Pipeline):
    client = SimpleNamespace(pipeline=lambda *, transaction: pipeline, connection_pool=pipeline)
    return made.push_again(client)


@run
async def test_one_push_for_each_lane_and_a_note_that_is_forgotten_some_time():
    one, two, three = sending("1"), sending("2", "captcha.bulk"), sending("3")
    commands = [command for command in batch(one, two, three).push() if len(command) > 1]
    assert commands == [
        ("SET", f"a:{NOTE}1", "", "EX", 60),
        ("LPUSH", "a:captcha", b"xxx", b"xxx"),
        ("LPUSH", "a:captcha.bulk", b"xxx"),
    ]


@run
async def test_what_is_sent_once_leaves_no_note_and_each_lane_is_refused_by_itself():
    one, two = sending("1"), sending("2", "captcha.bulk")
    made = batch(one, two, noted_s=0)
    assert [command[0] for command in made.push()] == ["LPUSH", "LPUSH"]
    made.take([ResponseError("no room"), 1])
    assert "no room" in why(one)
    assert why(two) == ""


@run
async def test_of_a_transaction_one_refused_command_refuses_all():
    one, two = sending("1"), sending("2", "captcha.bulk")
    made = batch(one, two)
    made.push()
    made.take([b"OK", ResponseError("no room"), b"QUEUED", ResponseError("EXECABORT")])
    assert "no room" in why(one)
    assert "no room" in why(two)


@run
async def test_of_one_that_was_let_in_each_lane_is_refused_by_itself():
    one, two = sending("1"), sending("2", "captcha.bulk")
    made = batch(one, two)
    made.push()
    made.take([b"OK", b"QUEUED", b"QUEUED", b"QUEUED", [b"OK", 1, ResponseError("wrong type")]])
    assert why(one) == ""
    assert "wrong type" in why(two)


@run
async def test_what_has_left_its_note_is_not_pushed_again():
    one = sending("1")
    pipeline = Pipeline(noted=True)
    await again(batch(one), pipeline)
    assert pipeline.asked == [("WATCH", f"a:{NOTE}1"), ("EXISTS", f"a:{NOTE}1")]
    assert why(one) == ""


@run
async def test_what_has_not_is_pushed_while_no_note_comes_meanwhile():
    one = sending("1")
    pipeline = Pipeline(said=[b"OK", 1])
    await again(batch(one), pipeline)
    assert pipeline.asked[0] == ("WATCH", f"a:{NOTE}1")
    assert pipeline.asked[-2:] == [
        ("SET", f"a:{NOTE}1", "", "EX", 60),
        ("LPUSH", "a:captcha", b"xxx"),
    ]
    assert why(one) == ""


@run
async def test_one_whose_note_comes_meanwhile_is_accepted():
    one = sending("1")
    await again(batch(one), Pipeline(said=WatchError()))
    assert why(one) == ""


@run
async def test_a_server_that_is_a_replica_by_now_is_left_and_says_only_that():
    said = ReadOnlyError("Command # 1 (SET one) of pipeline caused error: It is a replica.")
    pipeline = Pipeline(said=said)
    with pytest.raises(ReadOnlyError, match=r"^It is a replica\.$"):
        await again(batch(sending("one")), pipeline)
    assert pipeline.left == 1


@run
async def test_what_nobody_waits_for_any_more_is_neither_pushed_nor_tried_again():
    one, two = sending("1"), sending("2")
    made = batch(one, two)
    assert made.ids == ["1", "2"]
    one.accepted.cancel()
    assert made.ids == ["2"]
    assert not made.is_given_up
    two.accepted.cancel()
    assert made.is_given_up
    assert not made
    # A batch of nothing waits for nobody from its start.
    assert not batch().is_given_up


@run
async def test_a_message_of_half_a_megabyte_and_more_goes_alone():
    assert not sending("1", size=512 << 10).is_heavy
    assert sending("1", size=(512 << 10) + 1).is_heavy
    assert batch(sending("1", size=1 << 20)).is_heavy


@run
async def test_an_error_of_our_own_is_told_as_what_it_is():
    one = sending("1")
    batch(one).crash(TypeError("ours"))
    assert isinstance(one.accepted.exception(), TypeError)


@run
async def test_who_fails_is_told_which_server_it_was():
    one = sending("1")
    batch(one).fail("refused")
    assert why(one) == "redis://here: refused"


@run
async def test_a_body_beside_its_message_goes_alone_and_with_it_or_not_at_all():
    one = sending("1", "captcha.bulk")
    one.messages = [replace(one.messages[0], body=b"images", expires=59.5)]
    assert one.is_heavy
    for noted_s in (0, 60):
        made = batch(one, noted_s=noted_s)
        first, *note, body, push, last = made.push()
        assert (first, last) == (("MULTI",), ("EXEC",))
        assert len(note) == bool(noted_s)
        # It outlasts its message.
        assert body == ("SET", f"a:{wire.body_key('1')}", b"images", "EX", 120)
        assert push == ("LPUSH", "a:captcha.bulk", b"xxx")
    made.take([b"OK", ResponseError("no room"), b"QUEUED", b"QUEUED", ResponseError("EXECABORT")])
    assert "no room" in why(one)


def taken(*sizes: int) -> list[list[int]]:
    """What goes out together of messages of these sizes, in the order in which it does."""
    outbox = Outbox()
    for number, size in enumerate(sizes):
        outbox.add(sending(str(number), size=size))
    together = []
    while outbox:
        together.append([int(each.messages[0].id) for each in outbox.take()])
    assert sorted(chain(*together)) == [*range(len(sizes))]
    return together


@run
async def test_small_ones_wait_for_one_large_one_at_most_and_large_ones_for_the_small_ones_once():
    heavy, large, small = 1 << 20, 200 << 10, 18 << 10
    assert taken(small, small, small) == [[0, 1, 2]]
    assert taken(heavy, heavy, small, heavy) == [[0], [2], [1], [3]]
    # Together no more than what is heavy has alone.
    assert taken(large, large, large, large, small) == [[0, 1, 2], [4], [3]]
    assert taken(large, heavy, large) == [[0], [1], [2]]
    assert taken(*[small] * 130) == [[*range(128)], [128, 129]]


@run
async def test_a_body_that_the_account_may_not_store_is_told_apart():
    with_body, without = sending("1"), sending("2")
    with_body.messages = [replace(with_body.messages[0], body=b"images")]
    for each, kind in ((with_body, BodyRefused), (without, FleetUnreachable)):
        made = batch(each)
        made.push()
        made.take([b"OK", NoPermissionError("keys"), ResponseError("EXECABORT")])
        assert type(each.accepted.exception()) is kind

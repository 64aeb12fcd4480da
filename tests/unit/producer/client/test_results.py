"""The connection for results, without a server: what is subscribed to, heard, and missed."""

import asyncio
import json

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from producer.client import results as module
from producer.client.results import Results
from producer.client.results.spares import MOST
from tilefleet.errors import FleetUnreachable

KEY = b"a:celery-task-meta-"


def run(test):
    """A test in an event loop, of which futures and tasks are."""

    def ran(monkeypatch):
        monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.001)
        monkeypatch.setattr(module, "_UNTIDY_S", 0.001)
        monkeypatch.setattr(module, "_PATIENCE_S", 0.2)
        asyncio.run(test())

    return ran


class Server:
    """Confirms what is subscribed to, unless told not to; says what it is told to say."""

    def __init__(self) -> None:
        self.connection_pool = self
        self.said: asyncio.Queue = asyncio.Queue()
        self.commands: list[tuple[bytes, ...]] = []
        self.confirms = True
        #: Raised by whoever connects next.
        self.trouble: list[Exception] = []
        self.connected = 0

    async def get_connection(self):
        if self.trouble:
            raise self.trouble.pop(0)
        self.connected += 1
        return self

    async def release(self, connection) -> None:
        """It is made anew."""

    async def disconnect(self) -> None:
        self.said = asyncio.Queue()

    def pack_commands(self, commands):
        return list(commands)

    async def send_packed_command(self, packed, check_health) -> None:
        for command, *keys in packed:
            self.commands.append((command, *keys))
            if command == b"SUBSCRIBE" and self.confirms:
                for key in keys:
                    self.said.put_nowait([b"subscribe", key, 1])

    async def read_response(self, disconnect_on_error):
        said = await self.said.get()
        if isinstance(said, Exception):
            raise said
        return said

    def publish(self, task_id: str, text: object) -> None:
        body = text if isinstance(text, bytes) else json.dumps(text).encode()
        self.said.put_nowait([b"message", KEY + task_id.encode(), body])

    def keys(self, wanted: bytes) -> list[bytes]:
        return [key for command, *keys in self.commands if command == wanted for key in keys]


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def listening(server: Server) -> tuple[Results, Woken]:
    woken = Woken()
    return Results(server, key_prefix="a:", wake=woken), woken


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@run
async def test_what_is_published_is_the_outcome_of_its_task_and_nothing_else_is():
    server = Server()
    results, _ = listening(server)
    one, other = results.expect("one", 60.0), results.expect("other", 60.0)
    await results.tidy(["one", "other"])
    server.publish("one", {"status": "STARTED"})
    server.publish("one", b"no JSON")
    server.publish("one", ["no result"])
    server.publish("nobody", {"status": "SUCCESS"})
    server.publish("one", {"status": "SUCCESS", "result": 1})
    assert await asyncio.wait_for(one, 10) == {"status": "SUCCESS", "result": 1}
    assert not other.done()
    await results.close("closed")
    with pytest.raises(FleetUnreachable, match="closed"):
        await other


@run
async def test_a_message_goes_out_once_its_result_would_be_heard():
    server = Server()
    results, _ = listening(server)
    await results.tidy(["first"])
    server.confirms = False
    results.expect("late", 60.0)
    with pytest.raises(TimeoutError):
        await results.tidy(["late"])
    assert KEY + b"late" in server.keys(b"SUBSCRIBE")
    await results.close("closed")


@run
async def test_of_several_the_last_one_says_that_all_are_heard():
    server = Server()
    results, _ = listening(server)
    await results.tidy(["first"])
    server.confirms = False
    tidying = asyncio.create_task(results.tidy(["one", "two"]))
    await until(lambda: KEY + b"two" in server.keys(b"SUBSCRIBE"))
    server.said.put_nowait([b"subscribe", KEY + b"one", 1])
    await until(server.said.empty)
    await asyncio.sleep(0.01)
    assert not tidying.done()
    server.said.put_nowait([b"subscribe", KEY + b"two", 1])
    await asyncio.wait_for(tidying, 10)
    await results.close("closed")


@run
async def test_a_prefix_is_joined_to_a_key_as_celerys_backend_does_it():
    for prefix, joined in (("", b""), ("a:", b"a:"), ("a_", b"a_"), ("fleet", b"fleet_")):
        server = Server()
        results = Results(server, key_prefix=prefix, wake=Woken())
        await results.tidy(["one"])
        assert joined + b"celery-task-meta-one" in server.keys(b"SUBSCRIBE")
        await results.close("closed")


@run
async def test_an_id_that_is_subscribed_to_ahead_needs_no_further_word():
    server = Server()
    results, _ = listening(server)
    await results.tidy(["first"])
    await until(lambda: len(results._spares._ready) == MOST)
    said = len(server.commands)
    task_id = results.new_id()
    future = results.expect(task_id, 60.0)
    await results.tidy([task_id])
    assert len(server.commands) == said
    server.publish(task_id, {"status": "FAILURE", "result": {}})
    await asyncio.wait_for(future, 10)
    await results.close("closed")


@run
async def test_what_nobody_waits_for_any_more_is_unsubscribed_from_some_time():
    server = Server()
    results, woken = listening(server)
    results.expect("one", 60.0)
    await results.tidy(["one"])
    before = woken.times
    results.forget("one")
    assert not results.is_untidy
    await until(lambda: results.is_untidy)
    assert woken.times == before + 1
    await results.tidy()
    assert server.keys(b"UNSUBSCRIBE") == [KEY + b"one"]
    assert not results.is_untidy
    await results.close("closed")


@run
async def test_on_a_new_connection_what_may_have_been_missed_is_told_and_heard_again():
    server = Server()
    results, woken = listening(server)
    future = results.expect("one", 60.0)
    await results.tidy(["one"])
    results.missed.clear()
    before = woken.times
    server.said.put_nowait(RedisConnectionError("lost"))
    await until(lambda: server.connected == 2 and results.missed)
    assert results.missed == [KEY + b"one"]
    assert woken.times > before
    assert results.trouble is None
    server.publish("one", {"status": "REVOKED", "result": {}})
    assert (await asyncio.wait_for(future, 10))["status"] == "REVOKED"
    await results.close("closed")


@run
async def test_what_was_ready_on_a_connection_is_not_taken_for_ready_on_the_next():
    server = Server()
    results, _ = listening(server)
    await results.tidy(["first"])
    task_id = results.new_id()
    server.said.put_nowait(RedisConnectionError("lost"))
    await until(lambda: server.connected == 2)
    results.expect(task_id, 60.0)
    server.commands.clear()
    await results.tidy([task_id])
    assert KEY + task_id.encode() in server.keys(b"SUBSCRIBE")
    await results.close("closed")


@run
async def test_who_sends_while_there_is_no_connection_is_told_why():
    server = Server()
    server.trouble = [RedisConnectionError("refused")] * 1000
    results, _ = listening(server)
    with pytest.raises(RedisConnectionError, match="refused"):
        await results.tidy(["one"])
    assert "refused" in str(results.trouble)
    server.trouble.clear()
    await until(lambda: results.trouble is None)
    await results.tidy(["one"])
    await results.close("closed")


@run
async def test_our_own_channel_is_the_last_so_that_all_before_it_is_heard():
    server = Server()
    results, _ = listening(server)
    results.expect("one", 60.0)
    await until(lambda: results.missed)
    keys = server.keys(b"SUBSCRIBE")
    assert keys[0] == KEY + b"one"
    assert keys[-1].startswith(b"a:tilefleet-client-")
    # The first goes alone, for servers that want a password.
    assert len(server.commands[0]) == 2
    await results.close("closed")

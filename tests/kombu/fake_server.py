"""Teaches the fake Redis of kombu's unit tests two of our scripts.

The fake knows plain commands and BRPOP only. What a real server makes of the scripts is seen by
kombu's tests with a server, and by our own.
"""

from types import ModuleType, SimpleNamespace
from typing import Any

from kombu.transport import redis

from worker.transport import scripts


def exchange(client: Any, keys: list[str], arguments: list[Any]) -> list[Any]:
    """What `scripts.EXCHANGE` does, on the fake's queues, hashes and sets."""
    (unacked, index, *lists), (prefix, number, most, *more) = keys, arguments
    # Nothing on top of a long list: what is claimed so is seen with a server.
    most_of_rest, few, _, _, _, *rest = more
    for tag in rest[len(lists) :]:
        client.hdel(unacked, tag)
        client.sets[index].discard(tag)
    claimed: list[Any] = [b"0"]
    for position, (key, record) in enumerate(zip(lists, rest, strict=False), start=1):
        room = most if position <= few else min(most, most_of_rest)
        while room and (text := client.rpop(key)) is not None:
            number += 1
            client.hset(unacked, f"{prefix}{number}", f"[{text}{record}")
            client.sets[index].add(f"{prefix}{number}")
            claimed += [position, text.encode()]
            room, most, most_of_rest = room - 1, most - 1, most_of_rest - (position > few)
    return claimed


def restore(client: Any, keys: list[str], arguments: list[Any]) -> list[Any]:
    """What `scripts.RESTORE` does; the fake's queues have one end only."""
    (unacked, index, *lists), restored = keys, 0
    for tag, text, count in zip(*[iter(arguments[2:])] * 3, strict=True):
        here, lists = lists[:count], lists[count:]
        client.sets[index].discard(tag)
        if client.hashes[unacked].pop(tag, None) is not None:
            for key in here:
                client.lpush(key, text)
            restored += bool(here)
    return [restored, b""]


PLAYED = {scripts.EXCHANGE: exchange, scripts.RESTORE: restore}


def evaluate(client: Any, script: str, count: int, *rest: Any) -> Any:
    return PLAYED[script](client, list(rest[:count]), list(rest[count:]))


def teach(module: ModuleType) -> None:
    """Change the fake client and its connection in kombu's test module."""

    def execute_command(client: Any, command: str, *arguments: Any) -> Any:
        assert command == "EVAL"
        return evaluate(client, *arguments)

    def pipeline(client: Any, transaction: bool = True) -> Any:
        return module.Pipeline(client)

    def send_command(connection: Any, command: str, *arguments: Any, **options: Any) -> None:
        connection._sock.data.append((command, arguments))

    def read_response(connection: Any, **options: Any) -> Any:
        if not connection._sock or not connection._sock.data:
            # What these tests have for a connection error.
            raise KeyError("nothing was asked on this connection")
        command, arguments = connection._sock.data.pop(0)
        return evaluate(connection.client, *arguments) if command == "EVAL" else b"OK"

    def can_read(connection: Any, timeout: float = 0) -> bool:
        return bool(connection._sock.data)

    client = module.Client
    client.execute_command = execute_command
    client.pipeline = pipeline
    connection = client._sconnection
    connection.send_command = send_command
    connection.read_response = read_response
    connection.can_read = can_read
    connection._parser = SimpleNamespace(set_invalidation_push_handler=lambda handler: None)
    # Which the transport takes by itself where this module is the first to import it.
    redis.poll = module._poll

"""Many commands in one write: each has its reply or its error, and no connection keeps any."""

import pytest
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.retry import Retry

from worker.results.exchange import exchange

COMMANDS = [("SET", "a", b"1", "EX", 300), ("PUBLISH", "a", b"1"), ("SET", "b", b"2")]
PACKED = (
    b"*5\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nEX\r\n$3\r\n300\r\n"
    b"*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$1\r\n1\r\n"
    b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n"
)


class Parser:
    """A connection's: what the server refuses it gives, and the connection raises it."""

    def __init__(self, replies):
        self.replies = list(replies)

    def read_response(self):
        reply = self.replies.pop(0)
        if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
            raise reply
        return reply


class Client:
    """redis-py's, as far as it is used: itself its pool and its only connection."""

    def __init__(self, *replies, retries=0):
        self.connection_pool = self
        self.retry = Retry(NoBackoff(), retries)
        self._parser = Parser(replies)
        self.sent, self.log = [], []

    def get_connection(self):
        return self

    def release(self, connection):
        self.log.append("released")

    def disconnect(self, *, inuse_connections=True):
        self.log.append("disconnected" if inuse_connections else "all idle ones disconnected")

    def send_packed_command(self, packed):
        self.sent.append(b"".join(packed))

    def read_response(self):
        reply = self._parser.read_response()
        if isinstance(reply, Exception):
            raise reply
        return reply


def test_all_goes_in_one_write_and_each_reply_comes_back():
    client = Client(b"OK", 2, b"OK")
    assert exchange(client, COMMANDS) == [b"OK", 2, b"OK"]
    assert client.sent == [PACKED]
    assert client.log == ["released"]


def test_what_is_refused_is_an_error_among_the_replies():
    refusal = ResponseError("OOM")
    client = Client(refusal, 0, b"OK")
    assert exchange(client, COMMANDS) == [refusal, 0, b"OK"]
    assert client.log == ["released"]


def test_a_lost_connection_is_tried_as_often_as_its_client_tries():
    for lost in (RedisConnectionError("lost"), ConnectionResetError("lost")):
        client = Client(b"OK", lost, b"OK", 2, b"OK", retries=1)
        assert exchange(client, COMMANDS) == [b"OK", 2, b"OK"]
        assert client.sent == [PACKED, PACKED]
        assert client.log == ["disconnected", "released"]


def test_whatever_goes_wrong_no_reply_is_left_for_the_next_one():
    for trouble in (RedisConnectionError("lost"), ValueError("not the protocol")):
        client = Client(b"OK", trouble, b"OK")
        with pytest.raises(type(trouble)):
            exchange(client, COMMANDS)
        assert client.log[-2:] == ["disconnected", "released"]


def test_a_server_that_is_a_replica_by_now_is_left_for_whichever_its_name_leads_to():
    refusal = ReadOnlyError("You can't write against a read only replica.")
    client = Client(refusal, 0, refusal)
    assert exchange(client, COMMANDS) == [refusal, 0, refusal]
    assert client.log == ["released", "all idle ones disconnected"]

"""What the gateway reads of a request: not too much, and not for ever."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from models.errors import TooLarge
from producer.gateway import body


def read(receive, most: int = 100, **headers: str) -> bytes:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": named}
    return asyncio.run(body.read(Request(scope, receive), most))


async def never():
    await asyncio.sleep(60)


async def for_ever():
    return {"type": "http.request", "body": b"x" * 10, "more_body": True}


def test_a_sender_that_is_too_slow_is_told_so(monkeypatch):
    monkeypatch.setattr(body, "_BODY_S", 0.05)
    with pytest.raises(HTTPException, match="was not there") as refused:
        read(never)
    assert refused.value.status_code == 408


def test_a_body_without_end_is_read_up_to_the_bound():
    with pytest.raises(TooLarge, match="more than 100 bytes"):
        read(for_ever)


def test_a_body_that_is_announced_as_too_large_is_not_read():
    with pytest.raises(TooLarge, match="101 bytes"):
        read(never, content_length="101")

"""Attacks that are behaviour: connections that wait, trickle, do not listen, or break off."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from time import monotonic

from benchmarks.attack.line import Target, connected, once, reset
from benchmarks.attack.sent import JSON, SENT

Attack = Callable[[Target], Awaitable[None]]


async def _trickle(target: Target, first: bytes, more: bytes) -> None:
    """A byte now and then."""
    ends = monotonic() + target.patience_s
    async with connected(target) as (reader, writer):
        writer.write(first)
        while monotonic() < ends and not reader.at_eof():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0.2)


async def _slow_heads(target: Target) -> None:
    await _trickle(target, b"GET / HTTP/1.1\r\nA: ", b"b")


async def _slow_bodies(target: Target) -> None:
    await _trickle(target, target.head("/v1/solve", "Content-Length: 900000") + b"\r\n", b"x")


async def _slow_chunks(target: Target) -> None:
    head = target.head("/v1/solve", "Transfer-Encoding: chunked") + b"\r\n"
    await _trickle(target, head, b"1\r\nx\r\n")


async def _half_open(target: Target) -> None:
    """It says that it sends no more, and stays."""
    async with connected(target) as (reader, writer):
        writer.write(target.head("/v1/solve", "Content-Length: 900"))
        writer.write_eof()
        async with asyncio.timeout(target.patience_s):
            await reader.read()


async def _many_connections(target: Target) -> None:
    """Twenty at once, of each of those who do this."""
    async with AsyncExitStack() as lines:
        for _ in range(20):
            await lines.enter_async_context(connected(target))
        await asyncio.sleep(target.patience_s)


async def _churn(target: Target) -> None:
    async with connected(target):
        pass


async def _resets(target: Target) -> None:
    async with connected(target) as (_, writer):
        writer.write(target.head("/v1/solve", "Content-Length: 13500") + b"\r\n" + bytes(9000))
        await writer.drain()
        await asyncio.sleep(0.005)
        reset(writer)


async def _gone(target: Target) -> None:
    """It asks for a captcha, and goes before there is an answer."""
    async with connected(target) as (_, writer):
        writer.write(target.post("/v1/solve", os.urandom(13_500)))
        await writer.drain()
        reset(writer)


async def _unread(target: Target) -> None:
    """Replies of megabytes, and nobody takes them."""
    asked = (target.head("/openapi.json", method="GET") + b"\r\n") * 16
    async with connected(target, room=4096) as (_, writer):
        writer.write(asked * 8)
        await asyncio.sleep(target.patience_s)


async def _read_slowly(target: Target) -> None:
    ends = monotonic() + target.patience_s
    asked = (target.head("/openapi.json", method="GET") + b"\r\n") * 16
    async with connected(target, room=4096) as (reader, writer):
        writer.write(asked)
        while monotonic() < ends and await reader.read(512):
            await asyncio.sleep(0.1)


async def _announced(target: Target) -> None:
    """A body is announced, asked for, and does not come."""
    async with connected(target) as (reader, writer):
        head = ("Expect: 100-continue", "Content-Length: 90000")
        writer.write(target.head("/v1/solve", *head) + b"\r\n")
        async with asyncio.timeout(target.patience_s):
            await reader.read()


async def _lines_that_nobody_hears(target: Target) -> None:
    """A list is asked for as it comes, and left at its first line."""
    asked = SENT["256 bad pictures"](target).replace(
        b"Connection: close", b"Accept: application/x-ndjson"
    )
    assert JSON.encode() in asked
    async with connected(target, room=4096) as (reader, writer):
        writer.write(asked)
        await reader.readuntil(b"\r\n\r\n")
        reset(writer)


KEPT: dict[str, Attack] = {
    "slow heads": _slow_heads,
    "slow bodies": _slow_bodies,
    "slow chunks": _slow_chunks,
    "half-open connections": _half_open,
    "many connections": _many_connections,
    "connections that come and go": _churn,
    "resets in the middle of a body": _resets,
    "resets before the answer": _gone,
    "answers that nobody reads": _unread,
    "answers that are read slowly": _read_slowly,
    "bodies that are announced": _announced,
    "lists that are left": _lines_that_nobody_hears,
}


def _sending(name: str) -> Attack:
    async def attack(target: Target) -> None:
        await once(target, SENT[name](target))

    return attack


#: All of them, by name.
ATTACKS: dict[str, Attack] = {**KEPT, **{name: _sending(name) for name in SENT}}
#: Of these one in some hundreds is enough: each sends megabytes.
HEAVY = {"a long list", "a body that is too long", "a form of parts", "nested JSON"}

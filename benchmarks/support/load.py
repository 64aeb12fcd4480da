"""HTTP load that costs little: connections, kept alive, each sending its next request at once.

Raw sockets on uvloop: the reply's head is searched for its length and nothing else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import uvloop


@dataclass(slots=True)
class Run:
    """What one run gave."""

    #: Of replies with status 200, in seconds.
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


class _Connection(asyncio.Protocol):
    """Sends `request()` again and again, until that is None; then `done`."""

    def __init__(
        self, port: int, request: Callable[[], bytes | None], run: Run, done: asyncio.Future[None]
    ) -> None:
        self._port, self._request, self._run, self._done = port, request, run, done
        self._buffer = bytearray()
        self._length = -1

    def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._opening = loop.create_task(
            loop.create_connection(lambda: self, "127.0.0.1", self._port)
        )

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        data = self._request()
        if data is None:
            self._transport.close()
            self._done.set_result(None)
            return
        self._began = perf_counter()
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            at = head.index(b"content-length:") + 15
            self._length = end + 4 + int(head[at : at + 20].split(b"\r", 1)[0])
            self._closes = b"connection: close" in head
        if len(self._buffer) >= self._length:
            self._heard()

    def _heard(self) -> None:
        if self._buffer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            self._run.latencies.append(perf_counter() - self._began)
        else:
            self._run.failed += 1
        self._buffer.clear()
        self._length = -1
        if self._closes:
            # As Flask's own server does after every request.
            self._transport.close()
            self.open()
        else:
            self._send()


def closed_loop(
    port: int,
    make: Callable[[int], bytes],
    *,
    connections: int,
    seconds: float,
    warm_s: float = 0.0,
) -> Run:
    """`make` gives the request of that number; none is sent after `seconds`.

    What is sent in the first `warm_s` seconds is not counted. Raises TimeoutError if replies stay
    away for long.
    """
    sent = 0

    async def main() -> Run:
        loop = asyncio.get_running_loop()
        for count_s in (warm_s, seconds):
            run, begun = Run(), perf_counter()

            def request(until: float = begun + count_s) -> bytes | None:
                nonlocal sent
                if perf_counter() > until:
                    return None
                sent += 1
                return make(sent)

            ends = [loop.create_future() for _ in range(connections)]
            for end in ends:
                _Connection(port, request, run, end).open()
            async with asyncio.timeout(count_s + 30):
                await asyncio.gather(*ends)
            run.seconds = perf_counter() - begun
        return run

    return uvloop.run(main())


def post(path: str, kind: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

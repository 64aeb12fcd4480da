"""One hostile connection, and what it talks to."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

#: Linux paces a connection by itself (socket(7) leaves it out).
_SO_MAX_PACING_RATE = 47
#: Bounds are an address's: whoever attacks has another one than those who are measured.
ATTACKER, OTHERS = "127.0.0.66", "127.0.0.2"
#: How a connection ends that somebody has had enough of.
ENDS = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
#: Seconds after which an attacker gives up waiting for a reply.
_MOST_S = 15.0
#: The same between the parts of one; the connection may be kept.
_SILENT_S = 0.2


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, and a key that it knows."""

    port: int
    key: str
    #: Seconds for which what is slow stays.
    patience_s: float
    #: Of a connection at most; 0: as fast as it goes.
    bytes_a_second: int = 0

    def head(self, path: str, *headers: str, method: str = "POST", key: bool = True) -> bytes:
        """A request's head, without the empty line at its end."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        return "\r\n".join(
            [*lines, *([f"X-API-Key: {self.key}"] if key else []), *headers, ""]
        ).encode()

    def post(self, path: str, body: bytes, kind: str = "image/jpeg", *headers: str) -> bytes:
        """A whole request, after which the connection is closed."""
        length = f"Content-Length: {len(body)}"
        return (
            self.head(path, f"Content-Type: {kind}", length, "Connection: close", *headers)
            + b"\r\n"
            + body
        )


@asynccontextmanager
async def connected(
    target: Target, *, room: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection; `room`: bytes that its side takes without being read. Raises one of ENDS."""
    plain = socket.socket()
    plain.setblocking(False)
    if room is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    if target.bytes_a_second:
        plain.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, target.bytes_a_second)
    plain.bind((ATTACKER, 0))
    writer = None
    try:
        async with asyncio.timeout(_MOST_S):
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", target.port))
            reader, writer = await asyncio.open_connection(sock=plain)
            yield reader, writer
    finally:
        if writer is not None:
            writer.transport.abort()
        plain.close()


async def once(target: Target, data: bytes) -> None:
    """Sent in one go; what comes back is read to its end, or until no more comes."""
    async with connected(target) as (reader, writer):
        writer.write(data)
        await writer.drain()
        waits_s = _MOST_S
        while await asyncio.wait_for(reader.read(1 << 16), waits_s):
            waits_s = _SILENT_S


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut, so that the other end hears an error."""
    plain = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

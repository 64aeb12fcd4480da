"""A proxy that knows which connection is which, and hurts one kind of them."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.running.servers import Wire

#: What tells a worker's connections apart: bytes that only they send.
ROLES = {
    "claiming": b"TRACKING",
    "leases": b"BYSCORE",
    "control": b"PSUBSCRIBE",
    "events": b"celeryev/",
    "results": b"$3\r\nSET\r\n",
    "report": b"tilefleet-fleet",
}


@dataclass(eq=False)
class Line:
    """One connection through the proxy."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    roles: set[str] = field(default_factory=set)
    flowing: bool = True


class Lines(Wire):
    """A `Wire` whose connections can be hurt one by one."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.lines: set[Line] = set()

    def of(self, role: str) -> list[Line]:
        return [line for line in list(self.lines) if role in line.roles]

    def hurt(self, role: str, how: str) -> int:
        """`how`: cut (both ends hear), reset, half (the worker hears, and may go on sending) or
        stall (nobody hears); gives how many there were."""
        found = self.of(role)
        for line in found:
            self._loop.call_soon_threadsafe(getattr(self, f"_{how}"), line)
        return len(found)

    @staticmethod
    def _cut(line: Line) -> None:
        line.near.close()
        line.far.close()

    @staticmethod
    def _reset(line: Line) -> None:
        plain = line.near.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.near.transport.abort()

    @staticmethod
    def _half(line: Line) -> None:
        line.near.write_eof()
        line.flowing = False

    @staticmethod
    def _stall(line: Line) -> None:
        line.flowing = False

    async def _carry_both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        line = Line(writer, far_writer)
        self.lines.add(line)
        # Cancelled when the proxy ends.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                self._carry(line, reader, far_writer, listen=True),
                self._carry(line, far_reader, writer, listen=False),
            )
        self.lines.discard(line)

    async def _carry(self, line, reader, writer, *, listen):
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(1 << 16):
                if listen:
                    line.roles |= {role for role, sign in ROLES.items() if sign in data}
                while not (line.flowing and self._flowing):
                    await asyncio.sleep(0.02)
                    if writer.transport.is_closing():
                        return
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

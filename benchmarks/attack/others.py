"""Those who are measured: captchas at a steady rate, over connections that are kept."""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles
from time import perf_counter

from benchmarks.attack.line import OTHERS, Target

_CONNECTIONS = 8
_LATE_S = 10.0


@dataclass(slots=True)
class Seen:
    """Seconds of each answer since it was due to be asked for, and what was no answer."""

    latencies: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def p99_ms(self) -> float:
        return 1000 * quantiles(self.latencies, n=100)[98]

    def add(self, other: "Seen") -> None:
        self.latencies += other.latencies
        self.failed += other.failed


async def ask(target: Target, *, rate: float, seconds: float) -> Seen:
    """`rate` captchas a second, each other bytes, for so long."""
    seen = Seen()
    begun = perf_counter()

    async def one(number: int) -> None:
        reader = writer = None
        for due in range(number, int(rate * seconds), _CONNECTIONS):
            await asyncio.sleep(max(0.0, begun + due / rate - perf_counter()))
            try:
                async with asyncio.timeout(_LATE_S):
                    if writer is None:
                        reader, writer = await asyncio.open_connection(
                            "127.0.0.1", target.port, local_addr=(OTHERS, 0)
                        )
                    assert reader is not None
                    status = await _exchange(reader, writer, target)
            except (OSError, EOFError, TimeoutError) as error:
                seen.failed[type(error).__name__] += 1
                if writer is not None:
                    writer.transport.abort()
                reader = writer = None
                continue
            if status == 200:
                seen.latencies.append(perf_counter() - begun - due / rate)
            else:
                seen.failed[str(status)] += 1
        if writer is not None:
            writer.close()

    await asyncio.gather(*map(one, range(_CONNECTIONS)))
    return seen


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target
) -> int:
    body = os.urandom(13_500)
    head = target.head("/v1/solve", "Content-Type: image/jpeg", f"Content-Length: {len(body)}")
    writer.write(head + b"\r\n" + body)
    reply = await reader.readuntil(b"\r\n\r\n")
    (length,) = (
        int(line.partition(b":")[2])
        for line in reply.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return int(reply.split(b" ", 2)[1])

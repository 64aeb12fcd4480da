"""How many of something each address may have at once; its others wait, in the order they came."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Slots:
    """`most`: of each name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: dict[str, asyncio.Semaphore] = {}
        self._used: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, who: str, timeout: float) -> AsyncIterator[float]:
        """Have one; gives what is left of `timeout` seconds, 0 where none was free in them."""
        clock, free = (
            asyncio.get_running_loop(),
            self._free.setdefault(who, asyncio.Semaphore(self._most)),
        )
        ends, has = clock.time() + timeout, False
        self._used[who] += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends):
                    has = await free.acquire()
            yield max(0.0, ends - clock.time()) if has else 0.0
        finally:
            if has:
                free.release()
            self._used[who] -= 1
            if not self._used[who]:
                del self._used[who], self._free[who]

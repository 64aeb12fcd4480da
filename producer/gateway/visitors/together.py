"""What several ask for at once is found out once, and all of them hear it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """`work`, for whoever awaits it; who asks while it goes on gets what comes of that."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        # One who goes away takes it from nobody else.
        return await asyncio.shield(self._task)

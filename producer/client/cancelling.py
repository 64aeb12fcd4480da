"""Ending asyncio's tasks that wait for redis-py, which may swallow that they are cancelled."""

import asyncio


def check_cancelled() -> None:
    """Raise CancelledError in a task that was told to end, and has not heard it.

    What redis-py waits with swallows a cancellation that meets a reply (bpo-42130); whoever ends
    the loop, as `asyncio.run` does, cancels once and waits.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def stop(task: "asyncio.Task[None]") -> None:
    """Cancel it and wait for its end."""
    # Again and again: a cancellation that meets a reply is swallowed on its way (bpo-42130).
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.5)

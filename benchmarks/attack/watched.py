"""A gateway whose event loop is watched: ``python -m benchmarks.attack.watched OUT serve …``.

On asyncio's own loop, for uvloop's cannot be watched. At SIGUSR1 what was seen since the last one
is added to the file OUT, as a line of JSON (`Seen`). All seconds are the loop's own of the
processor (`time.thread_time`): what else the machine does meanwhile is not in them.
"""

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from time import monotonic, thread_time
from typing import Any

import uvicorn

from benchmarks.attack.line import OTHERS
from producer.cli.main import main as command
from producer.gateway.connection.protocol import Protocol


@dataclass(slots=True)
class Seen:
    """Of one time; in ms where nothing else is said."""

    turns: list[float] = field(default_factory=list)
    captchas: list[float] = field(default_factory=list)
    longest: float = 0.0
    collection: float = 0.0
    began: float = field(default_factory=monotonic)
    had_s: float = field(default_factory=thread_time)

    def summary(self) -> dict[str, Any]:
        """`turn`, `captcha`: the 99th percentile; `longest`: of one callback; `collection`: of one
        of garbage; `share`: of the time that the loop was busy."""
        return {
            "turn": _p99(self.turns),
            "longest_turn": max(self.turns, default=0.0),
            "captcha": _p99(self.captchas),
            "longest": self.longest,
            "collection": self.collection,
            "share": (thread_time() - self.had_s) / (monotonic() - self.began),
        }


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98] if len(values) > 1 else 0.0


seen = Seen()


class Loop(asyncio.SelectorEventLoop):
    """Notes how long each turn takes."""

    def _run_once(self) -> None:
        begun = thread_time()
        super()._run_once()  # type: ignore[misc]
        seen.turns.append(1000 * (thread_time() - begun))


def _watch_callbacks() -> None:
    run: Callable[[asyncio.Handle], None] = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        begun = thread_time()
        run(handle)
        seen.longest = max(seen.longest, 1000 * (thread_time() - begun))

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]


def _watch_collections() -> None:
    begun = 0.0

    def watch(phase: str, _: dict[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = thread_time()
        else:
            seen.collection = max(seen.collection, 1000 * (thread_time() - begun))

    gc.callbacks.append(watch)


class WatchedProtocol(Protocol):
    """Notes what the loop computes from the first byte of a captcha of the others to its reply."""

    _begun: float | None = None

    def data_received(self, data: bytes) -> None:
        if self._who == OTHERS and self._begun is None:
            self._begun = thread_time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        if self._begun is not None:
            seen.captchas.append(1000 * (thread_time() - self._begun))
            self._begun = None
        super().on_response_complete()


def main() -> None:
    out = Path(sys.argv[1])

    def tell(*_: object) -> None:
        global seen
        with out.open("a") as file:
            file.write(json.dumps(seen.summary()) + "\n")
        seen = Seen()

    def config(app: Any, **given: Any) -> uvicorn.Config:
        given |= {"loop": f"{__name__}:Loop", "http": WatchedProtocol}
        return made(app, **given)

    made = uvicorn.Config
    uvicorn.Config = config  # type: ignore[misc,assignment]
    _watch_callbacks()
    _watch_collections()
    signal.signal(signal.SIGUSR1, tell)
    command(sys.argv[2:])


if __name__ == "__main__":
    # Under the name by which the loop is found.
    from benchmarks.attack import watched

    watched.main()

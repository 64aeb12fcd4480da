"""Included by a worker, this notes when each part of a captcha's way began, for `benchmarks.idle`.

It takes the place of the worker's tracing (`TILEFLEET_TRACES`), which notes the same anyway, and
writes what it noted to the file that ``BENCHMARK_MARKS`` names when the worker stops.
"""

import json
import os
from pathlib import Path
from time import monotonic
from typing import Any

from worker.bootstep import EngineRoomStep
from worker.engine_room.job import Delivery, Trace


class Marks:
    """What the coordinator is given as its tracing."""

    def __init__(self) -> None:
        self._noted: list[dict[str, float]] = []

    def begin(self, delivery: Delivery) -> None:
        delivery.trace = Trace(None)

    def end(self, delivery: Delivery, trace: Trace) -> None:
        noted = {"claimed": trace.claimed, "concluded": monotonic()}
        for part, started, ended in trace.marks:
            noted |= {f"{part} begins": started, f"{part} ends": ended}
        self._noted.append(noted)

    def close(self) -> None:
        Path(os.environ["BENCHMARK_MARKS"]).write_text(json.dumps(self._noted))


def _open(step: EngineRoomStep, worker: Any) -> Marks:
    return Marks()


EngineRoomStep._open_tracing = _open  # type: ignore[assignment, method-assign]

"""What a worker's report tells of its engine room: the figures of one second."""

from collections import Counter
from collections.abc import Mapping
from time import monotonic

from tilefleet.figures import Figures
from worker.engine_room.room import EngineRoom
from worker.hub.coordinator import Coordinator
from worker.results.writer import Writer


def figures(room: EngineRoom, coordinator: Coordinator, writer: Writer, *, warm: float) -> Figures:
    """`warm`: when the room became so, by the monotonic clock."""
    stats, arrived = room.stats(), room.oldest
    durations = {**room.durations, "store": writer.durations}
    return Figures(
        uptime_s=round(monotonic() - warm, 3),
        engine=type(room.engine).__module__.rpartition(".")[2],
        lanes=stats["sessions"],
        max_batch=stats["long_batch"],
        waiting=stats["waiting"],
        running=stats["running"],
        claimed=coordinator.claimed,
        oldest_s=0.0 if arrived is None else round(monotonic() - arrived, 3),
        joined=stats["joined"] + stats["kept_answers_used"],
        errors=dict(coordinator.errors),
        **_by_model(coordinator.outcomes),
        passes={int(size): count for size, count in stats["pass_sizes"].items()},
        durations={name: tuple(each.buckets) for name, each in durations.items()},
    )


def _by_model(outcomes: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """For `Figures`, of what the coordinator counts."""
    answered: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for (model, outcome), count in dict(outcomes).items():
        if outcome != "dropped":
            (answered if outcome == "answered" else failed)[model] += count
    return {"answered_by": dict(answered), "failed_by": dict(failed)}

"""How long the fuzzing tries: `make test` a minute in all, `make chaos` some, `make chaos-long` an
hour. And what failed once: the corpus, a line of JSON for each, which is always tried.
"""

import json
import os
from pathlib import Path

from hypothesis import HealthCheck, settings

CORPUS = Path(__file__).with_name("corpus")
#: 0, 1 or 2, by ``TILEFLEET_CHAOS``: unset, 1, or long.
EFFORT = {"": 0, "long": 2}.get(os.environ.get("TILEFLEET_CHAOS", ""), 1)
LONG = EFFORT > 0


def fuzz(*examples: int, **more) -> settings:
    """Settings with so many examples for each effort; the first are the same every time."""
    return settings(
        max_examples=examples[EFFORT],
        derandomize=not LONG,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def corpus(door: str) -> dict[str, bytes]:
    """Why it is there → what was sent: in the file texts (latin-1), each with how often."""
    lines = (CORPUS / f"{door}.jsonl").read_text(encoding="ascii").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["why"] for row in rows}) == len(rows)
    return {
        row["why"]: b"".join(text.encode("latin-1") * times for text, times in row["parts"])
        for row in rows
    }

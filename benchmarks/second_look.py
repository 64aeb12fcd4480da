"""What a captcha costs that another model of the store looks at again, in passes of 1 and of 8.

python -m benchmarks.second_look NAME [NAME …] [--data FOLDER] [--rounds 5] [--json]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import thread_time

from benchmarks.endtoend import images
from benchmarks.support import report
from models import engines
from models.engines.base import Session
from models.engines.second import UNSURE
from models.recognition.crops import Crops
from tilefleet.settings import Settings

_PASSES = (8, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="models of the store")
    parser.add_argument("--data", type=Path, help="folder of captchas; those of 2017 without")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    here = Settings.from_environ()
    first = engines.load(Settings(engine="litert"))
    files = sorted(options.data.glob("*.jpg")) if options.data else images()
    crops = [first.prepare(file.read_bytes()) for file in files]
    alone = first.session()
    unsure = sum(answer.confidence < UNSURE for answer in alone.read(crops))
    sessions = {"none": alone} | {
        name: engines.load(Settings(engine="litert", store=here.store, second_look=name)).session()
        for name in options.names
    }
    rows = []
    for size in _PASSES:
        taken: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(options.rounds):
            for name, session in sessions.items():
                taken[name].append(_milliseconds(session, crops, size))
        for name, each in taken.items():
            more = [(one - other) / unsure for one, other in zip(each, taken["none"], strict=True)]
            rows.append([name, size, report.spread([ms / len(crops) for ms in each])])
            rows[-1].append("" if name == "none" else report.spread(more))
    report.show(
        "A second look",
        ["second look", "captchas a pass", "ms a captcha", "ms of one that is looked at again"],
        rows,
        caveats=[
            f"LiteRT, one thread's CPU, no decoding; {unsure} of {len(crops)} captchas are looked "
            f"at again; {options.rounds} rounds, in turns",
        ],
        as_json=options.json,
    )


def _milliseconds(session: Session, crops: Sequence[Crops], size: int) -> float:
    begun = thread_time()
    for start in range(0, len(crops), size):
        session.read(crops[start : start + size])
    return (thread_time() - begun) * 1000


if __name__ == "__main__":
    main()

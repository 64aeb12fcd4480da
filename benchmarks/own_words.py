"""The built-in vocabulary with the words that the captchas of 2016 ask for: which headers are read.

python -m benchmarks.own_words DATA [--headers 40000] [--store DIR] [--out DIR]

DATA has captchas2016/ with answers.csv. Only its words are learned: headers are drawn, the words
network goes on from the built-in one's, and no picture of DATA is learned from or fitted to. Then
`models bootstrap` labels the tiles with it, as far as they come back. Some 15 minutes on two cores.
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.support import report
from models.bootstrap import run
from models.datasets.beginning import look
from models.datasets.collections import MEASURED
from models.datasets.kinds import kind_of, write_kind
from models.datasets.truth import truths
from models.engines.reader import Reader
from models.evaluation.score import Outcome, outcomes
from tilefleet.kind import BUILTIN, Kind
from tilefleet.settings import Settings

NAME = "words2016"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--headers", type=int, default=40_000)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--store", type=Path, help="to keep the model in")
    parser.add_argument("--out", type=Path, help="to keep the folder of data, the state and labels")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = asked.out or Path(folder)
        root = asked.store or out / "store"
        data = prepare(asked.data, out / "data")
        train(data, out / "state", root, asked.headers, asked.epochs, asked.steps)
        rows = [read(data, NAME, root), read(data, "builtin", root)]
        labelled = bootstrap(data, out / "labels", root)
        known = len(kind_of(data).labels)
    report.show(
        f"{known} words: the headers of 2016",
        ("words network", "words", "of the built-in's words", "of other words", "exact"),
        rows,
        caveats=[labelled, "exact: with the built-in tiles network, which knows 80 words"],
        as_json=asked.json,
    )


def prepare(source: Path, data: Path) -> Path:
    """A folder of data with the larger vocabulary, on whose captchas is only measured."""
    data.mkdir(parents=True, exist_ok=True)
    if not (data / MEASURED).exists():
        shutil.copytree(source / "captchas2016", data / MEASURED)
    found = look(data, BUILTIN)
    write_kind(data, Kind(found.words, found.layout, BUILTIN.tiles_per_word))
    return data


def train(
    data: Path, state: Path, root: Path, headers: int, epochs: int | None, steps: int | None
) -> None:
    """The words network; the tiles network is the built-in one, with more classes."""
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    from models.training.options import Options
    from models.training.pair import train_pair

    train_pair(
        data,
        Options(only="words", headers=headers, epochs=epochs, steps=steps),
        fonts=(),
        teachers=(),
        name=NAME,
        root=root,
        replace=True,
        directory=state,
        kind=kind_of(data),
        base="builtin",
    )


def read(data: Path, name: str, root: Path) -> tuple[str, int, str, str, str]:
    """How many headers a model reads, of those with the built-in's words and of the others."""
    reader = Reader(replace(Settings.from_environ(), models=(name,), store=root))
    found = outcomes(reader, truths(data / MEASURED, kind_of(data)))
    ours: list[Outcome] = []
    others: list[Outcome] = []
    for each in found:
        known = all(word in BUILTIN.index for word in each.truth.words)
        (ours if known else others).append(each)
    right = [sum(each.words_right for each in part) for part in (ours, others)]
    exact = sum(each.exact for each in found)
    return (
        reader.engine.model,
        len(reader.engine.kind.labels),
        f"{right[0]} of {len(ours)}",
        f"{right[1]} of {len(others)}",
        f"{exact} of {len(found)}",
    )


def bootstrap(data: Path, out: Path, root: Path) -> str:
    """What the words tell of the tiles."""
    found = run.bootstrap(
        data / MEASURED,
        out,
        words=NAME,
        root=root,
        rounds=0,
        begin=lambda step: lambda done, of: None,
        say=lambda line: None,
    )
    return f"models bootstrap: {found.sure} of {len(found.dataset)} pictures labelled surely"


if __name__ == "__main__":
    main()

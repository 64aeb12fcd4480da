"""From a folder of captchas to labelled tiles, step by step: ``tilefleet models bootstrap``.

::

    scan      every captcha: words, signatures                        steps/scan/
    group     tiles that are the same picture                         steps/groups.npy
    pictures  one picture of each group                               pictures.npy
    estimate  labels by co-occurrence                                 steps/round0.npz
    learn     a network on the sure ones, and estimate again …        steps/round1.npz …
    write     dataset, table, contact sheets

What a step finds is on disk before the next begins, and a run that was cut off goes on there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import store
from models.bootstrap import checks, dataset, groups, scan, sheets, signatures
from models.bootstrap.arrays import write_array
from models.bootstrap.estimation.beliefs import Beliefs, Sightings
from models.bootstrap.progress import Begin, Watch
from models.bootstrap.rounds import rounds as learned_in_rounds
from models.store import Entry
from models.training import note
from tilefleet.errors import BadCollection
from tilefleet.layout import Layout

#: The signature that measures best (`tilefleet models dedupe --compare`).
SIGNATURE = "colour"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    dataset: dataset.Dataset
    captchas: int
    unreadable: tuple[tuple[str, str], ...]
    #: One for the estimate by co-occurrence alone, one for each round with a network.
    rounds: tuple[Beliefs, ...]
    #: The round that was kept.
    best: int
    #: Pictures in tiles.npz.
    sure: int
    #: Step → how long it took, seconds; without what earlier runs in the same folder had done.
    seconds: Mapping[str, float]

    def lines(self) -> list[str]:
        """For people."""
        kept = self.rounds[self.best]
        total = sum(self.seconds.values())
        tiles = self.dataset.kind.layout.count * self.captchas
        return [
            f"{self.captchas} captchas, {len(self.unreadable)} unreadable files",
            f"{len(self.dataset)} pictures on {tiles} tiles",
            *(
                f"round {number}{' (kept)' if number == self.best else ''}: {each}"
                for number, each in enumerate(self.rounds)
            ),
            f"words in headers that name another thing or were misread: {kept.wrong_words:.3f}",
            f"sure labels: {self.sure} of {len(self.dataset)} pictures, in tiles.npz",
            f"{total:.1f} s, {1000 * total / self.captchas:.2f} ms a captcha: "
            + ", ".join(f"{step} {took:.1f} s" for step, took in self.seconds.items()),
        ]


def bootstrap(
    folder: Path,
    out: Path,
    *,
    words: str = "builtin",
    root: Path | None = None,
    rounds: int = 3,
    steps: int = 2000,
    seed: int = 1,
    begin: Begin,
    say: Callable[[str], None],
) -> Outcome:
    """Learn labels of the tiles of all captchas in `folder`, and write them to `out`.

    `words`: the model of the store whose words network reads the headers; its tiles network is not
    asked. `rounds`: of learning a network, `steps` batches each; 0 for co-occurrence alone. `begin`
    is told the name of each step, and what it gives is told how far the step is; `say` hears a line
    for each round. Raises BadCollection, ModelError and OSError.
    """
    begin = watch = Watch(begin)
    entry = store.find(words, root=root)
    kind = entry.manifest.kind
    kept = out / "steps"
    kept.mkdir(parents=True, exist_ok=True)
    _claim(out, kept, folder, entry, seed)
    found = scan.scan(
        folder,
        kept / "scan",
        words=entry,
        signature=signatures.find(SIGNATURE),
        tick=begin("reading captchas"),
    )
    checks.check_captchas(folder, found, kind)
    members = _grouped(kept / "groups.npy", found, seed, begin)
    checks.check_repeats(folder, members, kind.layout.count)
    pictures = _cut(out / dataset.PICTURES, folder, found, members, kind.layout, begin)
    seen = Sightings(
        members.reshape(-1, kind.layout.count),
        found.words,
        np.clip(found.confidence.astype(np.float64), 0, 1),
        kind,
    )
    history = learned_in_rounds(
        kept, seen, pictures, most=rounds, steps=steps, seed=seed, begin=begin, say=say
    )
    best = max(range(len(history)), key=lambda number: history[number].log_agreement)
    labels = history[best].labels
    begin("writing the dataset")
    written = dataset.write(
        out,
        labels,
        pictures,
        files=found.files,
        groups=seen.groups,
        unreadable=found.unreadable,
        kind=kind,
    )
    begin("drawing contact sheets")
    sheets.write(out / "sheets", pictures, written.corrected(), kind)
    sure = int((written.corrected().max(axis=1) >= dataset.SURE).sum())
    return Outcome(
        written, len(found), found.unreadable, tuple(history), best, sure, watch.seconds()
    )


def _grouped(path: Path, found: scan.Scan, seed: int, begin: Begin) -> NDArray[np.int32]:
    """The group of each tile, int32 (captchas · tiles,)."""
    if path.exists():
        kept: NDArray[np.int32] = np.load(path)
        return kept
    threshold = signatures.find(SIGNATURE).threshold
    tick = begin("finding pictures that come back")
    members = groups.group(found.signatures, threshold, seed=seed, tick=tick)
    write_array(path, members)
    return members


def _cut(
    path: Path,
    folder: Path,
    found: scan.Scan,
    members: NDArray[np.int32],
    layout: Layout,
    begin: Begin,
) -> NDArray[np.uint8]:
    """One picture of each group, uint8 (groups, h, w, 3), on disk."""
    first = dataset.first_places(members.reshape(-1, layout.count))
    if not path.exists():
        tick = begin("cutting a picture of each")
        draft = path.with_name(f".{path.name}")
        shape = (len(first), *layout.tile_shape, 3)
        pictures = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
        order = np.argsort(first)
        places = [
            (found.files[at // layout.count], at % layout.count) for at in first[order].tolist()
        ]
        for done, tile in enumerate(scan.tiles(folder, places, layout), 1):
            pictures[order[done - 1]] = tile
            if done % 1000 == 0 or done == len(places):
                tick(done, len(places))
        pictures.flush()
        del pictures
        draft.replace(path)
    cut: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return cut


def _claim(out: Path, kept: Path, folder: Path, entry: Entry, seed: int) -> None:
    """Note what the steps in `kept` are of, or check it."""
    files = scan.names(folder)
    now: dict[str, Any] = {
        "folder": str(folder.resolve()),
        "files": len(files),
        "last file": files[-1] if files else "",
        "words network": entry.manifest.files["words.tflite"],
        "signature": SIGNATURE,
        "seed": seed,
    }
    advice = f"use another folder than {out}"
    note.claim(kept / "run.json", now, advice=advice, error=BadCollection)

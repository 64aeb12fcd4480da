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

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models import store
from models.bootstrap import cooccurrence, dataset, groups, learner, scan, sheets, signatures
from models.bootstrap.cooccurrence import Beliefs, Rates, Sightings
from models.bootstrap.drafts import write_array, written
from models.errors import BadCollection
from models.geometry import TILE
from models.labels import LABELS
from models.store import Entry

#: The signature that measures best (`tilefleet models dedupe --compare`).
SIGNATURE = "colour"
_HELD_OUT = 0.1
#: Captchas that can be read, and different words in their headers, at least.
_LEAST_CAPTCHAS = 40
_LEAST_WORDS = 3
#: Share of tiles whose picture must come back for words to tell pictures apart.
_LEAST_REPEATED = 0.1
#: The held-out log probability must grow by this much for another round of learning.
_GAIN = 2e-3


class Progress(Protocol):
    """Tells how far a step is."""

    def __call__(self, done: int, of: int) -> None: ...


#: Begins a step of that name.
Begin = Callable[[str], Progress]


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

    def lines(self) -> list[str]:
        """For people."""
        kept = self.rounds[self.best]
        return [
            f"{self.captchas} captchas, {len(self.unreadable)} unreadable files",
            f"{len(self.dataset)} pictures on {8 * self.captchas} tiles",
            *(
                f"round {number}{' (kept)' if number == self.best else ''}: held-out headers: "
                f"word on the tiles {each.agreement:.3f}, log probability {each.log_agreement:.3f}"
                for number, each in enumerate(self.rounds)
            ),
            f"words in headers that name another thing or were misread: {kept.wrong_words:.3f}",
            f"sure labels: {self.sure} of {len(self.dataset)} pictures, in tiles.npz",
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
    asked. `rounds`: of learning a network, `steps` batches each; 0 for co-occurrence alone. Raises
    BadCollection and ModelError.
    """
    entry = store.find(words, root=root)
    kept = out / "steps"
    kept.mkdir(parents=True, exist_ok=True)
    _claim(out, folder, entry, seed)
    found = scan.scan(
        folder,
        kept / "scan",
        words=entry,
        signature=signatures.find(SIGNATURE),
        tick=begin("reading captchas"),
    )
    _check_enough(folder, found)
    members = _grouped(kept / "groups.npy", found, seed, begin)
    _check_repeats(folder, members)
    pictures = _cut(out / dataset.PICTURES, folder, found, members, begin)
    seen = Sightings(
        members.reshape(-1, 8), found.words, np.clip(found.confidence.astype(np.float64), 0, 1)
    )
    history = _rounds(kept, seen, pictures, rounds=rounds, steps=steps, seed=seed, say=say)
    best = max(range(len(history)), key=lambda number: history[number].log_agreement)
    labels = history[best].labels
    written = dataset.write(
        out,
        labels,
        pictures,
        files=found.files,
        groups=seen.groups,
        unreadable=found.unreadable,
    )
    tick = begin("drawing contact sheets")
    sheets.write(out / "sheets", pictures, written.corrected())
    tick(1, 1)
    sure = int((written.corrected().max(axis=1) >= dataset.SURE).sum())
    return Outcome(written, len(found), found.unreadable, tuple(history), best, sure)


def _rounds(
    kept: Path,
    seen: Sightings,
    pictures: NDArray[np.uint8],
    *,
    rounds: int,
    steps: int,
    seed: int,
    say: Callable[[str], None],
) -> list[Beliefs]:
    """Estimate, learn, estimate again, until held-out headers agree no better."""
    held = np.random.default_rng(seed).random(len(seen)) < _HELD_OUT
    history: list[Beliefs] = []
    prior: NDArray[np.float32] | None = None
    for number in range(rounds + 1):
        path, seen_by_network = kept / f"round{number}.npz", kept / f"prior{number}.npy"
        if path.exists():
            history.append(_load(path))
            prior = np.load(seen_by_network) if number else None
            continue
        if number:
            opinion = learner.learn(
                pictures,
                history[-1].labels,
                directory=kept / f"learner{number}",
                before=kept / f"learner{number - 1}" if number > 1 else None,
                steps=steps,
                seed=seed,
                say=say,
            )
            if opinion is None:
                say("too few sure groups for a network to learn from: co-occurrence alone")
                break
            say(
                f"on sure groups kept from it, it agrees with {opinion.agreement:.3f} "
                f"(temperature {opinion.temperature})"
            )
            # Of what it learned from it says nothing: there, what was seen before still holds.
            silent = ~opinion.prior.any(axis=1, keepdims=True)
            prior = opinion.prior if prior is None else np.where(silent, prior, opinion.prior)
            write_array(seen_by_network, prior)
        beliefs = _estimate(seen, len(pictures), prior, held)
        _save(path, beliefs)
        history.append(beliefs)
        say(
            f"round {number}: held-out headers: word on the tiles {beliefs.agreement:.3f}, "
            f"log probability {beliefs.log_agreement:.3f}"
        )
        if number and beliefs.log_agreement < history[-2].log_agreement + _GAIN:
            break
    return history


def _estimate(
    seen: Sightings, groups: int, prior: NDArray[np.float32] | None, held: NDArray[np.bool_]
) -> Beliefs:
    """Agreement measured without the held-out captchas; then the labels with them."""
    measured = cooccurrence.fit(seen.only(~held), groups, prior=prior, held_out=seen.only(held))
    full = cooccurrence.fit(seen, groups, prior=prior, rates=measured.rates)
    return Beliefs(
        full.labels,
        full.rates,
        measured.log_agreement,
        measured.agreement,
        full.exchanges,
        full.wrong_words,
    )


def _grouped(path: Path, found: scan.Scan, seed: int, begin: Begin) -> NDArray[np.int32]:
    """The group of each tile, int32 (captchas · 8,)."""
    if path.exists():
        kept: NDArray[np.int32] = np.load(path)
        return kept
    threshold = signatures.find(SIGNATURE).threshold
    tick = begin("finding pictures that come back")
    members = groups.group(found.signatures, threshold, seed=seed, tick=tick)
    write_array(path, members)
    return members


def _cut(
    path: Path, folder: Path, found: scan.Scan, members: NDArray[np.int32], begin: Begin
) -> NDArray[np.uint8]:
    """One picture of each group, uint8 (groups, 67, 67, 3), on disk."""
    first = dataset.first_places(members.reshape(-1, 8))
    if not path.exists():
        tick = begin("cutting a picture of each")
        draft = path.with_name(f".{path.name}")
        shape = (len(first), TILE, TILE, 3)
        pictures = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
        order = np.argsort(first)
        places = [(found.files[at // 8], at % 8) for at in first[order].tolist()]
        for done, tile in enumerate(scan.tiles(folder, places), 1):
            pictures[order[done - 1]] = tile
            if done % 1000 == 0 or done == len(places):
                tick(done, len(places))
        pictures.flush()
        del pictures
        draft.replace(path)
    cut: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return cut


def _check_enough(folder: Path, found: scan.Scan) -> None:
    words = set(found.words[:, 0].tolist())
    if len(found) < _LEAST_CAPTCHAS or len(words) < _LEAST_WORDS:
        raise BadCollection(
            f"{folder} has {len(found)} readable captchas ({len(found.unreadable)} files are none) "
            f"that ask for {len(words)} words; at least {_LEAST_CAPTCHAS} captchas and "
            f"{_LEAST_WORDS} words are needed, and every picture should come back about 8 times: "
            f"for the {len(LABELS)} words that takes thousands of captchas"
        )


def _check_repeats(folder: Path, members: NDArray[np.int32]) -> None:
    sizes = np.bincount(members)
    repeated = float(sizes[sizes > 1].sum() / len(members))
    if repeated < _LEAST_REPEATED:
        once, twice = int((sizes == 1).sum()), int((sizes == 2).sum())
        # Chao, "Nonparametric estimation of the number of classes in a population", 1984.
        pool = len(sizes) + once * (once - 1) // (2 * (twice + 1))
        raise BadCollection(
            f"{folder}: {len(members) // 8} captchas show {len(sizes)} pictures, {once} of them "
            f"once: nothing comes back, so words cannot tell them apart. By these counts there are "
            f"some {pool} pictures in all, and about as many captchas are needed"
        )


def _claim(out: Path, folder: Path, entry: Entry, seed: int) -> None:
    """Note what the steps in `out` are of, or check it."""
    files = scan.names(folder)
    now: dict[str, Any] = {
        "folder": str(folder.resolve()),
        "files": len(files),
        "last file": files[-1] if files else "",
        "words network": entry.manifest.files["words.tflite"],
        "signature": SIGNATURE,
        "seed": seed,
    }
    note = out / "steps" / "run.json"
    if not note.exists():
        note.write_text(json.dumps(now, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return
    begun = json.loads(note.read_text(encoding="utf-8"))
    changed = [
        f"{name} {begun.get(name)}, now {value}"
        for name, value in now.items()
        if begun.get(name) != value
    ]
    if changed:
        raise BadCollection(f"{out} was begun with {'; '.join(changed)}; use another folder")


def _save(path: Path, beliefs: Beliefs) -> None:
    with written(path) as file:
        np.savez(
            file,
            labels=beliefs.labels,
            figures=np.array([beliefs.log_agreement, beliefs.agreement, beliefs.wrong_words]),
            exchanges=beliefs.exchanges,
            header_errors=np.array(beliefs.rates.header_errors),
            tiles_per_word=np.array(beliefs.rates.tiles_per_word),
        )


def _load(path: Path) -> Beliefs:
    with np.load(path, allow_pickle=False) as arrays:
        log_agreement, agreement, wrong_words = arrays["figures"].tolist()
        return Beliefs(
            arrays["labels"],
            Rates(*(tuple(arrays[name].tolist()) for name in ("header_errors", "tiles_per_word"))),
            log_agreement,
            agreement,
            int(arrays["exchanges"]),
            wrong_words,
        )

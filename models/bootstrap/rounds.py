"""Estimate, learn, estimate again: until held-out headers agree no better."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import learner
from models.bootstrap.arrays import write_array
from models.bootstrap.estimation import cooccurrence
from models.bootstrap.estimation.beliefs import Beliefs, Rates, Sightings
from models.bootstrap.progress import Begin
from tilefleet.files import atomic_write
from tilefleet.kind import Kind

#: Share of the captchas whose headers are held out.
_HELD_OUT = 0.1
#: Their log probability must grow by this much for another round of learning.
_GAIN = 2e-3


def rounds(
    kept: Path,
    seen: Sightings,
    pictures: NDArray[np.uint8],
    *,
    most: int,
    steps: int,
    seed: int,
    begin: Begin,
    say: Callable[[str], None],
) -> list[Beliefs]:
    """What was believed by co-occurrence alone, and after each of up to `most` networks.

    `pictures`: uint8 (groups, h, w, 3), RGB, may be on disk. What a round found is in `kept`
    before the next begins, and is not looked for again. Raises ModelError.
    """
    held = np.random.default_rng(seed).random(len(seen)) < _HELD_OUT
    history: list[Beliefs] = []
    prior: NDArray[np.float32] | None = None
    for number in range(most + 1):
        path, seen_by_network = kept / f"round{number}.npz", kept / f"prior{number}.npy"
        if path.exists():
            history.append(_load(path, seen.kind))
            prior = np.load(seen_by_network) if number else None
        else:
            if number:
                opinion = learner.learn(
                    pictures,
                    history[-1].labels,
                    directory=kept / f"learner{number}",
                    before=kept / f"learner{number - 1}" if number > 1 else None,
                    steps=steps,
                    seed=seed,
                    tick=begin(f"learning, round {number}"),
                    kind=seen.kind,
                )
                if opinion is None:
                    say("too few sure groups for a network to learn from: co-occurrence alone")
                    break
                say(str(opinion))
                # Of what it learned from it says nothing: there, what was seen before still holds.
                silent = ~opinion.prior.any(axis=1, keepdims=True)
                prior = opinion.prior if prior is None else np.where(silent, prior, opinion.prior)
                write_array(seen_by_network, prior)
            begin("estimating labels")
            history.append(_estimate(seen, len(pictures), prior, held))
            _save(path, history[-1])
            say(f"round {number}: {history[-1]}")
        if number and history[-1].log_agreement < history[-2].log_agreement + _GAIN:
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


def _save(path: Path, beliefs: Beliefs) -> None:
    with atomic_write(path) as file:
        np.savez(
            file,
            labels=beliefs.labels,
            figures=np.array([beliefs.log_agreement, beliefs.agreement, beliefs.wrong_words]),
            exchanges=beliefs.exchanges,
            header_errors=np.array(beliefs.rates.header_errors),
            tiles_per_word=np.array(beliefs.rates.tiles_per_word),
        )


def _load(path: Path, kind: Kind) -> Beliefs:
    with np.load(path, allow_pickle=False) as arrays:
        log_agreement, agreement, wrong_words = arrays["figures"].tolist()
        return Beliefs(
            arrays["labels"],
            replace(
                Rates.of(kind),
                header_errors=tuple(arrays["header_errors"].tolist()),
                tiles_per_word=tuple(arrays["tiles_per_word"].tolist()),
            ),
            log_agreement,
            agreement,
            int(arrays["exchanges"]),
            wrong_words,
        )

"""Training the tiles network by blocks and then whole: ``tilefleet models train``, where the
first teacher has the maps of `networks.chain`.

Answers alone teach slowly. So, on views of tiles and of photographs (`training.teachers.views`),
each block first learns alone to turn the teacher's map before it into the teacher's next one; then
the chain learns on its own maps, towards all of the teacher's maps and its answers at once, so that
later blocks mend what earlier ones leave out; then a new last block learns alone, on the chain's
own last map (`training.head`), at last with the answers' odds as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops

from models import store
from models.networks import chain
from models.training import head
from models.training.batches import Batches, before
from models.training.loop import Steps, fit
from models.training.schedule import Schedule
from models.training.teachers import opinions, views
from models.training.teachers.views import Mixture, Sources
from models.training.tiles import divergence, plain_divergence

#: Of what should be, and what is.
Loss = Callable[[Any, Any], Any]

#: What all the maps' distances weigh together beside the answer's, in training the whole.
_MAPS_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Phases:
    """How long they are, each block alone, the chain, its last block twice, and how fast."""

    #: Shards of 4,096 views that the teacher is shown.
    shards: int = 200
    batch: int = 128
    steps: int = 800
    #: Epochs of `steps` batches.
    alone: int = 6
    whole: int = 28
    head: int = 100
    odds: int = 50
    alone_rate: float = 2.5e-2
    whole_rate: float = 1.5e-3
    head_rate: float = 6e-3
    odds_rate: float = 2e-3
    seed: int = 1

    def schedules(self) -> dict[str, Schedule]:
        """Phase → its schedule."""
        lengths = {
            "alone": (self.alone, self.alone_rate, self.seed),
            "whole": (self.whole, self.whole_rate, self.seed),
            "head": (self.head, self.head_rate, self.seed),
            "odds": (self.odds, self.odds_rate, self.seed + 6),
        }
        return {
            phase: Schedule(
                epochs=epochs,
                steps_per_epoch=self.steps,
                peak_learning_rate=rate,
                weight_decay=1e-4,
                average=0.999,
                seed=seed,
            )
            for phase, (epochs, rate, seed) in lengths.items()
        }


def train(
    sources: Sources,
    *,
    teachers: Sequence[store.Entry],
    directory: Path,
    phases: Phases,
    weights: Sequence[float] = (),
    mixture: Mixture | None = None,
    progress: bool | None = None,
    say: Callable[[str], None] = print,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train from random weights; run again with the same arguments, it goes on.

    `teachers`: the first one's tiles network has the maps (`views.milestones`); the mean of what
    all of them answer is learned, by their `weights` (all alike without). `directory` keeps the
    views (about 100 MB a shard) and the state.
    Returns the network and how it was made, for the manifest. Raises ModelError.
    """
    mixture = mixture or Mixture()
    first, *others = teachers
    shards = views.make(
        directory / "views",
        sources,
        teacher=first,
        count=phases.shards,
        seed=phases.seed,
        mixture=mixture,
        say=say,
    )
    history: dict[str, dict[str, list[float]]] = {}
    schedules = phases.schedules()

    drawn = views.drawn_together(sources, mixture)
    names = [
        views.ANSWERS,
        *(
            opinions.add(shards, teacher, number, drawn=drawn, say=say)
            for number, teacher in enumerate(others, 1)
        ),
    ]
    weights = weights or [1.0] * len(names)
    answers = {name: each / sum(weights) for name, each in zip(names, weights, strict=True)}
    keras.utils.set_random_seed(phases.seed)
    parts = chain.blocks()

    def learn(phase: str, network: keras.Model, share: float) -> None:
        say(f"training the blocks {phase}")
        losses = {**dict.fromkeys(chain.MAPS, _weighed(_apart, share)), chain.SCORES: divergence}
        batches = Batches(
            shards,
            batch=phases.batch,
            schedule=schedules[phase],
            alone=phase == "alone",
            answers=answers,
        )
        history[phase] = fit(
            network,
            Steps(batches, steps=phases.steps),
            None,
            schedules[phase],
            directory=directory / phase,
            loss=losses,
            monitor="loss",
            progress=progress,
        )

    learn("alone", _side_by_side(parts), 1.0)
    learn("whole", _chained(parts), _MAPS_SHARE)
    parts[-1] = chain.head()
    for phase, apart in (("head", divergence), ("odds", plain_divergence)):
        say(f"training a new last block: {phase}")
        history[phase] = head.train(
            parts[-1],
            chain.join(parts[:-1]),
            shards,
            answers=answers,
            batch=phases.batch,
            schedule=schedules[phase],
            apart=apart,
            maps=directory / "maps",
            directory=directory / phase,
            progress=progress,
        )
    made: dict[str, Any] = {
        "from": "random initialisation",
        "by": "blocks alone, then whole, then a new last block alone on the chain's own map, at "
        "last with plain odds",
        "schedule": asdict(phases),
        "mixture": views.described(mixture, phases.shards),
        "teacher": ", ".join(teacher.identity for teacher in teachers),
        "weights": [round(share, 3) for share in answers.values()],
        "pictures": {
            "tiles": len(sources.tiles),
            "photographs": len(sources.photographs or ()),
            "drawn": len(sources.drawn or ()),
        },
        "minutes": round(sum(sum(each.get("seconds", ())) for each in history.values()) / 60, 1),
        "last": {
            phase: {name: round(values[-1], 4) for name, values in each.items()}
            for phase, each in history.items()
        },
    }
    return chain.assemble(parts), made


def _side_by_side(parts: Sequence[keras.Model]) -> keras.Model:
    """All blocks, each with an input of its own."""
    given = {
        before(part.name): keras.Input(
            part.input.shape[1:], dtype=part.input.dtype, name=before(part.name)
        )
        for part in parts
    }
    outputs = {part.name: part(each) for part, each in zip(parts, given.values(), strict=True)}
    return keras.Model(given, outputs, name="side_by_side")


def _chained(parts: Sequence[keras.Model]) -> keras.Model:
    """The blocks one after the other, with all that is between them."""
    pixels = x = keras.Input(parts[0].input.shape[1:], dtype="uint8")
    outputs = {}
    for part in parts:
        x = outputs[part.name] = part(x)
    return keras.Model(pixels, outputs, name="chained")


def _apart(target: Any, given: Any) -> Any:
    """Mean square distance of two standardised maps."""
    return ops.mean(ops.square(given - target), axis=(1, 2, 3))


def _weighed(loss: Loss, weight: float) -> Loss:
    return lambda target, given: weight * loss(target, given)

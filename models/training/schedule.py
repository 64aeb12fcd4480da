"""How long a network is trained, and how fast."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One course of the learning rate: up to its peak, then along a cosine to nearly nothing."""

    epochs: int
    #: Batches in an epoch.
    steps_per_epoch: int
    peak_learning_rate: float
    weight_decay: float = 1e-2
    #: The share of the old weights in each step's averaged ones.
    average: float = 0.999
    #: So many epochs without a better one on held-out data end the training; None: none do.
    patience: int | None = None
    seed: int = 1

    @property
    def steps(self) -> int:
        """Batches in all."""
        return self.epochs * self.steps_per_epoch

"""What is asked of a training, beside what it learns from."""

from dataclasses import dataclass, replace

from models.training.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Those of ``tilefleet models train``; None: as the recipes have it."""

    #: The network that is trained; None: both.
    only: str | None = None
    #: What the teachers' answers weigh, in their order; none: alike.
    weights: tuple[float, ...] = ()
    seed: int = 1
    #: How many are drawn.
    headers: int | None = None
    #: Of the tiles and of each round of the words, and the steps of each epoch.
    epochs: int | None = None
    steps: int | None = None
    #: Epochs without a better one on held-out data that end a round.
    patience: int | None = None
    #: Whether two of the labelled pictures of each class are kept out of training.
    hold_out: bool = False
    #: By a short plan.
    quick: bool = False
    #: Whether tiles of a kind of one's own show the same in a mirror.
    mirrored: bool = False
    #: Whether to train also where words have too few tiles.
    few: bool = False

    def schedule(self, recipe: Schedule) -> Schedule:
        """That of a recipe, with what is asked in the place of its own."""
        return replace(
            recipe,
            seed=self.seed,
            epochs=self.epochs or recipe.epochs,
            steps_per_epoch=self.steps or recipe.steps_per_epoch,
            patience=self.patience or recipe.patience,
        )

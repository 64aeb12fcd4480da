"""What is asked of a training takes the place of what its recipes have."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.training.options import Options
from models.training.schedule import Schedule
from tilefleet.kind import BUILTIN

RECIPE = Schedule(epochs=7, steps_per_epoch=30, peak_learning_rate=0.1, average=0.9)


def test_what_is_not_asked_for_stays_as_the_recipe_has_it():
    assert Options().schedule(RECIPE) == RECIPE
    asked = Options(seed=5, steps=2, patience=3).schedule(RECIPE)
    assert asked == replace(RECIPE, seed=5, steps_per_epoch=2, patience=3)
    assert (RECIPE.steps, asked.steps) == (210, 14)


def test_the_short_plan_can_be_made_shorter():
    pytest.importorskip("keras")
    from models.training import pair

    options = Options(quick=True, headers=9, epochs=2, steps=4, seed=3)
    given = pair._for_words(Path("no data"), options, BUILTIN, None)
    (one,) = given["rounds"]
    assert (one.epochs, one.steps_per_epoch, one.seed, one.average) == (2, 4, 3, 0.99)
    assert (given["recipe"].strips, given["recipe"].batch) == (9, 32)
    schedule = pair._for_tiles(options, BUILTIN, None)["schedule"]
    assert (schedule.epochs, schedule.steps_per_epoch, schedule.seed) == (2, 4, 3)
    whole = pair._for_tiles(Options(quick=True), BUILTIN, None)["schedule"]
    assert (whole.epochs, whole.steps_per_epoch) == (8, 60)

"""Figures about answers, the folder that shows them, and the temperature that calibrates them."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from models.datasets import own as own_data
from models.datasets.collections import KEPT, MEASURED, unseen_tiles
from models.datasets.truth import Truth, truths
from models.engines.reader import Reader
from models.evaluation.charts import write
from models.evaluation.score import Outcome, Score, calibration_error, outcomes
from models.evaluation.table import measure
from tests.conftest import SAMPLES
from tests.support.data import own
from tilefleet.answer import Answer, Reading
from tilefleet.errors import TilefleetError
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings


def outcome(word: str, picks: tuple[int, ...], answered: tuple[int, ...], confidence: float):
    answer = Answer(
        words=(Reading("老虎", 0.9),),
        tiles=tuple(Reading(BUILTIN.labels[number], 0.5) for number in range(8)),
        picks=answered,
        points=(),
        confidence=confidence,
        model="m@1",
    )
    truth = Truth(SAMPLES / "000.jpg", (word,), picks, known=word in BUILTIN.index)
    return Outcome(truth, answer, ms=2.0)


@pytest.fixture
def found():
    return [
        outcome("老虎", (1,), (1,), 0.95),
        outcome("老虎", (1, 2), (1,), 0.92),
        outcome("狮子", (3,), (3,), 0.6),
        Outcome(Truth(SAMPLES / "001.jpg", ("狮子",), (4,)), None, ms=1.0),
        outcome("土豆", (5,), (5,), 0.3),
        outcome("土豆", (6,), (5,), 0.8),
    ]


def test_a_score_counts_what_is_right_and_how_sure_it_was(found):
    score = Score.of(found)
    assert (score.captchas, score.words_right, score.exact) == (4, 2, 2)
    assert score.tiles_right == pytest.approx((8 + 7 + 8 + 7) / 32)
    at = {level.threshold: level for level in score.selective}
    assert (at[0.9].coverage, at[0.9].precision) == (0.5, 0.5)
    assert (at[0.99].coverage, at[0.99].precision) == (0.0, None)
    assert (score.strange, score.strange_doubted) == (2, 1)
    assert ("老虎", BUILTIN.labels[0], 2) in score.confusions
    assert json.loads(json.dumps(score.encode()))["exact"] == 2


def test_a_manifest_keeps_how_right_how_sure_what_is_mistaken_and_how_long(found):
    kept = json.loads(json.dumps(Score.of(found).summary()))
    assert [0.9, 0.5, 0.5] in kept["selective"]
    assert [0.99, 0.0, None] in kept["selective"]
    assert ["老虎", BUILTIN.labels[0], 2] in kept["confusions"]
    assert 0 < kept["calibration_error"] < 1
    assert kept["ms"] == 2.0


def test_a_score_of_nothing_is_all_zeros():
    score = Score.of([])
    assert (score.captchas, score.exact, score.calibration_error, score.ms) == (0, 0, 0, 0)


def test_the_calibration_error_is_the_distance_of_confidence_and_truth():
    right = np.array([True] * 9 + [False])
    assert calibration_error(np.full(10, 0.9), right) == pytest.approx(0)
    assert calibration_error(np.full(10, 0.5), right) == pytest.approx(0.4)
    assert calibration_error(np.full(10, 1.0), right) == pytest.approx(0.1)


def test_a_report_has_figures_and_pictures(found, tmp_path):
    write(tmp_path / "report", "m@1", found, Score.of(found))
    assert json.loads((tmp_path / "report/score.json").read_text())["model"] == "m@1"
    for name in ("reliability", "selective", "confusion", "failures"):
        with Image.open(tmp_path / f"report/{name}.png") as picture:
            assert min(picture.size) > 300


def test_a_file_that_is_no_captcha_counts_as_wrong(tmp_path):
    shutil.copy(SAMPLES / "000.jpg", tmp_path)
    (tmp_path / "no.jpg").write_bytes(b"no")
    (tmp_path / "answers.csv").write_text("file,words,picks\n000.jpg,老虎,1\nno.jpg,老虎,1\n")
    read = outcomes(Reader(Settings(engine="litert")), truths(tmp_path))
    assert [each.answer is None for each in read] == [False, True]
    assert not read[1].exact


def test_answers_to_what_is_not_there_are_told(tmp_path):
    (tmp_path / "answers.csv").write_text("file,words,picks\ngone.jpg,老虎,1\n")
    with pytest.raises(TilefleetError, match=r"gone\.jpg has a known answer, but: No such file"):
        outcomes(Reader(Settings(engine="null")), truths(tmp_path))
    (tmp_path / "answers.csv").write_text("file,words,picks\ngone.jpg,老虎,9\n")
    with pytest.raises(TilefleetError, match="picks 9: tiles are numbered 1 to 8"):
        truths(tmp_path)


def test_the_temperature_that_is_put_on_a_network_is_found_again():
    from models.training.finish import calibration

    random = np.random.default_rng(3)
    scores = random.normal(0, 3, (4000, 2, 81))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    drawn = (probabilities.cumsum(axis=-1) > random.random((4000, 2, 1))).argmax(axis=-1)
    hot = np.exp(scores * 2) / np.exp(scores * 2).sum(axis=-1, keepdims=True)
    nll = calibration.of_words(hot.astype(np.float32), drawn.astype(np.int16))
    assert calibration.best(nll) == pytest.approx(2, rel=0.06)


def test_tiles_are_calibrated_on_the_picks_that_were_right():
    from models.training.finish import calibration

    sure = np.full((2, 8, 80), 0.001, np.float32)
    sure[:, :, 5] = 0.921
    sure[:, 0, 5], sure[:, 0, 3] = 0.001, 0.921
    asked, picks = [[3], [3]], [[1], [1]]
    right, wrong = (
        calibration.of_tiles(sure, asked, picks),
        calibration.of_tiles(sure, asked, [[2], [2]]),
    )
    assert calibration.best(right) < 1 < calibration.best(wrong)


def test_a_temperature_goes_into_the_last_layer():
    import keras

    from models.training.finish import calibration

    pixels = keras.Input((4,))
    network = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(pixels))
    given = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    before = np.log(network(given))
    calibration.apply(network, 2.0)
    after = np.exp(before / 2) / np.exp(before / 2).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(network(given), after, atol=1e-5)


def test_answers_that_are_less_sure_than_right_are_sharpened_by_what_they_lack():
    from models.training.finish import calibration

    random = np.random.default_rng(4)
    true = random.uniform(0.02, 0.98, 20_000)
    right = random.random(len(true)) < true
    assert calibration.sharpness(true, right) == pytest.approx(1, rel=0.06)
    timid = np.sqrt(true) / (np.sqrt(true) + np.sqrt(1 - true))
    assert calibration.sharpness(timid, right) == pytest.approx(2, rel=0.06)


class OwnReader:
    """Takes every captcha of a kind of its own for the same."""

    engine = SimpleNamespace(kind=own.KIND, model="own@1")

    def read(self, data):
        tiles = tuple(Reading("red", 0.5) for _ in range(own.KIND.layout.count))
        return Answer((Reading("red", 0.5),), tiles, (1,), (), 0.5, "own@1")


def test_a_model_of_another_kind_is_measured_on_what_its_data_keeps(tmp_path):
    own.write(tmp_path, tiles=30, captchas=40)
    own.write(tmp_path / MEASURED, tiles=0, captchas=3, kind=False)
    rows, agreed = measure(OwnReader(), Settings(), tmp_path)
    kept = len(own_data.measured_captchas(tmp_path, own.KIND))
    assert kept > 0
    assert {name: score.captchas for name, score in rows.items()} == {MEASURED: 3, KEPT: kept}
    assert agreed is None
    unseen, _ = measure(OwnReader(), Settings(), tmp_path, only_unseen=True)
    assert {name: score.captchas for name, score in unseen.items()} == {MEASURED: 3, KEPT: kept}
    tiles = own_data.labelled(tmp_path, own.KIND)
    assert len(unseen_tiles(tmp_path, own.KIND)) == len(tiles.measured) > 0

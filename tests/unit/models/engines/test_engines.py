"""The engines agree with each other, and read what they should."""

import json

import numpy as np
import pytest

from models import engines, store
from models.datasets.truth import truths
from models.engines.buckets import buckets
from models.engines.reader import Reader
from models.evaluation.score import evaluate
from models.recognition.crops import Crops
from tests.conftest import SAMPLES
from tilefleet.errors import ModelNotFound
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings


@pytest.fixture(scope="module")
def litert():
    return Reader(Settings(engine="litert", precision="float32"))


@pytest.fixture(scope="module")
def keras():
    return Reader(Settings(engine="keras", max_batch=8))


@pytest.mark.slow
def test_litert_and_keras_agree_on_the_real_captchas(data_folder, litert, keras):
    crops = [
        Crops.from_bytes(truth.path.read_bytes(), BUILTIN.layout, max_bytes=1 << 20)
        for truth in truths(data_folder / "captchas")
    ]
    assert len(crops) == 50
    same = 0
    for start in range(0, 50, 8):
        batch = crops[start : start + 8]
        both = litert._session.look(batch), keras._session.look(batch)
        for one, other in zip(*both, strict=True):
            assert np.abs(one - other).mean() < 0.01
            np.testing.assert_allclose(one.sum(axis=-1), 1, atol=1e-4)
        same += sum(
            one.picks == other.picks
            for one, other in zip(
                litert.read_prepared(batch), keras.read_prepared(batch), strict=True
            )
        )
    assert same >= 48


def test_the_built_in_model_reads_the_real_captchas(data_folder, litert):
    score = evaluate(litert, truths(data_folder / "captchas"))
    told = store.find("builtin").manifest.evaluation["captchas"]
    assert score.captchas == told["captchas"] == 50
    # Another processor may round otherwise: one less, no more.
    assert score.words_right >= told["words_right"] - 1
    assert score.exact >= told["exact"] - 1


def test_the_built_in_model_reads_every_sample(litert):
    known = truths(SAMPLES)
    score = evaluate(litert, known)
    assert score.captchas >= 20
    assert score.words_right == score.exact == score.captchas


def test_a_pass_gives_each_captcha_its_own_answer(litert):
    known = truths(SAMPLES)[:5]
    prepared = [litert.engine.prepare(truth.path.read_bytes()) for truth in known]
    together = litert.read_prepared(prepared)
    assert [answer.picks for answer in together] == [truth.picks for truth in known]
    assert {answer.timing.pass_size for answer in together} == {5}


def test_buckets_are_powers_of_two_up_to_the_cap():
    assert buckets(1) == (1,)
    assert buckets(8) == (1, 2, 4, 8)
    assert buckets(12) == (1, 2, 4, 8, 12)


@pytest.mark.slow
def test_unless_it_is_said_a_device_is_measured_for_its_largest_pass(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("models.engines.buckets._MOST", 2)
    reader = Reader(Settings(engine="keras"))
    (sizes,) = json.loads((tmp_path / "tilefleet" / "buckets.json").read_text()).values()
    assert reader.engine.max_batch == sizes[-1]
    assert set(sizes) <= {1, 2}
    known = truths(SAMPLES)[0]
    assert reader.read(known.path.read_bytes()).picks == known.picks


def test_the_null_engine_answers_anything_at_once():
    reader = Reader(Settings(engine="null"))
    assert reader.read(b"not looked at").model == "null"


def test_a_model_that_is_not_there_is_an_error_before_anything_is_read():
    with pytest.raises(ModelNotFound):
        engines.load(Settings(models=("missing",), engine="litert"))

"""What the first model is unsure of is read by the second one, too, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from models import engines, store
from models.datasets.truth import truths
from models.engines.second import UNSURE, SecondLook, agreed
from models.recognition.crops import Crops
from models.recognition.decision import undecided
from tests.conftest import SAMPLES
from tilefleet.errors import ModelError, ModelNotFound
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings


class Blind:
    """Looks as often as it is counted, and sees every label alike."""

    model, kind = "blind@0", BUILTIN

    def __init__(self):
        #: How many it saw.
        self.headers = 0
        self.pictures = np.zeros((0, *BUILTIN.layout.tile_shape, 3), np.uint8)

    def words(self, headers):
        self.headers += len(headers)
        return np.full((len(headers), 2, len(BUILTIN.labels) + 1), 1 / 81, np.float32)

    def tiles(self, tiles):
        self.pictures = np.concatenate([self.pictures, tiles])
        return np.full((len(tiles), len(BUILTIN.labels)), 1 / 80, np.float32)


class BlindEngine:
    model, precision, kind, max_batch, max_sessions = "blind@0", "none", BUILTIN, 4, 1
    in_cycles, long_batch = False, 4

    def __init__(self):
        self.only = Blind()

    def session(self):
        return self.only


@pytest.fixture(scope="module")
def first():
    return engines.load(Settings(engine="litert", precision="float32"))


@pytest.fixture
def crops():
    data = [truth.path.read_bytes() for truth in truths(SAMPLES)[:6]]
    return [Crops.from_bytes(each, BUILTIN.layout, max_bytes=1 << 20) for each in data]


def test_what_is_sure_is_answered_by_the_first_alone(first, crops, monkeypatch):
    monkeypatch.setattr("models.engines.second.UNSURE", 0.0)
    second = BlindEngine()
    answers = SecondLook(first, second).session().read(crops)
    assert second.only.headers == len(second.only.pictures) == 0
    assert answers == first.session().read(crops)


def test_what_is_unsure_is_answered_by_both(first, crops, monkeypatch):
    monkeypatch.setattr("models.engines.second.UNSURE", 2.0)
    second = BlindEngine()
    both, alone = SecondLook(first, second).session().read(crops), first.session().read(crops)
    assert second.only.headers == len(crops)
    for one, other in zip(both, alone, strict=True):
        assert one.model == f"{first.model}+blind@0"
        assert [word.label for word in one.words] == [word.label for word in other.words]
        assert one.words[0].confidence == pytest.approx(
            (other.words[0].confidence + 1 / 81) / 2, abs=1e-5
        )


def test_two_networks_that_see_the_same_are_surer_than_either_and_one_in_doubt_says_little():
    sure, unsure = np.full((1, 80), 0.3 / 79, np.float32), np.full((1, 80), 1 / 80, np.float32)
    sure[0, 7] = 0.7
    both, one = agreed(sure, sure), agreed(sure, unsure)
    assert both.sum() == pytest.approx(1, abs=1e-5)
    assert both[0].argmax() == one[0].argmax() == 7
    assert 0.4 < one[0, 7] < 0.7 < both[0, 7] < 1


def test_of_two_labels_that_one_network_each_sees_the_surer_one_is_taken():
    first, second = (np.full((1, 80), 1e-3, np.float32) for _ in range(2))
    first[0, 7], first[0, 9] = 0.5, 0.42
    second[0, 7], second[0, 9] = 0.02, 0.9
    assert agreed(first, second)[0].argmax() == 9


def test_what_one_network_rules_out_leaves_no_tile_without_a_label():
    first, second = (np.zeros((1, 80), np.float32) for _ in range(2))
    first[0, 7] = second[0, 9] = 1
    both = agreed(first, second)
    assert np.isfinite(both).all()
    assert both[0, 7] == pytest.approx(both[0, 9])


def test_only_the_unsure_ones_of_a_pass_are_looked_at_again(first, crops):
    alone = first.session().read(crops)
    second = BlindEngine()
    answers = SecondLook(first, second).session().read(crops)
    unsure = [answer.confidence < UNSURE for answer in alone]
    assert second.only.headers == sum(unsure)
    for answer, other, again in zip(answers, alone, unsure, strict=True):
        assert again or answer == other


def test_of_an_unsure_one_only_undecided_tiles_are_looked_at_again(first, crops, monkeypatch):
    monkeypatch.setattr("models.engines.second.UNSURE", 2.0)
    words, tiles = (np.concatenate(each) for each in zip(*_seen_by(first, crops), strict=True))
    chosen = np.stack(
        [undecided(*seen, kind=BUILTIN) for seen in zip((words + 1 / 81) / 2, tiles, strict=True)]
    )
    second = BlindEngine()
    SecondLook(first, second).session().read(crops)
    wanted = np.stack([each.tiles for each in crops])[chosen]
    assert np.array_equal(second.only.pictures, wanted)
    assert 0 < len(wanted) < chosen.size / 2


def _seen_by(engine, crops):
    session = engine.session()
    return [session.look([each]) for each in crops]


def test_where_every_tile_is_decided_the_second_one_sees_none(first, crops, monkeypatch):
    monkeypatch.setattr("models.engines.second.UNSURE", 2.0)
    monkeypatch.setattr("models.recognition.decision._DECIDED", 1.0)
    second = BlindEngine()
    answers = SecondLook(first, second).session().read(crops)
    assert len(second.only.pictures) == 0
    alone = first.session().read(crops)
    assert [one.tiles for one in answers] == [one.tiles for one in alone]


def test_the_settings_name_a_model_of_the_store_that_reads_the_same_captchas(tmp_path, first):
    found = engines.load(Settings(engine="litert", second_look="builtin"))
    assert found.model == first.model
    assert "second look builtin@" in found.precision
    with pytest.raises(ModelNotFound, match="no model called 'nobody'"):
        engines.load(Settings(engine="litert", second_look="nobody", store=tmp_path))


def test_a_model_of_another_kind_of_captcha_is_refused(first):
    other = BlindEngine()
    other.kind = replace(BUILTIN, labels=("one", "two", "three"))
    with pytest.raises(
        ModelError, match=r"TILEFLEET_SECOND_LOOK=blind@0 reads other captchas \(3 words"
    ):
        SecondLook(first, other)
    assert store.find("builtin").identity == first.model


def test_of_several_models_those_that_read_other_captchas_answer_alone(monkeypatch):
    other = replace(BUILTIN, labels=tuple(f"other-{label}" for label in BUILTIN.labels))

    def load(settings, name, *, beside):
        engine = BlindEngine()
        engine.model, engine.kind = f"{name}@0", other if name == "other" else BUILTIN
        return engine

    monkeypatch.setattr(engines, "_load", load)
    held = engines.load_all(Settings(models=("small", "other", "large"), second_look="large"))
    assert {name: type(engine) for name, engine in held.items()} == {
        "small": SecondLook,
        "other": BlindEngine,
        "large": BlindEngine,
    }
    assert "second look large@0" in held["small"].precision


def test_several_models_of_which_none_fits_the_second_look_are_refused(monkeypatch):
    def load(settings, name, *, beside):
        engine = BlindEngine()
        labels = tuple(f"{name}-{label}" for label in BUILTIN.labels)
        engine.kind = replace(BUILTIN, labels=labels if name == "large" else BUILTIN.labels)
        return engine

    monkeypatch.setattr(engines, "_load", load)
    with pytest.raises(ModelError, match="TILEFLEET_SECOND_LOOK"):
        engines.load_all(Settings(models=("one", "two"), second_look="large"))


def test_models_without_a_network_are_told_apart_by_their_names():
    held = engines.load_all(Settings(models=("one", "two"), engine="null"))
    answers = {name: engine.read([None])[0].model for name, engine in held.items()}
    assert answers == {"one": "one@null", "two": "two@null"}
    assert engines.load(Settings(engine="null")).model == "null"

"""Models in other precisions: as right, smaller, and named as such."""

import shutil

import numpy as np
import pytest

from models import store
from models.datasets.truth import truths
from models.engines.reader import Reader
from models.evaluation.score import evaluate
from models.recognition.crops import Crops
from models.store.manifest import NETWORKS, Manifest, sha256
from models.training.finish import precision as precisions
from models.training.finish.precision import choose, convert, measure, reader
from tests.conftest import SAMPLES
from tilefleet.errors import BadManifest
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module", autouse=True)
def made_once():
    """All have the built-in's networks: what is made of one is not made again for another test."""
    files = {}

    def once(make, name):
        def made(*given):
            if name(*given) not in files:
                files[name(*given)] = make(*given)
            return files[name(*given)]

        return made

    names = {
        "to_litert": lambda network, batch: (network.name, batch),
        "quantise": lambda file, pictures: (sha256(file), sha256(pictures.tobytes())),
        "_samples": lambda network, *_: network,
    }
    with pytest.MonkeyPatch.context() as patch:
        for each, name in names.items():
            patch.setattr(precisions, each, once(getattr(precisions, each), name))
        yield


@pytest.fixture(scope="module")
def both(root):
    """The built-in model in float32 and in int8."""
    builtin = store.find("builtin", root=root)
    return {
        precision: convert(builtin, precision, name=precision, root=root)
        for precision in ("float32", "int8")
    }


def test_float32_answers_as_keras_does(both):
    keras = Reader(Settings(engine="keras", max_batch=8))
    litert = reader(both["float32"])
    for truth in truths(SAMPLES)[:4]:
        crops = Crops.from_bytes(truth.path.read_bytes(), BUILTIN.layout, max_bytes=1 << 20)
        both = litert._session.look([crops]), keras._session.look([crops])
        for one, other in zip(*both, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_int8_reads_the_samples_with_files_a_third_as_large(both):
    assert both["int8"].manifest.precision == "int8"
    known = truths(SAMPLES)
    assert evaluate(reader(both["int8"]), known).exact >= len(known) - 1
    sizes = {
        precision: {network: len(entry.read(f"{network}.tflite")) for network in NETWORKS}
        for precision, entry in both.items()
    }
    assert sum(sizes["int8"].values()) < sum(sizes["float32"].values()) / 3
    assert sizes["int8"]["words"] < sizes["float32"]["words"] / 3
    # Its blocks are narrow: more of the file says what to do, and less are weights.
    assert sizes["int8"]["tiles"] < sizes["float32"]["tiles"] * 0.4


def test_mixed_has_the_words_of_one_and_the_tiles_of_the_other(both, root):
    mixed = convert(store.find("builtin", root=root), "mixed", name="mixed", root=root)
    assert mixed.manifest.precision == "mixed"
    assert len(mixed.read("words.tflite")) == len(both["int8"].read("words.tflite"))
    assert mixed.read("tiles.tflite") == both["float32"].read("tiles.tflite")


def test_without_captchas_to_measure_on_both_networks_are_kept_in_int8_too(both, tmp_path):
    said = []
    data = tmp_path / "data"
    data.mkdir()
    shutil.copytree(both["float32"].folder, tmp_path / "float32")
    chosen = choose(store.find("float32", root=tmp_path), data, say=said.append)
    assert (chosen.manifest.precision, chosen.manifest.in_int8) == ("float32", ["words", "tiles"])
    assert said == ["in int8 beside float32: words and tiles"]
    for network in NETWORKS:
        assert chosen.read(f"{network}.tflite") == both["float32"].read(f"{network}.tflite")
        assert len(chosen.read(f"{network}.int8.tflite")) < len(chosen.read(f"{network}.tflite"))
    assert {
        precision: reader(chosen, precision).engine.precision for precision in ("float32", "int8")
    } == {"float32": "words float32, tiles float32", "int8": "words int8, tiles int8"}


def test_int8_loses_no_real_captcha(both, data_folder):
    exact, quick = (measure(both[precision], data_folder) for precision in ("float32", "int8"))
    for where, score in exact.items():
        assert quick[where].exact >= score.exact - 1
        assert quick[where].words_right >= score.words_right


def test_a_precision_that_nobody_knows_is_refused(both, tmp_path):
    text = (both["int8"].folder / "manifest.json").read_text().replace('"int8"', '"int3"')
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadManifest, match=r"precision must be one of .*'int3'"):
        Manifest.read(tmp_path)

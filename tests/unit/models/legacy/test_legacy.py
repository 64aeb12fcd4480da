"""Legacy networks: what is one is imported unchanged, what is none is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from models.legacy import file as legacy_file
from models.legacy import importer, originals
from models.legacy.importer import import_networks
from models.store import find
from tests.support.data import legacy_files
from tilefleet.errors import ModelError, NotANetwork

pytestmark = pytest.mark.training


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return legacy_files.words(tmp_path / "words.h5")


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    return legacy_files.tiles(tmp_path / "tiles.h5")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def stored(root: Path) -> list[str]:
    return [path.name for path in root.iterdir()] if root.exists() else []


def test_a_pair_is_shown_checked_and_stored(words: Path, tiles: Path, root: Path) -> None:
    said: list[str] = []
    import_networks(words, [tiles], name="old", root=root, say=said.append)
    assert "words.h5: Keras 2.2.4, input 19×57×1, 80 classes, 620 parameters" in said[0]
    assert "tiles.h5: Keras 2.3.1, input any×any×3, 80 classes" in said[1]
    manifest = find("old", root=root).manifest
    assert manifest.training["words"]["imported_from"] == "words.h5"
    for found in manifest.evaluation["largest_difference_from_original"].values():
        assert max(found.values()) < importer.TOLERANCE


def test_a_taken_name_is_not_replaced_unasked(words: Path, tiles: Path, root: Path) -> None:
    (root / "old").mkdir(parents=True)
    with pytest.raises(ModelError, match="exists"):
        import_networks(words, [tiles], name="old", root=root, say=lambda line: None)
    assert not list((root / "old").iterdir())


def broken_empty(path: Path) -> None:
    path.write_bytes(b"")


def broken_text(path: Path) -> None:
    path.write_text("not a network")


def broken_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def broken_other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["temperatures"] = np.arange(5)


def broken_keras_3(path: Path) -> None:
    legacy_files.words(path, version="3.4.1")


def broken_classes(path: Path) -> None:
    legacy_files.words(path, classes=81)


def broken_layer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][3]["class_name"] = "Lambda"
        file.attrs["model_config"] = json.dumps(config)


def broken_shape(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["model_weights/dense/dense/kernel:0"]
        file["model_weights/dense/dense/kernel:0"] = np.zeros((7, 80), np.float32)


def broken_nan(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["model_weights/dense/dense/bias:0"][3] = np.nan


def broken_link(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["model_weights/dense"]
        file["model_weights/dense"] = h5py.ExternalLink("/etc/hostname", "/")


def broken_huge(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["model_weights/dense/dense/kernel:0"]
        file.create_dataset(
            "model_weights/dense/dense/kernel:0", (100_000, 80_000), np.float32, compression="gzip"
        )


def broken_config(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "{"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "No such file"),
        (broken_empty, r"\(0 bytes, starting b''\) is not a whole HDF5"),
        (broken_text, "starting b'not a ne'"),
        (broken_truncated, "not a whole HDF5 file: .*truncated"),
        (broken_other_hdf5, "only temperatures"),
        (broken_keras_3, "written by Keras 3.4.1, not 2.x"),
        (broken_classes, "tells 81 classes apart, not 80"),
        (broken_layer, "'dropout' of class 'Lambda'"),
        (broken_shape, r"kernel of layer 'dense' has shape \(7, 80\), but 6 channels come in"),
        (broken_nan, "not finite"),
        (broken_link, "link to elsewhere"),
        (broken_huge, "more than 8,000,000 parameters"),
        (broken_config, "not a Keras 2 network"),
    ],
)
def test_a_file_that_is_no_such_network_is_refused_and_nothing_stored(
    spoil: Callable[[Path], None], said: str, words: Path, tiles: Path, root: Path
) -> None:
    spoil(words)
    with pytest.raises(NotANetwork, match=said):
        import_networks(words, [tiles], name="old", root=root, say=lambda line: None)
    assert stored(root) == []


def test_a_folder_is_refused(tmp_path: Path, tiles: Path, root: Path) -> None:
    with pytest.raises(NotANetwork, match="is not a file"):
        import_networks(tmp_path, [tiles], name="old", root=root)


def test_the_two_files_the_wrong_way_round_are_refused(
    words: Path, tiles: Path, root: Path
) -> None:
    with pytest.raises(NotANetwork, match=r"takes pictures of shape \(None, None, 3\); a words"):
        import_networks(tiles, [words], name="old", root=root)
    with pytest.raises(NotANetwork, match=r"takes pictures of shape \(19, 57, 1\); a tiles"):
        import_networks(words, [words], name="old", root=root)
    assert stored(root) == []


def test_a_conversion_that_answers_differently_is_refused(
    words: Path, tiles: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = originals.tiles
    monkeypatch.setattr(originals, "tiles", lambda *given: right(*given)[:, ::-1])
    with pytest.raises(NotANetwork, match="differ from the original's by"):
        import_networks(words, [tiles], name="old", root=root, say=lambda line: None)
    assert stored(root) == []


def test_the_summary_counts_what_is_in_a_real_file(data_folder: Path) -> None:
    network = legacy_file.read(data_folder / "legacy" / "12306-ocr-image.h5")
    assert network.parameters == 192_612
    assert network.classes == 80
    assert network.input_shape == (None, None, 3)


@pytest.mark.parametrize(
    ("words", "tiles"),
    [("easy12306-text-v2.0.h5", ()), ("12306-ocr-text.h5", ("12306-ocr-image.h5",))],
)
def test_the_real_files_import(data_folder: Path, root: Path, words: str, tiles: tuple) -> None:
    folder = data_folder / "legacy"
    others = [folder / each for each in tiles]
    entry = import_networks(folder / words, others, name="old", root=root)
    training = entry.manifest.training
    assert training["words"]["imported_from"] == words
    # Where no tiles are imported they are those of the built-in model.
    assert training["tiles"].get("imported_from", "") == "".join(tiles)
    assert not tiles or entry.manifest.parameters["tiles"] == 192_612

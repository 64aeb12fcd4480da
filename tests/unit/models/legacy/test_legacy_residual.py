"""Networks of Cracking-12306, whose files hold weights only: recognised, averaged, or refused."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from models.datasets.truth import truths
from models.legacy import file as legacy_file
from models.legacy import originals
from models.legacy.importer import TOLERANCE, import_networks
from models.legacy.weights import text
from models.recognition.crops import cut_header
from models.recognition.image import decode
from models.store import find, load_network
from tests.support.data import legacy_files
from tilefleet.errors import ModelError, NotANetwork
from tilefleet.kind import BUILTIN

pytestmark = pytest.mark.training


def pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(
        0, 256, (count, *BUILTIN.layout.tile_shape, 3), np.uint8
    )


def blank_header() -> np.ndarray:
    return np.full((*BUILTIN.layout.header_shape, 3), 255, np.uint8)


def test_the_layers_follow_from_names_and_shapes(tmp_path: Path) -> None:
    network = legacy_file.read(legacy_files.residual(tmp_path / "M.h5", excited=True))
    assert network.family == "cracking-12306"
    assert network.input_shape == (56, 56, 3)
    assert network.classes == 80
    strides = {
        layer.name: layer.config["strides"] for layer in network.layers if layer.kind == "Conv2D"
    }
    assert [name for name, stride in strides.items() if stride == [2, 2]] == ["conv2_0_conv0"]
    assert sum(layer.kind == "Multiply" for layer in network.layers) == 4
    with h5py.File(tmp_path / "M.h5") as file:
        sizes: list[int] = []
        file.visititems(lambda _, item: sizes.append(getattr(item, "size", 0)))
    assert network.parameters == sum(sizes)


def test_classes_are_put_into_our_order_by_name(tmp_path: Path) -> None:
    from models.legacy import tiles as legacy_tiles

    network = legacy_file.read(legacy_files.residual(tmp_path / "M.h5"))
    theirs = network.layers[-1].weights["kernel"]
    ours = legacy_tiles.in_our_order(network).layers[-1].weights["kernel"]
    # 中国结 is the first in Unicode's order.
    assert sorted(BUILTIN.labels)[0] == "中国结"
    np.testing.assert_array_equal(ours[:, BUILTIN.labels.index("中国结")], theirs[:, 0])
    np.testing.assert_array_equal(ours[:, BUILTIN.index[max(BUILTIN.labels)]], theirs[:, 79])


def test_tiles_of_both_families_become_one_network_and_words_stay_the_built_ins(
    tmp_path: Path,
) -> None:
    files = [
        legacy_files.residual(tmp_path / "M2.h5", seed=1),
        legacy_files.residual(tmp_path / "M3.h5", seed=2, excited=True),
        legacy_files.tiles(tmp_path / "tiles.h5"),
    ]
    said: list[str] = []
    import_networks(None, files, name="both", root=tmp_path / "store", say=said.append)
    entry = find("both", root=tmp_path / "store")
    assert entry.manifest.training["tiles"]["imported_from"] == "M2.h5, M3.h5, tiles.h5"
    assert any(line.startswith("words: that of builtin@") for line in said)
    tiles = pictures()
    one, two, three = (originals.tiles([legacy_file.read(path)], tiles) for path in files)
    answers = np.asarray(load_network(entry, "tiles")(tiles, training=False))
    # A family counts once, however many networks it has.
    np.testing.assert_allclose(answers, ((one + two) / 2 + three) / 2, atol=TOLERANCE)
    built_in = load_network(find("builtin", root=tmp_path / "none"), "words")
    header = blank_header()[None]
    np.testing.assert_array_equal(
        load_network(entry, "words")(header), np.asarray(built_in(header))
    )


def test_a_words_network_alone_is_stored_beside_the_built_in_tiles(tmp_path: Path) -> None:
    words = legacy_files.residual(tmp_path / "text.h5", channels=1)
    import_networks(words, [], name="text", root=tmp_path / "store", say=lambda line: None)
    manifest = find("text", root=tmp_path / "store").manifest
    assert manifest.training["words"]["imported_from"] == "text.h5"
    assert max(manifest.evaluation["largest_difference_from_original"]["words"].values()) < 1e-4
    header = blank_header()[None]
    network = load_network(find("text", root=tmp_path / "store"), "words")
    assert np.asarray(network(header)).argmax(axis=-1).tolist() == [[BUILTIN.none, BUILTIN.none]]


def test_nothing_to_import_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a words network nor a tiles network"):
        import_networks(None, [], name="none", root=tmp_path / "store")


def lacking(name: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file[name]

    return spoil


def unlisted(name: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            names = [text(each) for each in file.attrs["layer_names"]]
            file.attrs["layer_names"] = [each.encode() for each in names if each != name]

    return spoil


def reshaped(name: str, shape: tuple[int, ...]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file[name]
            file[name] = np.zeros(shape, np.float32)

    return spoil


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def linked(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["bn"]
        file["bn"] = h5py.ExternalLink("/etc/hostname", "/")


def of_keras_3(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "3.4.1"


def without_versions(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["conv1_1"].attrs["weight_names"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "not a whole HDF5 file"),
        (lacking("conv2_1"), "conv2_1 is not in the file"),
        (lacking("conv0/conv0/kernel:0"), "kernel:0 is not in the file"),
        (unlisted("conv2_0"), "has block conv2_1 where conv1_2 is expected"),
        (unlisted("bn"), "the layers conv0, fully_connected; expected"),
        (reshaped("conv0/conv0/kernel:0", (5, 5, 4, 4)), r"conv0 has shape \(5, 5, 4, 4\)"),
        (reshaped("conv0/conv0/kernel:0", (99, 99, 3, 4)), "at most 9×9 places"),
        (reshaped("conv0/conv0/kernel:0", (5, 5, 3, 7)), "conv1_0_.* has shape .* but 7 channels"),
        (
            reshaped("conv1_1/conv1_1/conv2d_3/kernel:0", (3, 3, 4, 1)),
            r"block conv1_1 has kernels .*\(3, 3, 4, 1\)\], not .*\(3, 3, 4, 4\)\]",
        ),
        (
            reshaped("conv1_0/conv1_0/se_layer/dense_1/kernel:0", (2, 1)),
            r"block conv1_0 of 4 filters has dense layers \(\(4, 2\), \(2, 1\)\)",
        ),
        (
            reshaped("fully_connected/fully_connected/kernel:0", (6, 81)),
            "tells 81 classes apart, not 80",
        ),
        (linked, "bn is a link to elsewhere"),
        (of_keras_3, "written by Keras 3.4.1, not 2.x"),
        (without_versions, "not a Keras 2 network"),
    ],
)
def test_a_file_that_is_not_whole_or_has_other_shapes_is_refused(
    spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    path = legacy_files.residual(tmp_path / "M.h5", excited=True)
    spoil(path)
    with pytest.raises(NotANetwork, match=said):
        import_networks(None, [path], name="m", root=tmp_path / "store", say=lambda line: None)
    assert not (tmp_path / "store" / "m").exists()


def test_a_text_network_in_the_place_of_a_tiles_network_is_refused(tmp_path: Path) -> None:
    words = legacy_files.residual(tmp_path / "text.h5", channels=1)
    with pytest.raises(NotANetwork, match=r"\(57, 57, 1\); a tiles network takes \(56, 56, 3\)"):
        import_networks(None, [words], name="m", root=tmp_path / "store", say=lambda line: None)


@pytest.mark.parametrize(
    ("file", "parameters"),
    [("M2", 571_888), ("M3", 772_776), ("M4", 663_040), ("M5", 663_040)],
)
def test_the_real_tile_networks_are_as_right_as_in_their_own_program(
    data_folder: Path, file: str, parameters: int
) -> None:
    from models.legacy import tiles as legacy_tiles

    network = legacy_file.read(data_folder / "legacy" / f"cracking-12306-{file}.h5")
    assert network.parameters == parameters
    chosen = sorted((data_folder / "tiles").glob("*_0[12].jpg"))
    tiles = np.stack([np.asarray(Image.open(path).convert("RGB"))[3:70, 3:70] for path in chosen])
    read = legacy_tiles.build([network]).predict(tiles, batch_size=32, verbose=0).argmax(axis=1)
    right = np.mean([int(path.name[:2]) == label for path, label in zip(chosen, read, strict=True)])
    # Of all 800 they read 91.3 to 91.8 %.
    assert right > 0.87


def test_the_real_text_network_reads_plain_and_noisy_headers(data_folder: Path) -> None:
    from models.legacy import words as legacy_words

    network = legacy_words.build(
        legacy_file.read(data_folder / "legacy" / "cracking-12306-text.h5")
    )
    noisy = {"1a81b8d0", "1ec326d8", "779b9af2", "7a99efe9", "b6472bfa", "e0c40ab1"}
    wanted, headers = [], []
    for truth in truths(data_folder / "captchas2020"):
        if truth.path.stem in noisy | {"435300cf", "009d0ff6", "01743e47"}:
            rgb = decode(truth.path.read_bytes(), BUILTIN.layout, max_bytes=1 << 20)
            headers.append(cut_header(rgb, BUILTIN.layout))
            wanted.append(truth.words)
    assert len(wanted) == 9
    read = network.predict(np.stack(headers), verbose=0).argmax(axis=-1)
    assert [tuple(BUILTIN.labels[i] for i in row if i != BUILTIN.none) for row in read] == wanted

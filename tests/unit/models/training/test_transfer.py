"""Going on from a stored model: what it knew stays where the words stay."""

from dataclasses import replace

import numpy as np
import pytest

from models import store
from models.datasets.tiles import open_captcha
from models.recognition.crops import Crops
from tests.conftest import SAMPLES
from tests.support.data.own import KIND
from tilefleet.errors import ModelError
from tilefleet.kind import BUILTIN

pytestmark = pytest.mark.training

#: The built-in's words in another order, without one, with two new ones.
OTHER = replace(BUILTIN, labels=("新", *reversed(BUILTIN.labels[1:]), "词"))


@pytest.fixture(scope="module")
def entry():
    return store.find("builtin")


@pytest.fixture(scope="module")
def crops():
    pixels = [open_captcha(path) for path in sorted(SAMPLES.glob("*.jpg"))[:8]]
    return [Crops.from_pixels(each, BUILTIN.layout) for each in pixels]


def asked(network, pictures):
    return np.asarray(network(np.stack(pictures), training=False))


def in_order(kind, labels, probabilities):
    """The columns of `labels`, made to sum up to 1."""
    chosen = probabilities[..., [kind.index[label] for label in labels]]
    return chosen / chosen.sum(axis=-1, keepdims=True)


def test_the_same_words_are_seen_as_before(entry, crops):
    from models.training import transfer

    shared = BUILTIN.labels[1:]
    for network, pictures in (
        ("words", [crop.header for crop in crops]),
        ("tiles", [tile for crop in crops for tile in crop.tiles]),
    ):
        before = asked(store.load_network(entry, network), pictures)
        kept = asked(transfer.kept(entry, network, OTHER), pictures)
        begun = transfer.go_on(entry, network, OTHER)
        assert begun.source == entry.identity
        for after in (kept, asked(begun.network, pictures)):
            np.testing.assert_allclose(
                in_order(OTHER, shared, after), in_order(BUILTIN, shared, before), atol=1e-4
            )
        # A network that is only kept never says what it never heard.
        new = kept[..., [OTHER.index["新"], OTHER.index["词"]]]
        assert new.max() < 1e-3


def test_with_the_very_same_words_a_network_of_any_make_goes_on(entry):
    from models.training import transfer

    kind = replace(BUILTIN, tiles_per_word=(0.125,) * 8)
    network = transfer.go_on(entry, "tiles", kind).network
    assert network.count_params() == entry.manifest.parameters["tiles"]


def test_pictures_of_another_size_are_refused(entry):
    from models.training import transfer

    with pytest.raises(ModelError, match="reads tiles of 67×67, not of 30×40"):
        transfer.go_on(entry, "tiles", KIND)
    with pytest.raises(
        ModelError, match="reads headers of 176×28 with up to 2 words, not of 120×20"
    ):
        transfer.kept(entry, "words", KIND)

"""What makes a tile known again, and groups of tiles that are the same picture."""

import numpy as np
import pytest

from models.bootstrap import groups, signatures
from models.drawing import alter
from models.drawing import tiles as pictures
from models.drawing.collection import plan
from tilefleet.errors import TilefleetError


@pytest.fixture(scope="module")
def collection():
    return plan(pictures.TILES, captchas=3, pool=30, seed=4)


def copies_of(collection, count=6):
    rng = np.random.default_rng(3)
    tiles = [alter.again(collection.picture(each), rng) for each in range(30) for _ in range(count)]
    return np.stack(tiles), np.repeat(np.arange(30), count)


@pytest.mark.parametrize("name", ["average", "difference", "perceptual", "wavelet", "colour"])
def test_copies_are_nearer_than_other_pictures(collection, name):
    tiles, truth = copies_of(collection)
    vectors = signatures.find(name)(tiles)
    distances = np.square(vectors[:, None] - vectors[None]).sum(axis=2) / 2
    np.fill_diagonal(distances, np.inf)
    assert (truth[distances.argmin(axis=1)] == truth).mean() > 0.85
    assert np.linalg.norm(vectors, axis=1).max() <= 1.001


def test_an_unknown_signature_is_named():
    with pytest.raises(TilefleetError, match=r"no signature called 'md5'; there are: average"):
        signatures.find("md5")


def test_groups_are_the_pictures(collection):
    tiles, truth = copies_of(collection)
    signature = signatures.find("colour")
    members = groups.group(signature(tiles), signature.threshold)
    assert len(members) == len(tiles)
    for group in set(members.tolist()):
        assert len(set(truth[members == group].tolist())) == 1
    assert len(set(members.tolist())) < 45
    # Numbered by first appearance.
    assert members[0] == 0
    assert (np.maximum.accumulate(members)[1:] - np.maximum.accumulate(members)[:-1]).max() <= 1


def test_neither_nothing_nor_one_tile_is_a_difficulty():
    for count in (0, 1):
        assert groups.group(np.zeros((count, 107), np.float16), 0.07).tolist() == [0] * count

"""Tiles seen before: the same answers, the network asked less, and no more kept than was said."""

from dataclasses import replace

import numpy as np
import pytest

from models import engines
from models.drawing import tiles as pictures
from models.drawing.collection import plan
from models.engines.tile_cache import TileCache
from models.recognition.crops import Crops
from tilefleet.errors import SettingError
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings


@pytest.fixture(scope="module")
def crops():
    drawn = plan(pictures.TILES, captchas=30, pool=20, seed=9)
    return [
        Crops.from_bytes(drawn.draw(number), BUILTIN.layout, max_bytes=1 << 20)
        for number in range(30)
    ]


def by_colour(asked):
    """A network whose answer is a function of the tile; `asked` counts its calls."""

    def network(tiles):
        asked.append(len(tiles))
        answers = np.zeros((len(tiles), len(BUILTIN.labels)), np.float32)
        answers[:, :3] = tiles.mean(axis=(1, 2))
        return answers

    return network


def test_the_same_tiles_are_answered_without_the_network(crops):
    asked = []
    cache = TileCache(100, BUILTIN)
    tiles = np.concatenate([each.tiles for each in crops[:2]])
    first = cache.read(tiles, by_colour(asked))
    calls = len(asked)
    assert np.array_equal(cache.read(tiles, by_colour(asked)), first)
    assert len(asked) == calls
    assert cache.stats()["hits"] >= 16


def test_copies_of_a_tile_are_known_and_others_are_not(crops):
    cache = TileCache(1000, BUILTIN)
    for each in crops:
        given = cache.read(each.tiles, by_colour([]))[:, :3]
        # The answer kept is that of a copy: nearly the colour of this one.
        assert np.abs(given - each.tiles.mean(axis=(1, 2))).max() < 40
    stats = cache.stats()
    assert stats["hits"] > 60
    assert stats["hits"] + stats["misses"] == 240


def test_no_more_is_kept_than_was_said(crops):
    cache = TileCache(10, BUILTIN)
    for each in crops[:6]:
        cache.read(each.tiles, by_colour([]))
    assert cache.stats()["kept"] == 10
    assert sum(map(len, cache._tables)) <= 10 * len(cache._tables)


def test_an_engine_with_a_cache_gives_the_same_answers(crops):
    settings = replace(Settings(), engine="litert")
    plain, cached = engines.load(settings), engines.load(replace(settings, tile_cache=500))
    answers = [engine.session().read(crops) for engine in (plain, cached)]
    picks = [[answer.picks for answer in given] for given in answers]
    assert sum(one == other for one, other in zip(*picks, strict=True)) >= 29
    assert plain.tile_cache is None
    cached.session().read(crops)
    assert cached.tile_cache.stats()["hits"] >= 240


def test_a_size_that_is_none_is_refused():
    with pytest.raises(SettingError, match="TILEFLEET_TILE_CACHE='many'"):
        Settings.from_environ({"TILEFLEET_TILE_CACHE": "many"})

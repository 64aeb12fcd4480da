"""A folder of data of a kind of its own: what is learned from it, and what is wrong with it."""

import numpy as np
import pytest
from PIL import Image

from models.datasets import own, own_inventory
from models.datasets.collections import answered, to_learn
from models.datasets.truth import truths
from tests.support.data import own as folder
from tests.support.data.own import KIND
from tilefleet.errors import BadAnswers, BadCollection, BadTiles


def whole(data):
    parts = own.labelled(data, KIND)
    return parts.learned + parts.calibrated + parts.measured


def test_tiles_by_word_and_what_answers_pick_are_learned_from(tmp_path):
    data = folder.write(tmp_path)
    known = whole(data)
    picked = sum(len(truth.picks) for truth in own.learned_captchas(data, KIND))
    assert len(known) == 4 * 8 + picked
    assert known.tiles().shape[1:] == (40, 30, 3)
    colours = known.tiles().mean(axis=(1, 2))
    for label, pixels in zip(known.labels, colours, strict=True):
        assert np.abs(pixels - folder.COLOURS[KIND.labels[label]]).max() < 12


def test_some_captchas_are_kept_to_measure_and_calibrate_on_and_none_is_in_two_parts(tmp_path):
    data = folder.write(tmp_path, captchas=120)
    parts = [
        {truth.path.name for truth in each(data, KIND)}
        for each in (own.learned_captchas, own.calibrated_captchas, own.measured_captchas)
    ]
    assert set.union(*parts) == {truth.path.name for truth in truths(data, KIND)}
    assert sum(map(len, parts)) == 120
    assert all(len(part) > 2 for part in parts[1:])
    assert {truth.path.name for truth in answered(data, KIND)["kept"]} == parts[2]


def test_answers_of_captchas_below_the_folder_are_not_learned_from(tmp_path):
    data = folder.write(tmp_path / "mine")
    folder.write(tmp_path / "mine" / "captchas", tiles=0, kind=False)
    with (data / "answers.csv").open("a") as file:
        file.write("captchas/00.png,red,1\n")
    known = [own.learned_captchas, own.calibrated_captchas, own.measured_captchas]
    assert {truth.path.parent for each in known for truth in each(data, KIND)} == {data}


def test_labelled_pictures_are_parted_by_what_they_show(tmp_path):
    data = folder.write(tmp_path, tiles=60, captchas=0)
    parts = own.labelled(data, KIND)
    known, cut = to_learn(data, KIND)
    assert cut is None
    assert len(known) == len(parts.learned)
    sizes = [len(part) for part in (parts.learned, parts.calibrated, parts.measured)]
    assert sum(sizes) == 240
    assert min(sizes) > 10
    shown = [{tile.tobytes() for tile in part.tiles()} for part in (parts.learned, parts.measured)]
    assert not shown[0] & shown[1]


def test_pictures_of_any_size_are_scaled_and_transparent_ones_are_on_white(tmp_path):
    data = folder.write(tmp_path, captchas=0)
    Image.new("RGBA", (200, 100)).save(data / "tiles" / "red" / "clear.png")
    Image.new("L", (5, 5), 7).save(data / "tiles" / "red" / "small.png")
    opened = [
        own.open_labelled(data / "tiles/red" / name, KIND) for name in ("clear.png", "small.png")
    ]
    assert [each.shape for each in opened] == [(40, 30, 3)] * 2
    assert opened[0].min() == 255
    assert opened[1].max() == 7


def test_real_headers_are_learned_from_with_their_words(tmp_path):
    data = folder.write(tmp_path)
    images, labels = own.headers(data, KIND)
    learned = own.learned_captchas(data, KIND)
    assert images.shape == (len(learned), 20, 120, 3)
    assert [KIND.labels[label] for label in labels[:, 0]] == [truth.words[0] for truth in learned]


def test_an_inventory_counts_words_names_what_is_unreadable_and_what_is_no_word(tmp_path):
    data = folder.write(tmp_path)
    (data / "tiles" / "red" / "broken.png").write_bytes(b"no picture")
    (data / "extra.png").write_bytes(b"no picture either")
    with (data / "answers.csv").open("a") as file:
        file.write("extra.png,purple,1\n")
    found = own_inventory.look(data, KIND)
    lines = "\n".join(found.lines())
    assert "tiles: 32 pictures, 1 unreadable" in lines
    assert "unreadable, and left out: tiles/red/broken.png" in lines
    assert "captchas in it: 12 pictures, 1 unreadable" in lines
    assert "answers.csv asks for what is no word: purple" in lines
    assert found.labelled.sum() == len(whole(data))


def test_a_folder_that_is_no_word_is_named_with_what_was_probably_meant(tmp_path):
    data = folder.write(tmp_path)
    (data / "tiles" / "gren").mkdir()
    with pytest.raises(BadTiles, match=r"'gren' is none of the 4 words .*did you mean green\?"):
        own_inventory.look(data, KIND)


def test_words_with_too_few_tiles_or_none_are_named_unless_one_says_so(tmp_path):
    data = folder.write(tmp_path, captchas=0)
    for path in sorted((data / "tiles" / "blue").iterdir())[2:]:
        path.unlink()
    for path in (data / "tiles" / "grey").iterdir():
        path.unlink()
    with pytest.raises(
        BadTiles, match="of 4 words 2 have fewer than 5 pictures: blue 2, grey none"
    ):
        own_inventory.look(data, KIND)
    assert own_inventory.look(data, KIND, few=True).few == {"blue": 2, "grey": 0}
    assert own_inventory.look(data, KIND, tiles=False)


def test_answers_that_cannot_be_are_refused(tmp_path):
    data = folder.write(tmp_path)
    table = (data / "answers.csv").read_text()
    (data / "answers.csv").write_text(table + "nowhere.png,red,1\n")
    with pytest.raises(BadCollection, match=r"1 files that are not there: nowhere\.png"):
        own_inventory.look(data, KIND)
    (data / "answers.csv").write_text(table + "00.png,red,7\n")
    with pytest.raises(BadAnswers, match="tiles are numbered 1 to 6"):
        own_inventory.look(data, KIND)


def test_no_labelled_tiles_at_all_is_an_error_that_says_where_they_might_be(tmp_path):
    data = folder.write(tmp_path, tiles=0, captchas=0)
    with pytest.raises(BadTiles, match=r"no labelled tiles: tiles/WORD/"):
        own.labelled(data, KIND)

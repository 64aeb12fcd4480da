"""Headers of any kind: words of any script, as text; and words that are none of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.drawing import fonts, header, strange, typeset
from models.drawing.strips import draw_strips
from tests.support.data.own import KIND
from tilefleet.errors import ModelError
from tilefleet.kind import BUILTIN


def of(*labels: str):
    return replace(KIND, labels=labels)


def test_words_are_drawn_inside_the_strip_and_differ():
    random = np.random.default_rng(1)
    shapes = {True: 0, False: 0}
    for noisy in (False, True):
        for _ in range(20):
            strip = typeset.draw(
                ["seventeen", "two"], random, faces=[fonts.BOLD], shape=(30, 140), noisy=noisy
            )
            assert strip.shape == (30, 140)
            assert strip.dtype == np.uint8
            shapes[noisy] += int(np.ptp(strip) > 60)
    assert min(shapes.values()) > 15


def test_a_word_that_is_too_long_for_the_strip_is_made_smaller():
    random = np.random.default_rng(2)
    word = "extraordinarily"
    for _ in range(10):
        strip = typeset.draw([word], random, faces=[fonts.BOLD], shape=(24, 90), noisy=False)
        ink = np.abs(strip.astype(int) - int(np.median(strip))) > 60
        assert not ink[:, 0].any()
        assert not ink[:, -1].any()


def test_a_kind_with_the_built_ins_header_looks_as_that_does_and_others_do_not():
    ours = replace(BUILTIN, labels=BUILTIN.labels[:5])
    draw = [
        header.draw(["毛线"], np.random.default_rng(3), faces=[fonts.BOLD], kind=kind)
        for kind in (BUILTIN, ours)
    ]
    np.testing.assert_array_equal(*draw)
    assert header.draw(["red"], np.random.default_rng(3), faces=[fonts.BOLD], kind=KIND).shape == (
        20,
        120,
    )


def test_strips_of_a_kind_of_ones_own_have_its_words():
    strips = draw_strips(40, seed=1, faces=[fonts.BOLD], kind=KIND)
    assert strips.images.shape == (40, 20, 120)
    assert strips.labels.shape == (40, 1)
    assert set(strips.labels.ravel().tolist()) == {-1, 0, 1, 2, 3}


@pytest.mark.parametrize(
    ("labels", "block"),
    [
        (("zero", "one", "two"), (0, 128)),
        (("ноль", "один", "два"), (0x400, 0x480)),
        (("صفر", "واحد", "اثنان"), (0x600, 0x680)),
        (("零", "一", "二"), (0x4E00, 0xA000)),
    ],
)
def test_strange_words_are_of_the_labels_script_and_no_labels(labels, block):
    random = np.random.default_rng(4)
    found = [strange.word(random, of(*labels)) for _ in range(200)]
    assert not set(found) & set(labels)
    assert len(set(found)) > 100
    assert all(block[0] <= ord(each) < block[1] for word in found for each in word)
    if labels[0] == "zero":
        assert all(word == word.lower() for word in found)


def test_fonts_that_are_installed_are_found_and_some_are_held_out(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "INSTALLED", (tmp_path,))
    train, held_out = fonts.faces([], KIND)
    assert {each.parent for each in train} == {fonts.FOLDER}
    assert train == held_out
    for number in range(8):
        (tmp_path / f"{number}.otf").symlink_to(fonts.BOLD)
    train, held_out = fonts.faces([], KIND)
    assert len(train) + len(held_out) == 10
    assert len(held_out) == 2
    assert not set(train) & set(held_out)


def test_a_script_that_no_font_has_is_named_with_its_characters(monkeypatch):
    monkeypatch.setattr(fonts, "INSTALLED", ())
    with pytest.raises(ModelError, match=r"no font draws ஃ அ \(TAMIL\), .* give --fonts FOLDER"):
        fonts.faces([], of("ஃஅ", "one", "two"))


def test_characters_that_no_one_font_has_all_of_are_said_so(monkeypatch):
    has = fonts.has

    def never_both(font: Path, text: str) -> bool:
        return text != ("é" if "Sans" in font.name else "è") and (text in "éè" or has(font, text))

    monkeypatch.setattr(fonts, "INSTALLED", ())
    monkeypatch.setattr(fonts, "has", never_both)
    with pytest.raises(ModelError, match=r"none of 2 fonts has all 9 characters of the words"):
        fonts.faces([], of("été", "père", "chat"))

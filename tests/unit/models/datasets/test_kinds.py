"""layout.toml and words.txt: what people write, and what is wrong with it, in one line."""

import pytest

from models.datasets import kinds
from tilefleet.errors import BadKind
from tilefleet.kind import BUILTIN, Kind
from tilefleet.layout import Layout

GOOD = """\
# A grid of four.
size = [100, 120]
header = [0, 0, 100, 18]
tile = [40, 40]
lefts = [5, 55]
tops = [20, 70]
click = [20, 20]
words = 1
"""


def write(folder, layout=GOOD, words="one\ntwo\nthree\n"):
    (folder / "layout.toml").write_text(layout, encoding="utf-8")
    (folder / "words.txt").write_text(words, encoding="utf-8")
    return folder


def test_a_folder_without_a_layout_has_captchas_of_the_built_ins_kind(tmp_path):
    assert kinds.kind_of(tmp_path) is BUILTIN


def test_a_kind_is_read_as_it_is_written(tmp_path):
    kind = kinds.kind_of(write(tmp_path))
    assert kind.labels == ("one", "two", "three")
    assert str(kind) == "3 words, 2×2 tiles on 100×120 pixels"
    assert kind.tiles_per_word == (0.25, 0.25, 0.25, 0.25)
    other = tmp_path / "other"
    other.mkdir()
    kinds.write_kind(other, kind)
    assert kinds.kind_of(other) == kind


def test_the_built_ins_own_layout_and_words_are_the_built_ins_kind(tmp_path):
    kinds.write_layout(tmp_path / "layout.toml", BUILTIN.layout)
    kinds.write_words(tmp_path / "words.txt", BUILTIN.labels)
    assert kinds.kind_of(tmp_path) is BUILTIN


def test_words_may_have_a_mark_comments_empty_lines_and_windows_ends(tmp_path):
    write(tmp_path)
    (tmp_path / "words.txt").write_bytes("\ufeff# mine\r\nкот\r\n\r\n  猫 \r\nchat\r\n".encode())
    assert kinds.kind_of(tmp_path).labels == ("кот", "猫", "chat")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("size = [100, 120]", "size = [100, 120.5]", "size is [100, 120.5]; expected a list of 2"),
        ("size = [100, 120]", "size = 100", "size is 100; expected a list of 2 whole numbers"),
        ("size = [100, 120]", "size = [100, 99999]", "a side has 1 to 4096 pixels"),
        ("words = 1", "words = '1'", "words is 1; expected a whole number"),
        ("words = 1", "words = 3", "words is 3; a header asks for 1 or 2 at most"),
        ("words = 1", "word = 1", "'word' is none of size, header"),
        ("words = 1\n", "", "does not say words"),
        ("lefts = [5, 55]", "lefts = [5, 44]", "lefts [5, 44]: tiles of 40 do not fit"),
        ("lefts = [5, 55]", "lefts = [5, 61]", "lefts [5, 61]: tiles of 40 do not fit into 100"),
        ("header = [0, 0, 100, 18]", "header = [0, 0, 101, 18]", "is not inside 100×120"),
        ("header = [0, 0, 100, 18]", "header = [0, 0, 100, 30]", "lies over tile 1"),
        ("header = [0, 0, 100, 18]", "header = [0, 0, 100, 0]", "a side has 1 to 4096 pixels"),
        ("click = [20, 20]", "click = [40, 20]", "the point to click (40, 20) is not inside"),
        ("words = 1", "words = 1\ntiles_per_word = [1.0]", "expected 4 shares above 0"),
        ("words = 1", "words = = 1", "layout.toml: Invalid value"),
    ],
)
def test_a_layout_that_cannot_be_says_what_is_wrong(tmp_path, old, new, said):
    with pytest.raises(BadKind) as caught:
        kinds.kind_of(write(tmp_path, GOOD.replace(old, new)))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("one\ntwo\none\n", "line 3: 'one' is in line 1 already"),
        ("one\ntwo three\nfour\n", "line 2: 'two three' has a space in it"),
        ("one\n# two\n", "has 1 words; 3 to 4096 can be"),
        ("one\ntwo\n" + "x" * 41, "is longer than 40 characters"),
        ("one\ntwo\nth\u200bree\n", "cannot be printed"),
    ],
)
def test_words_that_cannot_be_say_where(tmp_path, words, said):
    with pytest.raises(BadKind, match=r"words\.txt") as caught:
        kinds.kind_of(write(tmp_path, words=words))
    assert said in str(caught.value)


def test_too_many_tiles_and_a_missing_list_of_words_are_named(tmp_path):
    (tmp_path / "layout.toml").write_text(GOOD)
    with pytest.raises(BadKind, match=r"words\.txt is not there: .* tilefleet models new"):
        kinds.kind_of(tmp_path)
    layout = Layout((500, 500), (0, 0, 500, 20), (30, 30), tuple(range(0, 170, 34)),
                    tuple(range(30, 166, 34)), (15, 15), 1)  # fmt: skip
    kinds.write_kind(tmp_path, Kind(("a", "b", "c"), layout, (0.05,) * 20))
    with pytest.raises(BadKind, match="has 20 tiles; at most 16"):
        kinds.kind_of(tmp_path)

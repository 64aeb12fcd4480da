"""answers.csv as people, spreadsheets and programs write it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.datasets.answers import Answer, Answers
from models.datasets.truth import truths
from tilefleet.errors import BadAnswers

EXPECTED = {"a.jpg": Answer(("锣",), (3,)), "b c.jpg": Answer(("电线", "沙拉"), (5, 7))}
PLAIN = "file,words,picks\na.jpg,锣,3\nb c.jpg,电线 沙拉,5 7\n"


def read(folder, text: str | bytes) -> Answers:
    path = folder / "answers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Answers.read(path, tiles=8)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN.replace("\n", "\r\n"),
        PLAIN.removesuffix("\n"),
        PLAIN.replace("\n", "\n\n  \n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "picks,note,file,words\n3,x,a.jpg,锣\n7 5,,b c.jpg,电线 沙拉\n",
        'file,words,picks\n"a.jpg","锣","3"\n"b c.jpg","电线,沙拉","5,7"\n',
        "File , Words, PICKS\n a.jpg , 锣 , 3 \nb c.jpg,  电线   沙拉,7  5\n",
        "file,words,picks\na.jpg,锣,3,\nb c.jpg,电线、沙拉,5 7,\na.jpg,锣,3\n",
    ],
)
def test_what_people_and_spreadsheets_write_is_understood(tmp_path, text):
    assert read(tmp_path, text).known == EXPECTED
    assert [(each.path.name, each.words, each.picks) for each in truths(tmp_path)] == [
        (name, answer.words, answer.picks) for name, answer in EXPECTED.items()
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\ufeff\r\n", "is empty"),
        ("file,words\na.jpg,锣\n", "columns file, words; expected .* not so: picks"),
        ("file,file,words,picks\n", "not so: file"),
        (PLAIN + "c.jpg,锣,9\n", r"line 4: picks 9: tiles are numbered 1 to 8"),
        (PLAIN + "c.jpg,锣,0\n", r"line 4: picks 0"),
        (PLAIN + "c.jpg,锣,1 1\n", r"line 4: picks 1 1"),
        (PLAIN + "c.jpg,锣,-1\n", r"line 4: picks '-1' are no numbers"),
        (PLAIN + "c.jpg,锣,²\n", r"line 4: picks '²' are no numbers"),
        (PLAIN + "\n,锣,1\n", "line 5: no file is named"),
        (PLAIN + "a.jpg,锣,4\n", r"line 4: another answer for a\.jpg than in line 2"),
        (PLAIN + "c.jpg,锣,1,2,3\n", "line 4: 5 values for 3 columns"),
        ((PLAIN + "c.jpg,锣,1\n").encode("gb18030"), "line 2: not UTF-8; a spreadsheet saves it"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(BadAnswers, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_an_error_unless_it_may_be_missing(tmp_path):
    with pytest.raises(BadAnswers, match=r"answers\.csv: No such file"):
        Answers.read(tmp_path / "answers.csv", tiles=8)
    assert Answers.read(tmp_path / "answers.csv", missing=True, tiles=8).known == {}


def test_what_is_written_has_the_form_and_the_columns_that_were_found(tmp_path):
    text = '\ufeffnote;picks;file;words\r\n"x;y";3;a.jpg;锣\r\n'
    answers = read(tmp_path, text)
    answers.write()
    assert answers.path.read_bytes().decode() == text
    answers.put("b.jpg", Answer(("电线", "沙拉"), (5, 7)))
    answers.put("a.jpg", Answer(("锣",), (4,)))
    answers.write()
    assert answers.path.read_bytes().decode() == (
        '\ufeffnote;picks;file;words\r\n"x;y";4;a.jpg;锣\r\n;5 7;b.jpg;电线 沙拉\r\n'
    )
    answers.drop("a.jpg")
    answers.write()
    assert Answers.read(answers.path, tiles=8).known == {"b.jpg": Answer(("电线", "沙拉"), (5, 7))}


_names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
_words = st.text(st.sampled_from("锣电线abcÄ\"'=|"), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    known=st.dictionaries(
        _names,
        st.builds(
            Answer,
            st.lists(_words, max_size=3).map(tuple),
            st.sets(st.integers(1, 8)).map(lambda picks: tuple(sorted(picks))),
        ),
    ),
    form=st.sampled_from(["file,words,picks\n", "\ufeffpicks\twords\tfile\r\n"]),
)
def test_whatever_is_written_is_read_as_it_was(tmp_path_factory, known, form):
    answers = read(tmp_path_factory.getbasetemp(), form)
    for name, answer in known.items():
        answers.put(name, answer)
    answers.write()
    assert Answers.read(answers.path, tiles=8).known == known

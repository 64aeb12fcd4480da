"""A training's state goes on only with the data, options and code that it was begun with."""

import ast

import pytest

from models.training import claims
from models.training.claims import NOTE, claim
from models.training.options import Options
from tests.support.data import learnable
from tilefleet.errors import ModelError

BEGUN = {"seed": 1, "epochs": None, "tiles": "800 pictures (ab)", "code of models/training": "12"}


def test_the_same_goes_on(tmp_path):
    assert not claim(tmp_path / "state", BEGUN)
    (tmp_path / "state" / "log.csv").write_text("")
    assert claim(tmp_path / "state", BEGUN)
    assert (tmp_path / "state" / "log.csv").exists()


def test_all_that_differs_is_said(tmp_path):
    claim(tmp_path / "state", BEGUN)
    now = {**BEGUN, "seed": 2, "epochs": 5, "tiles": "801 pictures (cd)"}
    with pytest.raises(ModelError) as raised:
        claim(tmp_path / "state", now)
    for difference in (
        "seed 1 and not 2",
        "epochs - and not 5",
        r"tiles 800 pictures (ab) and not 801 pictures (cd)",
        "--fresh begins anew",
    ):
        assert difference in str(raised.value)
    assert "code" not in str(raised.value)
    assert claim(tmp_path / "state", BEGUN)


def test_a_fresh_one_begins_anew_and_removes_what_was_there(tmp_path):
    claim(tmp_path / "state", BEGUN)
    (tmp_path / "state" / "log.csv").write_text("")
    now = {**BEGUN, "seed": 2}
    assert not claim(tmp_path / "state", now, fresh=True)
    assert [path.name for path in (tmp_path / "state").iterdir()] == [NOTE]
    assert claim(tmp_path / "state", now)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_other_things_is_neither_used_nor_emptied(tmp_path, fresh):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ModelError, match="does not say what it belongs to"):
        claim(tmp_path, BEGUN, fresh=fresh)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_note_that_is_none_is_told(tmp_path):
    (tmp_path / NOTE).write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        claim(tmp_path, BEGUN)


def test_the_code_is_the_same_whatever_its_comments_say(tmp_path):
    path = tmp_path / "module.py"
    texts = (
        '"""One."""\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x\n',
        "def double(x): return 2 * x  # twice\n",
        "def double(x): return 3 * x\n",
    )
    found = []
    for text in texts:
        ast.parse(text)
        path.write_text(text)
        found.append(claims._meaning(path))
    assert found[0] == found[1] != found[2]
    assert claims.code() == claims.code()


def test_a_plan_names_data_options_teacher_fonts_and_code(tmp_path):
    data = learnable.write(tmp_path / "data")

    def plan(**asked):
        return claims.plan(data, Options(**asked), fonts=[], teachers=()).belongs

    before = plan()
    assert before == plan()
    assert plan(seed=2)["words"] != before["words"]
    assert plan(headers=5)["tiles"] == before["tiles"]
    assert plan(headers=5)["words"] != before["words"]
    assert plan(hold_out=True)["words"] == before["words"]
    (data / "tiles" / "00_01.png").unlink()
    assert plan()["words"] == before["words"]
    assert plan()["tiles"]["tiles"] != before["tiles"]["tiles"]
    assert "code of models/networks" in before["tiles"]

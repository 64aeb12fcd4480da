"""An answer crosses processes unchanged."""

import json

from tilefleet.answer import Answer, Grid, Reading, Timing

ANSWER = Answer(
    words=(Reading("电子秤", 0.998), Reading("风铃", 0.994)),
    tiles=tuple(Reading("绿豆", 0.987) for _ in range(8)),
    picks=(1, 5, 6),
    points=((40, 77), (40, 149), (112, 149)),
    confidence=0.97,
    model="builtin@3f2a9c1e",
    timing=Timing(queued_ms=1.2, pass_ms=2.4, pass_size=7),
)


def test_an_answer_survives_json():
    assert Answer.decode(json.loads(json.dumps(ANSWER.encode()))) == ANSWER


def test_an_answer_has_the_fields_of_the_contract():
    encoded = ANSWER.encode()
    assert list(encoded) == [
        "words", "tiles", "picks", "points", "confidence", "model", "timing",
    ]  # fmt: skip
    assert encoded["words"][0] == {"label": "电子秤", "confidence": 0.998}
    assert encoded["points"] == [[40, 77], [40, 149], [112, 149]]
    assert encoded["timing"] == {"queued_ms": 1.2, "pass_ms": 2.4, "pass_size": 7}


def test_where_the_tiles_are_crosses_processes_too():
    grid = Grid((5, 76), (41, 113, 185), (67, 60))
    sent = Answer((), (), (1,), ((5, 5),), 0.5, "m@1", grid=grid)
    got = Answer.decode(json.loads(json.dumps(sent.encode())))
    assert got.grid == grid
    assert (got.grid.rows, got.grid.columns) == (3, 2)

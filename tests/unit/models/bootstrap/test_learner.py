"""The network that learns from the sure groups and looks at the others."""

import numpy as np
import pytest

from models.bootstrap import learner
from models.drawing import alter
from models.drawing import tiles as pictures
from models.drawing.collection import plan
from tilefleet.kind import BUILTIN


@pytest.mark.training
def test_a_network_learns_from_sure_groups_and_looks_at_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(learner, "LEAST_SURE", 20)
    monkeypatch.setattr(learner, "LEAST_LABELS", 3)
    monkeypatch.setattr(learner, "_STEPS", 2)
    monkeypatch.setattr(learner, "_AT_ONCE", 64)
    # Small, so that it is compiled in a moment.
    monkeypatch.setattr("models.networks.tiles._STAGES", ((8, 4),))
    monkeypatch.setattr(learner, "_BOTTLENECKS", (1,))
    drawn = plan(pictures.TILES, captchas=40, pool=60)
    inside = slice(alter.MARGIN, -alter.MARGIN)
    tiles = np.stack([np.asarray(drawn.picture(n))[inside, inside] for n in range(60)])
    truth = np.eye(len(BUILTIN.labels), dtype=np.float32)[drawn.labels]
    truth[40:] = 1 / len(BUILTIN.labels)
    told = []
    options = {"steps": 4, "seed": 1, "tick": lambda done, of: told.append((done, of))}
    first = learner.learn(tiles, truth, directory=tmp_path / "1", before=None, **options)
    assert first is not None
    # A tenth is never learned from.
    assert 34 <= first.learned_from <= 40
    silent_groups = ~(first.prior != 0).any(axis=1)
    assert silent_groups.sum() == first.learned_from
    assert not silent_groups[40:].any()
    assert np.allclose(np.exp(first.prior[40:]).sum(axis=1), 1, atol=1e-4)
    assert (3, 4) in told
    assert capsys.readouterr().out == ""

    # Other groups are sure now: of those of before it still says nothing.
    truth = np.roll(truth, 20, axis=0)
    second = learner.learn(tiles, truth, directory=tmp_path / "2", before=tmp_path / "1", **options)
    assert second is not None
    heard = (second.prior != 0).any(axis=1)
    assert not heard[silent_groups].any()
    assert 2 <= heard.sum() <= 8


def test_too_few_sure_groups_teach_no_network(tmp_path):
    labels = np.full((50, len(BUILTIN.labels)), 1 / len(BUILTIN.labels), np.float32)
    tiles = np.zeros((50, 67, 67, 3), np.uint8)
    options = {"directory": tmp_path, "before": None, "steps": 5, "seed": 1}
    assert learner.learn(tiles, labels, **options) is None

"""Nothing accepted is lost, whatever happens to workers and server."""

import os

from models.engines.reader import Reader
from tests.chaos.storm import Plan, Storm
from tests.conftest import SAMPLES
from tilefleet.settings import Settings

SHORT = Plan(captchas=700, kills=3, pauses=1, restarts=1, every_s=1.5)
LONG = Plan(captchas=20_000, kills=20, pauses=6, restarts=2, every_s=6.0)


def test_every_accepted_captcha_has_one_outcome_and_it_is_right(capsys):
    reader = Reader(Settings.from_environ({}))
    images = [path.read_bytes() for path in sorted(SAMPLES.glob("*.jpg"))]
    plan = LONG if os.environ.get("TILEFLEET_CHAOS") else SHORT
    outcomes = Storm(plan, [(image, list(reader.read(image).picks)) for image in images]).run()
    with capsys.disabled():
        print(f"\n{outcomes.report(plan)}")
    assert not outcomes.lost
    assert not outcomes.wrong
    assert len(outcomes.accepted) == plan.captchas

"""docs/gateway.md says what is so."""

import re

from producer.client.backlog import Backlog
from producer.gateway.app import Gateway
from producer.gateway.metrics import Metrics
from tests.conftest import REPOSITORY
from tilefleet.report import Fleet
from tilefleet.settings import Settings

TEXT = (REPOSITORY / "docs" / "gateway.md").read_text(encoding="utf-8")


def test_every_path_is_there_and_no_other():
    named = set(re.findall(r"`(?:GET |POST )?(/[\w/.-]*)", TEXT))
    served = {route.path for route in Gateway(Settings()).routes}
    assert named == {path for path in served if not path.startswith("/site/")}


def test_every_metric_is_there_and_no_other():
    backlog = Backlog()
    backlog.saw(Fleet(1, 10.0, {"captcha": 5}), {"captcha": 1})
    shown = Metrics().show(backlog, {"captcha": 1.0}, names=True).decode()
    families = {name for name, _ in re.findall(r"^# TYPE (tilefleet_\S+) (\w+)", shown, re.M)}
    assert set(re.findall(r"`(tilefleet_\w+)`", TEXT)) == families

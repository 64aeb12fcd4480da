"""What `tilefleet top` makes of the totals that workers tell."""

from producer.monitoring.trend import Trend
from producer.monitoring.watch import View
from tilefleet.figures import Figures
from tilefleet.report import Report


def view(**seconds_and_captchas: tuple[float, int]) -> View:
    """A look at workers that have run so long and answered so many, one a pass."""
    return View(
        {
            name: Report(0.0, {}, figures=Figures(uptime_s=seconds, passes={1: captchas}))
            for name, (seconds, captchas) in seconds_and_captchas.items()
        }
    )


def test_rates_are_those_between_the_lines_of_each_worker():
    trend = Trend()
    trend.add(view(one=(10.0, 1000), two=(20.0, 0)), now=0.0)
    assert trend.of("one") is None
    trend.add(view(one=(11.0, 1100), two=(21.0, 50)), now=1.0)
    assert trend.of("one").rate == 100
    assert trend.rate == 150
    assert list(trend.rates) == [0, 150]


def test_a_worker_that_tells_nothing_new_adds_nothing_to_the_rate_of_now():
    trend = Trend()
    trend.add(view(killed=(10.0, 1000), other=(10.0, 0)), now=0.0)
    trend.add(view(killed=(11.0, 1100), other=(11.0, 10)), now=1.0)
    assert trend.rate == 110
    trend.add(view(killed=(11.0, 1100), other=(14.0, 40)), now=4.0)
    assert trend.silent_s("killed") == 3.0
    assert not trend.silent_s("other")
    assert trend.of("killed") is None
    assert trend.rate == 10
    trend.add(view(other=(15.0, 50)), now=5.0)
    assert trend.rate == 10


def test_a_worker_that_was_started_anew_begins_anew():
    trend = Trend()
    trend.add(view(one=(100.0, 5000)), now=0.0)
    trend.add(view(one=(1.0, 10)), now=1.0)
    assert trend.of("one") is None
    trend.add(view(one=(2.0, 30)), now=2.0)
    assert trend.of("one").rate == 20

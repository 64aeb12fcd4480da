"""What workers count, over a time and of several workers."""

from tilefleet import report
from tilefleet.figures import BOUNDS, Figures
from tilefleet.report import Report


def figures(uptime_s, passes, errors=None, fast=0, slow=0):
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[4], buckets[-1] = fast, slow
    return Figures(
        uptime_s=uptime_s,
        engine="null",
        lanes=2,
        errors=errors or {},
        passes=passes,
        durations={"pass": tuple(buckets)},
    )


def test_the_difference_of_two_lines_is_what_came_between():
    earlier = figures(10, {1: 5, 8: 2}, {"NotAnImage": 1}, fast=21)
    later = figures(12, {1: 5, 8: 4, 3: 1}, {"NotAnImage": 1, "WrongSize": 2}, fast=30, slow=10)
    between = later.since(earlier)
    assert between.passes == {8: 2, 3: 1}
    assert between.captchas == 19
    assert between.rate == 9.5
    assert between.errors == {"WrongSize": 2}
    assert sum(between.durations["pass"]) == 19
    assert between.lanes == 2


def test_a_worker_that_began_anew_has_counted_all_it_tells():
    assert figures(1, {2: 3}).since(figures(100, {1: 50})).captchas == 6


def test_several_workers_add_up():
    both = Figures.total([figures(5, {1: 1}, fast=1), figures(9, {1: 2, 4: 1}, fast=6)])
    assert both.passes == {1: 3, 4: 1}
    assert both.lanes == 4
    assert both.engine == "null"
    assert both.durations["pass"][4] == 7
    assert Figures.total([]).captchas == 0


def test_a_quantile_is_its_buckets_end():
    found = figures(1, {}, fast=60, slow=40)
    assert found.quantile("pass", 0.5) == BOUNDS[4]
    assert found.quantile("pass", 0.99) == float("inf")
    assert found.quantile("wait", 0.5) is None


def test_a_line_comes_back_as_it_was_told_and_one_of_others_is_skipped():
    told = Report(3.5, {"captcha": 9}, "m@1", figures(7, {1: 2}, {"TooLarge": 1}, fast=2))
    assert report.decode(100, f"99 {told.encode()}".encode()) == told
    assert report.decode(100, b'99 {"rate": 1, "bounds": {}, "figures": {"passes": 1}}') is None
    # Of a later version.
    line = b'99 {"rate": 1, "bounds": {}, "figures": {"lanes": 2, "more": 1}}'
    assert report.decode(100, line) == Report(1.0, {}, figures=Figures(lanes=2))
    assert report.decode(100, b'99 {"rate": 1, "bounds": {}, "figures": [1]}') is None
    # Of a worker of another version.
    assert report.decode(100, b'99 {"rate": 1, "bounds": {}}') == Report(1.0, {})


def test_no_share_is_reached_in_a_bucket_without_any():
    buckets = (0, 0, 5, *[0] * (len(BOUNDS) - 2))
    one = Figures(durations={"pass": buckets})
    assert one.quantile("pass", 0.0) == one.quantile("pass", 1.0) == BOUNDS[2]
    assert one.quantile("decode", 0.5) is None


def test_of_several_workers_the_oldest_captcha_is_that_of_all():
    assert Figures.total([Figures(oldest_s=2.0), Figures(oldest_s=5.0)]).oldest_s == 5.0


def test_buckets_of_other_bounds_are_left_out():
    right = [1] * (len(BOUNDS) + 1)
    told = {"durations": {"pass": right, "wait": [1, 2]}}
    assert Figures.decode(told).durations == {"pass": tuple(right)}

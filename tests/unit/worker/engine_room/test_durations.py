"""Durations say how long things took without keeping each of them."""

import pytest

from tilefleet.figures import BOUNDS
from worker.engine_room.durations import Durations


def test_nothing_measured_says_so():
    assert Durations().encode() == {"count": 0}


def test_mean_longest_and_quantiles():
    durations = Durations()
    durations.add(0.002, times=98)
    durations.add(0.4, times=2)
    shown = durations.encode()
    assert shown["count"] == 100
    assert shown["mean_ms"] == pytest.approx((98 * 2 + 2 * 400) / 100)
    # To the end of the bucket, but no further than the longest.
    assert shown["p50_ms"] == 2.5
    assert shown["p99_ms"] == shown["max_ms"] == 400


def test_what_is_longer_than_every_bucket_is_counted():
    durations = Durations()
    durations.add(BOUNDS[-1] * 3)
    assert durations.quantile(0.5) == BOUNDS[-1] * 3
    assert sum(durations.buckets) == 1

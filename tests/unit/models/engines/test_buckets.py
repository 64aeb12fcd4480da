"""In which sizes passes are compiled: as a short measurement says, which is kept."""

import json

import pytest

from models.engines import buckets


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "tilefleet" / "buckets.json"


class Device:
    """Takes as long as `seconds` says, and has memory for `most` captchas at once."""

    def __init__(self, seconds, most=10_000):
        self.seconds, self.most = seconds, most
        self.read: list[int] = []

    def __call__(self, size: int) -> float:
        if size > self.most:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        self.read.append(size)
        return self.seconds(size)


def test_a_device_that_reads_one_captcha_after_the_other_gets_one_at_a_time():
    device = Device(lambda size: 0.003 * size)
    assert buckets.fitting(device, "a") == (1,)
    # A few further sizes say that larger ones are for nothing.
    assert max(device.read) == 16


def test_sizes_that_take_as_long_as_a_larger_one_are_left_out():
    device = Device(lambda size: 0.004 * max(1, size / 32))
    # Up to 32 all take as long; beyond, as many a second.
    assert buckets.fitting(device, "a") == (32,)


def test_the_largest_is_the_smallest_that_is_nearly_as_fast_as_any():
    # 1 ms, and 0.1 ms for each: 64 read 8.6 a ms, 128 read 9.3, and 256 read 9.6.
    device = Device(lambda size: 0.001 + 0.0001 * size)
    found = buckets.fitting(device, "a")
    assert found == (2, 4, 8, 16, 32, 64, 128)
    assert max(device.read) == 256


def test_no_captcha_waits_long_for_the_last_of_its_pass():
    # The larger, the faster, for ever: 16 take 0.17 s.
    device = Device(lambda size: 0.011 * size**0.99 + 0.001)
    assert device.seconds(buckets.fitting(device, "a")[-1]) <= 0.25
    assert device.seconds(max(device.read)) <= 0.25


def test_one_is_read_however_long_it_takes():
    assert buckets.fitting(Device(lambda size: 3.0 * size), "a") == (1,)


def test_more_than_there_is_memory_for_is_not_read(caplog):
    device = Device(lambda size: 0.001, most=16)
    assert buckets.fitting(device, "a") == (16,)
    assert "Passes of 32 captchas cannot be read: RESOURCE_EXHAUSTED" in caplog.text


def test_a_device_that_reads_nothing_says_why():
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        buckets.fitting(Device(lambda size: 0.001, most=0), "a")


def test_it_is_measured_once(cache):
    device = Device(lambda size: 0.004 * max(1, size / 8))
    assert buckets.fitting(device, "a", "b") == (8,)
    assert list(json.loads(cache.read_text()).values()) == [[8]]
    device.read.clear()
    assert buckets.fitting(device, "a", "b") == (8,)
    # What is kept is compiled, and nothing else.
    assert device.read == [8]


def test_a_size_that_something_else_slowed_down_is_timed_again():
    slow = {4: [0.05], 8: [0.05, 0.05]}

    def seconds(size: int) -> float:
        more = slow.get(size)
        return 0.004 * max(1, size / 8) + (more.pop() if more else 0)

    assert buckets.fitting(Device(seconds), "a") == (8,)


def test_another_network_or_device_is_measured_anew():
    for what in ("a", "b"):
        device = Device(lambda size: 0.004 * max(1, size / 8))
        buckets.fitting(device, what)
        assert len(device.read) > 1


def test_of_what_is_kept_only_what_there_is_memory_for_now_is_read():
    buckets.fitting(Device(lambda size: 0.001 + 0.0001 * size), "a")
    fuller = Device(lambda size: 0.001 + 0.0001 * size, most=40)
    assert buckets.fitting(fuller, "a") == (2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    "kept", ["8", "[]", "[0]", "[8, 4]", "[1, 1]", "[true]", '["8"]', "[1000000]", "null"]
)
def test_a_damaged_file_is_measured_anew(cache, kept):
    buckets.fitting(Device(lambda size: 0.001), "a")
    (key,) = json.loads(cache.read_text())
    cache.write_text(f'{{"{key}": {kept}}}')
    device = Device(lambda size: 0.004 * max(1, size / 8))
    assert buckets.fitting(device, "a") == (8,)

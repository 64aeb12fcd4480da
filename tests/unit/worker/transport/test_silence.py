"""A server that hangs is waited for once, not by each command that follows."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.transport.silence import Silence


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def silence(clock):
    return Silence(clock)


def wait_in_vain(silence, error=RedisTimeoutError):
    with pytest.raises(error), silence.noticed():
        raise error("any")


def is_on(silence):
    try:
        silence.check()
    except RedisTimeoutError:
        return True
    return False


def test_what_follows_a_command_that_was_not_answered_fails_at_once_for_a_while(silence, clock):
    assert not is_on(silence)
    wait_in_vain(silence)
    assert is_on(silence)
    clock.now = 4.9
    assert is_on(silence)
    clock.now = 5.1
    assert not is_on(silence)


def test_a_connection_that_is_answered_ends_it(silence):
    wait_in_vain(silence)
    silence.end()
    assert not is_on(silence)


def test_a_server_that_refuses_or_is_gone_is_not_silent(silence):
    wait_in_vain(silence, RedisConnectionError)
    assert not is_on(silence)


@pytest.mark.parametrize("told_first", [True, False])
def test_who_is_to_end_waits_in_vain_once(silence, clock, told_first):
    (silence.stop if told_first else lambda: None)()
    wait_in_vain(silence)
    silence.stop()
    clock.now = 1e9
    assert is_on(silence)


def test_who_is_to_end_and_is_answered_says_all_it_has_to_say(silence):
    silence.stop()
    with silence.noticed():
        pass
    assert not is_on(silence)

"""What wakes the hub thread: another thread, and signals."""

import os
import signal
from threading import Thread

import pytest

from worker.hub.waker import Waker


@pytest.fixture
def waker():
    made = Waker()
    yield made
    made.leave_signals()
    for end in (made._reader, made._writer):
        end.close()


@pytest.fixture
def handled():
    """Which signals a handler has got that, as Celery's, sets something only."""
    got = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_ends_the_wait_though_its_handler_only_sets_something(waker, handled):
    waker.wake_on_signals()
    # While it waits: a wait goes on after a handler that raises nothing.
    Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
    assert waker.wait(10)
    assert handled == [signal.SIGUSR1]


def test_once_it_is_left_a_signal_wakes_nobody(waker, handled):
    waker.wake_on_signals()
    waker.leave_signals()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert not waker.wait(0)
    assert handled == [signal.SIGUSR1]


def test_leaving_what_was_not_asked_for_takes_nothing_from_another(waker):
    other = Waker()
    other.wake_on_signals()
    waker.leave_signals()
    assert signal.set_wakeup_fd(-1) == other._writer.fileno()
    for end in (other._reader, other._writer):
        end.close()


def test_a_thread_that_gets_no_signals_goes_without(waker):
    asking = Thread(target=waker.wake_on_signals)
    asking.start()
    asking.join()
    assert signal.set_wakeup_fd(-1) == -1


def test_what_it_was_woken_with_wakes_it_once(waker):
    waker.wake()
    waker.wake()
    assert waker.wait(0)
    waker.drain()
    assert not waker.wait(0)

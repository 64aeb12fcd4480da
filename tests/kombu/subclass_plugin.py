"""Loaded into kombu's test runs: our classes in the place of kombu's, and a report.

Its environment: ``KOMBU_REPORT``, the file to write; ``KOMBU_SHARE``, such as ``0/4``, the tests
to run.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu.transport import redis

from tests.kombu import fake_server
from tests.kombu.exceptions import LEFT_OUT

# These are based on kombu's own classes, so they are imported before those are replaced.
from worker.transport import SentinelTransport, Transport, channel, poller, qos

redis.QoS = qos.QoS
redis.MultiChannelPoller = poller.Poller
redis.Channel = channel.Channel
redis.SentinelChannel = channel.SentinelChannel
redis.Transport = Transport
redis.SentinelTransport = SentinelTransport
# The clock that these tests replace.
channel.monotonic = lambda: redis.monotonic()

#: Seconds that a test may take; the longest ones wait for a server that does not exist.
_LIMIT_S = 20

collected: list[str] = []
outcomes: dict[str, str] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    collected.extend(item.nodeid for item in items)
    share, shares = map(int, os.environ["KOMBU_SHARE"].split("/"))
    chosen = [item for item in items if item.nodeid not in LEFT_OUT][share::shares]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen
    for module in {item.module for item in items if hasattr(item.module, "Client")}:
        fake_server.teach(module)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError(f"{item.nodeid} takes more than {_LIMIT_S} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(_LIMIT_S)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def pytest_runtest_logreport(report: Any) -> None:
    """A test's outcome is that of its call, unless it could not be set up or torn down."""
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    report = {"collected": collected, "outcomes": outcomes}
    Path(os.environ["KOMBU_REPORT"]).write_text(json.dumps(report))

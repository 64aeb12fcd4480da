"""What a worker tells of itself is one worker's, and only of what it reads."""

from concurrent.futures import ThreadPoolExecutor
from socket import gethostname
from threading import Timer
from time import sleep
from types import SimpleNamespace

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, another_app, wait_until
from tilefleet import report, wire
from tilefleet.report import Fleet, Report, ServerClock
from worker.monitoring import name
from worker.monitoring.line import Line

READS = Report(1.0, {wire.LANE: 10}, "m@1")


@pytest.fixture(scope="module")
def own():
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def redis(own):
    with Redis.from_url(own.url) as redis:
        yield redis
        redis.flushall()


@pytest.fixture
def line(redis):
    def made(node="celery@here"):
        return Line(SimpleNamespace(client=redis), node, clock=ServerClock(), key_prefix="")

    return made


def told(redis):
    """What the fleet knows of each worker."""
    now, lines = redis.time()[0], redis.hgetall(report.KEY)
    found = {node.decode(): report.decode(now, text) for node, text in lines.items()}
    return {node: each for node, each in found.items() if each is not None and each.model}


def test_workers_that_start_under_one_name_get_different_ones(line, redis):
    first, *others = lines = [line() for _ in range(4)]
    name.take(first)
    with ThreadPoolExecutor() as pool:
        taking = [pool.submit(name.take, each) for each in others]
        # Those that have a name live: they write their lines anew, again and again.
        while not all(each.done() for each in taking):
            first.write(READS)
            for each, taken in zip(others, taking, strict=True):
                if taken.done():
                    each.write(READS)
            sleep(0.05)
    nodes = {each.node for each in lines}
    assert nodes == {"celery@here", *(f"celery-{number}@here" for number in (2, 3, 4))}


def test_the_name_of_a_worker_that_is_gone_is_free(line):
    killed, stopped, another = line(), line("other@here"), line("other@here")
    name.take(killed)
    name.take(stopped)
    stopped.remove()
    for node, new in (("celery@here", line()), ("other@here", another)):
        name.take(new)
        assert new.node == node


def test_nobody_writes_over_or_removes_the_line_of_another_that_lives(line, redis):
    first, second = line(), line()
    assert first.write(READS) is None
    assert second.write(Report(2.0, {})) is not None
    second.remove()
    assert told(redis)["celery@here"].rate == 1.0
    first.remove()
    assert not told(redis)
    assert second.write(READS) is None


def test_a_second_worker_of_one_name_is_another_one(own, redis):
    environ = {**NULL, "TILEFLEET_MAX_WAITING": "10"}
    options = ("-c", "1", "-n", "one@here")
    with (
        WorkerProcess(own.url, *options, environ=environ),
        WorkerProcess(own.url, *options, environ=environ) as second,
    ):
        wait_until(lambda: len(told(redis)) == 2)
        assert set(told(redis)) == {"one@here", "one-2@here"}
        fleet = Fleet.read(redis.time()[0], redis.hvals(report.KEY))
        assert (fleet.workers, fleet.bounds[wire.LANE]) == (2, 20)
        assert "Another worker is called one@here: this one is one-2@here" in second.log
    assert not redis.hlen(report.KEY)


def test_workers_without_a_name_get_one_each_and_their_fleet_is_told(own, redis):
    environ = {**NULL, "TILEFLEET_FLEET": "north", "TILEFLEET_MODLE": "x"}
    host = gethostname()
    with (
        another_app(own.url) as app,
        app.people.connection_for_read() as connection,
        WorkerProcess(own.url, "-c", "1", environ=environ) as first,
        WorkerProcess(own.url, "-c", "1", environ=environ) as second,
    ):
        wait_until(lambda: len(told(redis)) == 2)
        assert set(told(redis)) == {f"tilefleet@{host}-1", f"tilefleet@{host}-2"}
        for worker, number in ((first, 1), (second, 2)):
            assert f"tilefleet@{host}-{number} takes captchas" in worker.log
            assert "Another worker" not in worker.log
            assert "did you mean TILEFLEET_MODEL?" in worker.log
        fleets = {}

        def hear(event):
            fleets[event["type"]] = event["fleet"]
            receiver.should_stop = {"worker-heartbeat", "task-succeeded"} <= fleets.keys()

        receiver = app.people.events.Receiver(connection, handlers={"*": hear})
        with Client(own.url) as fleet:
            # Once somebody hears it.
            Timer(1, fleet.submit, [b"any"]).start()
            receiver.capture(limit=None, timeout=20)
        assert set(fleets.values()) == {"north"}


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_only_the_lanes_that_it_reads_count_for_a_worker(own, redis, pool):
    first, bulk = (set(wire.family(lane, ["builtin"])) for lane in wire.LANES)

    def lanes():
        return set(told(redis)["one@here"].bounds)

    with (
        another_app(own.url) as app,
        WorkerProcess(own.url, "-c", "1", "-n", "one@here", "-P", pool, environ=NULL),
    ):
        wait_until(lambda: told(redis) and lanes() == first | bulk)
        # Until it hears: it tells what it reads a moment before.
        wait_until(lambda: app.control.cancel_consumer(wire.LANE, reply=True))
        wait_until(lambda: lanes() == bulk)
        app.control.cancel_consumer(wire.BULK_LANE, reply=True)
        wait_until(lambda: not lanes())
        assert Fleet.read(redis.time()[0], redis.hvals(report.KEY)).workers == 0
        app.control.add_consumer(wire.LANE, reply=True)
        wait_until(lambda: lanes() == first)
        with Client(own.url) as fleet:
            assert fleet.solve(b"any", timeout=20).model == "null"
    with WorkerProcess(
        own.url, "-c", "1", "-n", "one@here", "-Q", "captchas", environ=NULL
    ) as astray:
        wait_until(lambda: told(redis))
        assert not lanes()
        assert "reads no captchas; the lanes are captcha, captcha@builtin, " in astray.log

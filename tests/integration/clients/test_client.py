"""`Client` in programs of every kind: many threads, forked, under gevent, killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from producer import Client, Retries
from producer.client.results.spares import MOST
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, wait_until
from tests.support.running.servers import stopped
from tilefleet import errors

OWN_SERVER = True


@pytest.fixture(scope="module")
def worker(server):
    with WorkerProcess(
        server.url, *STRANGE, "-c", "2", environ={**NULL, "TILEFLEET_MAX_BATCH": "4"}
    ) as worker:
        yield worker


def subscriptions(redis) -> list[bytes]:
    return redis.pubsub_channels("celery-task-meta-*") + redis.pubsub_channels("tilefleet-client*")


def clients(redis) -> set[str]:
    """Who is connected."""
    return {each["id"] for each in redis.client_list()}


def test_many_threads_share_two_connections(server, worker, redis):
    before = clients(redis)
    with Client(server.url) as fleet:
        fleet.solve(b"first", timeout=10)
        with ThreadPoolExecutor(16) as threads:
            images = [b"image %d" % number for number in range(200)]
            answers = list(threads.map(lambda image: fleet.solve(image, timeout=20), images))
            wait_until(lambda: len(clients(redis) - before) == 2)
    assert len(answers) == 200
    wait_until(lambda: not clients(redis) - before and not subscriptions(redis))


def test_map_gives_all_in_order_or_as_they_come(server, worker):
    images = [b"image %d" % number for number in range(100)]
    with Client(server.url) as fleet:
        for bulk in (False, True):
            assert [source for source, _ in fleet.map(images, bulk=bulk)] == images
        loose = [source for source, _ in fleet.map([b"slow", *images[:20]], ordered=False)]
        assert sorted(loose) == sorted([b"slow", *images[:20]])
        assert loose[0] != b"slow"
        with pytest.raises(ValueError, match="window=0"):
            list(fleet.map(images, window=0))


def test_errors_come_in_the_place_of_answers(server, worker, tmp_path):
    missing = tmp_path / "missing.jpg"
    with Client(server.url) as fleet:
        for bulk in (False, True):
            mixed = [b"good", missing, 5, b"good too"]
            outcomes = [outcome for _, outcome in fleet.outcomes(mixed, bulk=bulk)]
            names = [type(outcome).__name__ for outcome in outcomes]
            assert names == ["Answer", "FileNotFoundError", "BadMessage", "Answer"]
            with pytest.raises(FileNotFoundError):
                list(fleet.map(mixed, bulk=bulk))


def test_what_is_cancelled_or_given_up_is_revoked(server, worker, redis):
    with Client(server.url) as fleet:
        with stopped(worker.process.pid):
            pending = fleet.submit(b"not wanted")
            pending.cancel()
            with pytest.raises(errors.Revoked, match=pending.id):
                pending.result(5)
        given_up = fleet.map([b"one", *[b"later %d" % number for number in range(50)]], window=50)
        next(given_up)
        given_up.close()
        with pytest.raises(errors.AnswerTimeout, match=r"within 0\.3 s .* is a worker running"):
            fleet.solve(b"slow", timeout=0.3)
        wait_until(lambda: len(subscriptions(redis)) <= 1 + MOST)


def test_a_closed_client_says_so_and_opens_again(server, worker):
    fleet = Client(server.url)
    pending = fleet.submit(b"slow")
    fleet.close()
    with pytest.raises(errors.FleetUnreachable, match="the client was closed"):
        pending.result(5)
    assert fleet.solve(b"again", timeout=10).picks == (1,)
    fleet.close()


def test_whoever_waits_when_another_thread_closes_the_client_is_told(server, worker):
    fleet = Client(server.url, retries=Retries(5, pause_s=5.0))
    fleet.submit(b"connected")
    loop = fleet._running[1].loop

    def begun() -> bool:
        return any("solve" in str(each) for each in asyncio.all_tasks(loop))

    with ThreadPoolExecutor(1) as thread, stopped(server.pid):
        # It is being sent, which takes as long as the server stands still.
        waiting = thread.submit(fleet.solve, b"any", 20)
        wait_until(begun)
        fleet.close()
        with pytest.raises(errors.FleetUnreachable, match="the client was closed"):
            waiting.result(5)


def test_a_client_that_is_dropped_closes_itself(server, worker, redis):
    before = clients(redis)
    fleet = Client(server.url)
    fleet.solve(b"any", timeout=10)
    del fleet
    wait_until(lambda: not clients(redis) - before)


def test_parent_and_forked_children_each_go_on(server, worker):
    program = """
import os, sys
from producer import Client
from tilefleet.errors import FleetUnreachable
from producer.client.results.spares import MOST
fleet = Client(sys.argv[1])
before = fleet.submit(b"before the fork")
fleet.solve(b"connected", timeout=10)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        try:
            before.result(10)
        except FleetUnreachable:
            # It is the parent's.
            before.cancel()
        images = [b"%d of child %d" % (image, number) for image in range(30)]
        os._exit(0 if len(list(fleet.map(images, timeout=20))) == 30 else 1)
    children.append(child)
assert len(list(fleet.map([b"%d of the parent" % image for image in range(30)], timeout=20))) == 30
assert before.result(10).picks == (1,)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
fleet.close()
"""
    run(program, server.url)


def test_it_works_under_gevent(server, worker):
    pytest.importorskip("gevent")
    program = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from producer import Client
from producer.client.results.spares import MOST
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
gevent.spawn(tick)
with Client(sys.argv[1]) as fleet:
    jobs = [gevent.spawn(fleet.solve, b"greenlet %d" % number, 20) for number in range(50)]
    gevent.joinall(jobs, raise_error=True)
    assert {job.value.picks for job in jobs} == {(1,)}
    assert len(list(fleet.map([b"image %d" % number for number in range(50)], timeout=20))) == 50
    before = len(ticks)
    # Nobody else's: one that is being read already would be answered sooner.
    fleet.solve(b"slow under gevent", timeout=20)
    assert len(ticks) > before + 5, "the others waited"
"""
    run(program, server.url)


def test_a_killed_program_leaves_nothing_but_what_expires(server, worker, redis):
    before = clients(redis)
    program = """
import sys, time
from producer import Client
from producer.client.results.spares import MOST
fleet = Client(sys.argv[1])
pending = [fleet.submit(b"image %d" % number) for number in range(20)]
print("sent", flush=True)
time.sleep(60)
"""
    sender = subprocess.Popen(
        [sys.executable, "-c", program, server.url], stdout=subprocess.PIPE, text=True
    )
    assert sender.stdout is not None
    assert sender.stdout.readline() == "sent\n"
    os.kill(sender.pid, signal.SIGKILL)
    sender.wait()
    sender.stdout.close()
    wait_until(lambda: not clients(redis) - before and not subscriptions(redis))
    time.sleep(0.5)
    results = redis.keys("celery-task-meta-*")
    assert results
    assert all(0 < redis.ttl(key) <= 300 for key in results)


def run(program: str, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", program, url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

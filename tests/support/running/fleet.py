"""Talking to a fleet as others do: what many tests need."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic, sleep

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tilefleet import wire

#: A worker that answers without looking.
NULL = {"TILEFLEET_ENGINE": "null"}
#: Options of a worker whose null engine has whims, and reads one pass at a time.
STRANGE = ("--include", "tests.support.included.strange_engine", "-c", "1")


@dataclass(frozen=True, slots=True)
class NullFleet:
    """A server, one worker that answers without looking, and ways to both."""

    server: EmbeddedServer
    worker: WorkerProcess
    client: Client
    redis: Redis


@contextmanager
def null_fleet() -> Iterator[NullFleet]:
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, environ=NULL) as worker,
        Client(server.url) as client,
        Redis.from_url(server.url) as redis,
    ):
        yield NullFleet(server, worker, client, redis)


class OtherApp(Celery):
    """Sends with a producer's account, where there are any; people look and control with theirs."""

    people: Celery

    @property
    def control(self):
        return self.people.control


@contextmanager
def another_app(url, *, role="producer"):
    """Another application, which knows the tasks by name only; `role`: its account."""
    mine, theirs = accounts.of(role, url), accounts.of("flower", url)
    app = OtherApp("other", broker=mine, backend=mine, set_as_current=False)
    app.people = Celery("people", broker=theirs, backend=theirs, set_as_current=False)
    for each in (app, app.people):
        each.conf.update(
            task_serializer="msgpack",
            accept_content=["msgpack", "json"],
            task_default_queue=wire.LANE,
            result_extended=True,
        )
    # As `celery -A worker control`: it claims nothing, and looks for nothing to put back.
    app.people.conf.broker_transport_options = {"ack_emulation": False}
    try:
        yield app
    finally:
        app.backend.result_consumer.stop()
        app.backend.result_consumer.subscribed_to.clear()
        app.people.close()
        app.close()


def solve(app, image=b"any", **options):
    return app.signature(wire.TASK_SOLVE, (image,), **options)


def ask(app, command):
    """The worker's answer to a command of ``inspect``.

    By its first reply: after one that ran into its timeout, stock kombu loses the next one's.
    """
    (reply,) = app.control.broadcast(command, reply=True, limit=1, timeout=5)
    (answer,) = reply.values()
    return answer


def interruptible(command):
    """The command, with Ctrl-C restored: a suite in the background ignores it, and so its children.

    Not by preexec_fn, which may hang in a process with threads.
    """
    restore = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", restore, *command]


def wait_until(condition, seconds: float = 20.0):
    """What the condition gives as soon as it is something; fails after that many seconds."""
    deadline = monotonic() + seconds
    while True:
        with suppress(RedisError, OSError):
            if value := condition():
                return value
        assert monotonic() < deadline, f"not within {seconds} s"
        sleep(0.02)

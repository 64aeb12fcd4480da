"""Sentry is told of failed captchas, whoever sets it up; never of a picture."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

from producer import Client
from tests.support.running.fleet import NULL, another_app, solve, wait_until
from tests.support.running.posts import posts
from tilefleet import EngineError, NotAnImage, WrongSize
from tilefleet.testing import EmbeddedServer, WorkerProcess

#: In every picture here, behind the few bytes that an error shows.
MARK = b"a secret picture"
PICTURE = bytes(64) + MARK


class Project:
    """Of Sentry: what came."""

    def __init__(self, address: str, bodies: list[bytes]) -> None:
        self.dsn = f"http://key@{address}/1"
        self.bodies = bodies

    @property
    def events(self) -> list[dict]:
        """Events in the envelopes: each item is a line with its type, and a line with itself."""
        lines = [json.loads(line) for body in self.bodies for line in body.split(b"\n") if line]
        pairs = pairwise(lines)
        return [event for header, event in pairs if header.get("type") == "event"]

    def shown_of(self, mark: bytes) -> list[bytes]:
        """Where a picture is shown, with what is around it."""
        return [
            body[max(0, at - 500) : at + 100]
            for body in self.bodies
            for at in [body.find(mark)]
            if at >= 0
        ]

    def kinds(self) -> set[str]:
        return {
            each["type"] for event in self.events for each in event.get("exception", {})["values"]
        }


@contextmanager
def sentry() -> Iterator[Project]:
    bodies: list[bytes] = []

    def take(body: bytes, headers: Message) -> bytes:
        packed = headers["Content-Encoding"] == "gzip"
        bodies.append(gzip.decompress(body) if packed else body)
        return b"{}"

    with posts(take) as address:
        yield Project(address, bodies)


def small() -> bytes:
    """A picture that is no captcha's size."""
    made = BytesIO()
    Image.new("RGB", (8, 8)).save(made, "PNG")
    return made.getvalue() + PICTURE * 1000


def test_a_failed_captcha_is_seen_without_its_picture():
    with sentry() as project, EmbeddedServer() as server:
        environ = {"TILEFLEET_ENGINE": "litert", "SENTRY_DSN": project.dsn}
        with WorkerProcess(server.url, environ=environ), Client(server.url) as fleet:
            pending = fleet.submit(PICTURE)
            with pytest.raises(NotAnImage):
                pending.result(20)
            (event,) = wait_until(lambda: project.events)
            # Of a list, those that failed; not more of a kind at once than of others.
            listed = [outcome for _, outcome in fleet.outcomes([small()] * 2, bulk=True)]
            wait_until(lambda: "WrongSize" in project.kinds())
    assert event["exception"]["values"][0]["type"] == "NotAnImage"
    assert event["tags"] == {"celery_task_id": pending.id, "lane": "captcha"}
    assert event["transaction"] == "worker.solve"
    assert event["level"] == "warning"
    assert {type(each) for each in listed} == {WrongSize}
    assert project.events[1]["tags"]["lane"] == "captcha.bulk"
    assert len(project.events) == 2
    assert project.shown_of(MARK) == []


def test_many_of_a_kind_are_not_told_one_by_one():
    with sentry() as project, EmbeddedServer() as server:
        environ = {"TILEFLEET_ENGINE": "litert", "SENTRY_DSN": project.dsn}
        with WorkerProcess(server.url, environ=environ), Client(server.url) as fleet:
            pictures = [PICTURE + bytes([number]) for number in range(200)]
            outcomes = [outcome for _, outcome in fleet.outcomes(pictures)]
            assert {type(each) for each in outcomes} == {NotAnImage}
            wait_until(lambda: project.events)
    assert len(project.events) < 20


def test_a_program_that_sets_it_up_itself_and_wants_all_gets_no_picture_either():
    with sentry() as project, EmbeddedServer() as server:
        environ = {**NULL, "OWN_DSN": project.dsn}
        options = (
            "--include",
            "tests.support.included.own_sentry,tests.support.included.extra_tasks",
        )
        with (
            WorkerProcess(server.url, *options, environ=environ),
            Client(server.url) as fleet,
            another_app(server.url) as app,
        ):
            with pytest.raises(EngineError):
                fleet.solve(b"break" + PICTURE, timeout=20)
            # Through Celery's own execution, which Sentry's integration watches.
            errback = app.signature("extra.note", queue="captcha")
            sent = solve(app, b"break " + PICTURE).apply_async(link_error=errback)
            with pytest.raises(Exception, match="broken"):
                sent.get(timeout=20)
            wait_until(lambda: {"EngineError", "RuntimeError"} <= project.kinds())
    assert project.shown_of(MARK) == []


def test_a_worker_without_the_library_says_what_to_install():
    script = (
        "import sys; sys.modules['sentry_sdk'] = None\n"
        "from worker.monitoring import sentry; sentry.start(); assert sentry.reporter() is None"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert "pip install 'tilefleet[sentry]'" in done.stderr
    assert done.returncode == 0, done.stderr

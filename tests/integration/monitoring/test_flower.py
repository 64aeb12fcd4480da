"""Flower beside a real worker, started as users start it: what it shows, and to whom."""

import json
import re
from contextlib import closing
from urllib.error import HTTPError
from zlib import crc32

import pytest
from redis import Redis

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running import accounts
from tests.support.running.fleet import NULL, another_app, solve, wait_until
from tests.support.running.flower import Flower, flower
from tilefleet import errors, wire

OWN_SERVER = True


@pytest.fixture(scope="module")
def monitor(server, tmp_path_factory):
    with flower(server.url, tmp_path_factory.mktemp("flower")) as running:
        yield running


@pytest.fixture(scope="module")
def worker(server, monitor):
    with WorkerProcess(server.url, environ=NULL) as worker:
        yield worker


@pytest.fixture
def fleet(server, worker):
    with Client(server.url) as client:
        yield client


def test_nobody_gets_in_without_the_password_that_was_printed_once(monitor):
    assert monitor.log.count(monitor.password) == 1
    for user in ("flower:wrong", "nobody:x", f"x:{monitor.password}"):
        with pytest.raises(HTTPError, match="401"):
            monitor.get("/api/tasks", user=user)
    stranger = Flower(monitor.port, monitor._log)
    for path in ("/api/tasks", "/tasks", "/", "/api/workers"):
        with pytest.raises(HTTPError, match="401"):
            stranger.get(path)


def test_without_a_password_there_are_counts_and_names_of_workers_only(monitor, worker, fleet):
    fleet.solve(b"counted", timeout=20)
    stranger = Flower(monitor.port, monitor._log)
    page = wait_until(
        lambda: (page := stranger.get("/metrics")) and "flower_events_total" in page and page
    )
    labels = set(re.findall(r'(\w+)="', page))
    assert labels <= {"worker", "type", "task", "le", "generation", "version"} | {
        "implementation", "major", "minor", "patchlevel"
    }  # fmt: skip
    assert "sha256" not in page


def test_every_captcha_is_there_with_its_steps_and_without_its_bytes(monitor, fleet):
    good = fleet.submit(b"secret image")
    good.result(20)
    task = wait_until(
        lambda: (found := monitor.tasks().get(good.id)) and found["state"] == "SUCCESS" and found
    )
    assert task["name"] == wire.TASK_SOLVE
    assert re.fullmatch(r"\(<12 bytes, sha256 [0-9a-f]{8}…>\)", task["args"])
    assert "打字机: [1]" in task["result"]
    assert task["received"] <= task["started"] <= task["succeeded"]
    assert 0 <= task["runtime"] < 10
    assert "secret" not in json.dumps(monitor.tasks())
    assert "secret" not in monitor.get(f"/task/{good.id}")


def test_what_failed_is_there_as_failed_with_the_reason(monitor, server, worker):
    with another_app(server.url) as app:
        result = app.send_task(wire.TASK_SOLVE, (), queue=wire.LANE)
        with pytest.raises(errors.BadMessage):
            result.get(timeout=20)
    task = wait_until(
        lambda: (found := monitor.tasks().get(result.id)) and found["state"] == "FAILURE" and found
    )
    assert "BadMessage" in task["exception"]
    assert task["received"] <= task["failed"]


def test_counts_hold_under_load(monitor, server, fleet):
    def counts() -> tuple[int, int]:
        tasks = monitor.tasks(limit=5000).values()
        return (
            sum(task["state"] == "SUCCESS" for task in tasks),
            sum(task["state"] == "FAILURE" for task in tasks),
        )

    succeeded, failed = counts()
    images = [b"%d" % number for number in range(1000)]
    with another_app(server.url) as app:
        bad = [app.send_task(wire.TASK_SOLVE, (), queue=wire.LANE) for _ in range(20)]
        answers = [answer for _, answer in fleet.map(images, window=200)]
        assert len(answers) == 1000
        assert all(answer.picks for answer in answers)
        for result in bad:
            with pytest.raises(errors.BadMessage):
                result.get(timeout=20)
    wait_until(lambda: sum(counts()) >= succeeded + failed + 1020)
    assert counts() == (succeeded + 1000, failed + 20)
    assert all(
        task["started"] and task["runtime"] is not None
        for task in monitor.tasks(limit=5000, state="SUCCESS").values()
    )


def test_workers_and_columns_are_shown(monitor, worker):
    (about,) = wait_until(monitor.workers).values()
    assert about["stats"]["engine_room"]["model"] == "null"
    page = monitor.get("/tasks")
    for column in ("state", "args", "result", "exception", "runtime", "worker"):
        assert f'data-column="{column}"' in page


def test_a_password_that_is_set_is_used_and_not_printed(server, tmp_path):
    secrets_file = tmp_path / "secret"
    secrets_file.write_text("somebody:from-a-file\n")
    with flower(server.url, tmp_path, FLOWER_BASIC_AUTH_FILE=str(secrets_file)) as own:
        assert own.get("/api/workers", user="somebody:from-a-file")
        assert "from-a-file" not in own.log
        assert not own.password
        with pytest.raises(HTTPError, match="401"):
            own.get("/api/workers")


def test_a_sampled_captcha_has_all_of_its_events_and_another_none(server):
    with (
        EmbeddedServer() as own,
        WorkerProcess(own.url, environ={**NULL, "TILEFLEET_EVENTS": "0.25"}),
        another_app(own.url) as app,
    ):
        seen: dict[str, list[str]] = {}

        def note(event) -> None:
            if "uuid" in event:
                seen.setdefault(event["uuid"], []).append(event["type"])

        with app.people.connection() as connection:
            receiver = app.people.events.Receiver(connection, handlers={"*": note})
            with closing(receiver.itercapture(limit=None, timeout=10, wakeup=False)) as capture:
                next(capture)
                results = [solve(app, b"%d" % number).delay() for number in range(400)]
                assert all(result.get(timeout=20) for result in results)
                chosen = {each.id for each in results if crc32(each.id.encode()) < 0.25 * 2**32}
                while sum(map(len, seen.values())) < 3 * len(chosen):
                    next(capture)
                # Those of the other captchas would have come before the worker's next sign of life.
                next(capture)
        assert set(seen) == chosen
        assert set(map(tuple, seen.values())) == {
            ("task-received", "task-started", "task-succeeded")
        }


@pytest.mark.parametrize("prefix", ["", "ours:"])
def test_what_waits_is_counted_over_all_priorities(prefix, tmp_path):
    with (
        EmbeddedServer() as own,
        accounts.prefixed(own, prefix),
        Redis.from_url(own.url) as redis,
    ):
        redis.lpush(f"{prefix}{wire.LANE}", "one", "two")
        redis.lpush(f"{prefix}{wire.LANE}\x06\x169", "three")
        with flower(own.url, tmp_path, TILEFLEET_KEY_PREFIX=prefix) as page:
            waiting = {queue["name"]: queue["messages"] for queue in page.queues()}
        assert (waiting[wire.LANE], waiting[wire.BULK_LANE]) == (3, 0)

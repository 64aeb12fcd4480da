"""The main job, against a real server and a worker process started as users start it."""

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path
from time import monotonic, sleep

import pytest
from celery import Celery
from PIL import Image
from redis import Redis

from models.datasets.truth import truths
from models.engines.reader import Reader
from producer import Answer, Client
from tests.conftest import SAMPLES
from tests.support.running import accounts
from tilefleet import errors, wire
from tilefleet.settings import Settings


def gif(size: tuple[int, int] = (1, 1)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "GIF")
    return file.getvalue()


def test_a_captcha_goes_in_and_its_answer_comes_out(fleet):
    for truth in truths(SAMPLES):
        answer = fleet.solve(truth.path, timeout=20)
        assert answer.picks == truth.picks
        assert tuple(word.label for word in answer.words) == truth.words
        assert answer.model.startswith("builtin@")


def test_a_captcha_may_be_a_path_bytes_or_an_open_file(fleet, sample, tmp_path):
    path = tmp_path / "captcha.jpg"
    path.write_bytes(sample)
    with path.open("rb") as file:
        answers = [fleet.solve(source, timeout=20) for source in (str(path), path, sample, file)]
    assert len({answer.picks for answer in answers}) == 1


def test_an_idle_captcha_is_a_pass_of_its_own(fleet, sample):
    assert [fleet.solve(sample, timeout=20).timing.pass_size for _ in range(5)] == [1] * 5


def test_captchas_of_different_clients_share_a_pass(server, worker, sample):
    clients = [Client(server.url) for _ in range(3)]
    pending = [client.submit(sample) for _ in range(40) for client in clients]
    sizes = Counter(each.result(60).timing.pass_size for each in pending)
    for client in clients:
        client.close()
    assert max(sizes) > 1


def test_the_queue_gives_the_same_picks_as_reading_here(fleet, data_folder):
    reader = Reader(Settings())
    files = sorted((data_folder / "captchas").glob("*.jpg"))
    for file, answer in fleet.map(files, window=16):
        assert answer.picks == reader.read(file.read_bytes()).picks


def test_bad_captchas_get_their_own_error_and_disturb_no_other(fleet, sample):
    bad = {
        b"": errors.NotAnImage,
        b"<html>": errors.NotAnImage,
        gif(): errors.WrongSize,
        gif((292, 190)): errors.WrongSize,
        bytes(3_000_000): errors.TooLarge,
        sample[: len(sample) // 4]: errors.BrokenImage,
    }
    mixed = [image for pair in zip(bad, [sample] * len(bad), strict=True) for image in pair]
    for image, outcome in fleet.outcomes(mixed, window=len(mixed)):
        if image == sample:
            # Identical ones may share a reading; every one gets its answer.
            assert isinstance(outcome, Answer)
        else:
            assert type(outcome) is bad[image]
            assert str(outcome)
    with pytest.raises(errors.WrongSize, match="1×1 pixels"):
        fleet.solve(gif(), timeout=20)


def test_a_twenty_megabyte_file_is_refused_with_its_size(fleet, sample):
    with pytest.raises(errors.TooLarge, match="20000000 bytes"):
        fleet.solve(bytes(20_000_000), timeout=30)
    assert fleet.solve(sample, timeout=20).picks


def test_any_celery_application_can_send_json_by_name(server, worker, sample):
    url = accounts.of("producer", server.url)
    app = Celery("other", broker=url, backend=url, set_as_current=False)
    app.conf.task_serializer = "json"
    answer = app.send_task(wire.TASK_SOLVE, (sample,), queue=wire.LANE).get(timeout=20)
    assert answer["picks"]
    assert len(answer["tiles"]) == 8
    failing = app.send_task(wire.TASK_SOLVE, ("text",), queue=wire.LANE)
    with pytest.raises(errors.BadMessage, match="not as str"):
        failing.get(timeout=20)
    for arguments in ((), (sample, sample)):
        with pytest.raises(errors.BadMessage, match=f"got {len(arguments)}"):
            app.send_task(wire.TASK_SOLVE, arguments, queue=wire.LANE).get(timeout=20)
    app.close()


def other_application(url: str) -> Celery:
    url = accounts.of("producer", url)
    app = Celery("other", broker=url, backend=url, set_as_current=False)
    app.conf.update(task_serializer="msgpack", accept_content=["msgpack", "json"])
    return app


def test_a_list_is_answered_in_order_with_error_objects_in_their_places(server, worker):
    known = truths(SAMPLES)[:6]
    images = [truth.path.read_bytes() for truth in known]
    images[2:2] = [b"no", gif(), "text"]
    app = other_application(server.url)
    results = app.send_task(wire.TASK_SOLVE_MANY, (images,), queue=wire.BULK_LANE).get(timeout=30)
    app.close()
    assert [each["error"]["type"] for each in results[2:5]] == [
        "NotAnImage", "WrongSize", "BadMessage",
    ]  # fmt: skip
    answers = results[:2] + results[5:]
    assert [tuple(answer["picks"]) for answer in answers] == [truth.picks for truth in known]
    assert max(answer["timing"]["pass_size"] for answer in answers) > 1


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ([], "a list of 0 images; 1 to 256"),
        ([b""] * 300, "a list of 300 images; 1 to 256"),
        (b"one", "takes a list of images, not bytes"),
    ],
)
def test_a_list_that_is_none_or_too_long_is_refused(server, worker, argument, message):
    app = other_application(server.url)
    pending = app.send_task(wire.TASK_SOLVE_MANY, (argument,), queue=wire.BULK_LANE)
    with pytest.raises(errors.BadMessage, match=message):
        pending.get(timeout=20)
    app.close()


def test_an_expired_captcha_is_not_read_and_says_so(fleet, sample):
    with pytest.raises(errors.Revoked, match="expired"):
        fleet.submit(sample, expires=-1).result(20)


def test_links_and_chords_get_the_answer(server, worker, sample):
    from celery import chord

    app = other_application(server.url)
    solve = app.signature(wire.TASK_SOLVE, (sample,), queue=wire.LANE)
    # The callback gets a list of answers, which is no image: its error tells what it was given.
    result = chord([solve, solve], app=app)(app.signature(wire.TASK_SOLVE, queue=wire.LANE))
    with pytest.raises(errors.BadMessage, match="not as list"):
        result.get(timeout=20)
    app.close()


def test_nothing_is_left_in_the_queue_and_all_is_acknowledged(server, fleet, sample):
    for _ in range(3):
        fleet.solve(sample, timeout=20)
    with Redis.from_url(server.url) as redis:
        assert redis.llen(wire.LANE) == 0
        deadline = monotonic() + 5
        while redis.hlen("unacked") and monotonic() < deadline:
            sleep(0.01)
        assert redis.hlen("unacked") == 0


def test_the_command_line_answers_files_through_the_queue(server, worker, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no")
    files = [str(path) for path in sorted(SAMPLES.glob("*.jpg"))[:2]]
    done = run_tilefleet("solve", files[0], str(bad), files[1], "--json", url=server.url)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    assert f"{bad}: NotAnImage: 2 bytes" in done.stderr
    done = run_tilefleet("solve", *files, url=server.url)
    assert done.returncode == 0
    assert "picks " in done.stdout


def run_tilefleet(*arguments: str, url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "producer.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "CELERY_BROKER_URL": url, "HOME": str(Path.home())},
    )

"""Tasks of another application in the same worker: ends for links, chains and chords."""

from celery import signals

from tilefleet.errors import BadMessage
from worker.celery import app
from worker.task import Solve


@app.task(name="extra.words")
def words(answer):
    return [word["label"] for word in answer["words"]]


@app.task(name="extra.count")
def count(answers):
    return len(answers)


@app.task(name="extra.note")
def note(request_or_id, *rest):
    """An errback; leaves the failed task's id where a test finds it."""
    failed = getattr(request_or_id, "id", request_or_id)
    app.backend.client.rpush("captcha@noted", str(failed))


@app.task(name="extra.image")
def image(size):
    return bytes(size)


class Retrying(Solve):
    """A captcha that is sent again when its message is bad."""

    name = "extra.retrying"
    autoretry_for = (BadMessage,)
    default_retry_delay = 0
    max_retries = 2


app.register_task(Retrying(), retry_backoff=False)


@app.task(name="extra.seen")
def seen():
    """What the receivers below have seen."""
    return _seen


_seen: dict[str, int] = {}


def connect_receivers() -> None:
    for name in ("task_prerun", "task_postrun", "task_success", "task_failure"):

        def receive(name=name, sender=None, **_):
            if getattr(sender, "name", "") == "worker.solve":
                _seen[name] = _seen.get(name, 0) + 1

        getattr(signals, name).connect(receive, weak=False)

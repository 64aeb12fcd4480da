"""What each shortcut saves: ours beside what Celery, kombu or the standard library do for the same.

    python -m benchmarks.shortcuts [--rounds 5] [--json]

Where ours is not several times as fast, it should go.
"""

import argparse
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from statistics import median
from timeit import Timer
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import hiredis
from celery import Celery
from celery.events.dispatcher import EventDispatcher
from celery.utils.time import maybe_iso8601
from kombu import Connection
from kombu.transport import virtual
from kombu.utils.json import dumps, loads
from redis import Redis

from benchmarks.support import report
from producer.client import message
from producer.gateway import body
from tilefleet import answer, wire
from tilefleet.settings import Settings
from tilefleet.testing import AnswerFactory
from worker import fast_json
from worker.hub.events import SampledDispatcher
from worker.intake import request
from worker.transport.message import Base64, parse

Pair = tuple[Callable[[], object], Callable[[], object]]

_IMAGE = Random(0).randbytes(13_500)
_TIMES = 200


def pairs() -> dict[str, Pair]:
    """What is done → ours and theirs; both give the same."""
    item = message.solve(_IMAGE, lane=wire.LANE, now=0.0, expires=60).item
    text = b64encode(_IMAGE)
    escaped = quote_plus(text).encode()
    result = {"status": "SUCCESS", "result": AnswerFactory().build().encode()}
    moment = datetime.now(UTC).isoformat()
    connection: Any = Redis().connection_pool.make_connection()
    written = fast_json.encode_bytes(result)
    commands: list[Any] = [("SET", "a-key", written, "EX", 300), ("PUBLISH", "a-key", written)]
    ours, theirs = Base64(), virtual.base.Base64()
    readings = AnswerFactory().build().tiles
    return {
        "a body's base64, decoded": (
            lambda: ours.decode(text.decode()),
            lambda: theirs.decode(text),
        ),
        "a message's JSON, read": (lambda: parse(item), lambda: loads(item)),
        "a result's JSON, written": (lambda: fast_json.encode(result), lambda: dumps(result)),
        "an answer's tiles, their probabilities rounded": (
            lambda: answer._encode_readings(readings),
            lambda: [
                {"label": each.label, "confidence": round(each.confidence, 4)} for each in readings
            ],
        ),
        "a result's commands, packed": (
            lambda: b"".join(map(hiredis.pack_command, commands)),
            lambda: connection.pack_commands(commands),
        ),
        "a form's escapes, resolved": (
            lambda: body._unescaped(escaped),
            lambda: unquote_to_bytes(escaped),
        ),
        "an expiry, read": (lambda: request.moment(moment), lambda: maybe_iso8601(moment)),
    }


def events() -> Pair:
    """An event of a task that waits for others."""
    app = Celery("events", broker="memory://", set_as_current=False)
    app.settings = Settings()
    connection = Connection("memory://")

    def sender(kind: type[EventDispatcher]) -> Callable[[], object]:
        dispatcher = kind(connection, app=app, buffer_group=["task"], buffer_limit=10**9)
        fields = {"uuid": "1", "name": wire.TASK_SOLVE, "args": "(<12 bytes>)", "retries": 0}
        return lambda: dispatcher.send("task-received", **fields)

    return sender(SampledDispatcher), sender(EventDispatcher)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for what, both in {**pairs(), "an event of a task, sent": events()}.items():
        ours, theirs = (
            [seconds / _TIMES * 1e6 for seconds in Timer(call).repeat(options.rounds, _TIMES)]
            for call in both
        )
        ratio = median(theirs) / median(ours)
        rows.append([what, report.spread(ours), report.spread(theirs), ratio])
    report.show(
        "Shortcuts",
        ["what", "ours, µs, median (least to most)", "theirs, µs", "theirs / ours"],
        rows,
        caveats=[f"one captcha of {len(_IMAGE):,} bytes, {_TIMES} times a round"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()

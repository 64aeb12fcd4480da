"""Whatever is on the queue: the worker goes on, keeps nothing, and shows no image."""

import base64
import bz2
import json
import random
import re
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import msgpack
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests.fuzz.effort import LONG, fuzz
from tests.fuzz.strategies import SECRET, texts
from tests.support.data.bad_messages import WITH_ID, WITHOUT_ID, message
from tests.support.running.fleet import null_fleet, wait_until
from tilefleet import wire

FUZZ = fuzz(
    120,
    5_000,
    12_000,
    # Not shrunk, which would take a new worker for each try: `Door` names the message at fault.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
LANES = (wire.LANE, "unacked", "unacked_index")


def memory_kb(pid: int, what: str = "VmRSS") -> int:
    with Path(f"/proc/{pid}/status").open() as status:
        return int(next(line.split()[1] for line in status if line.startswith(what)))


class Door:
    """A fleet of one worker that messages are pushed at; a new one after each that broke it."""

    def __init__(self):
        self._open = ExitStack()
        self._fleet = None
        self.pid = 0

    @property
    def fleet(self):
        if self._fleet is None:
            self._fleet = self._open.enter_context(null_fleet())
            self.pid = self._fleet.worker.process.pid
        return self._fleet

    def close(self):
        self._fleet = None
        self._open.close()

    def push(self, *chunk):
        """Then a good captcha; says which message is at fault."""
        if (trouble := self._trouble(*chunk)) is None:
            return
        alone = (text for text in chunk if self._trouble(text) is not None) if chunk[1:] else ()
        pytest.fail(f"{trouble}\nby {next(iter(alone), chunk)!r}")

    def _trouble(self, *chunk) -> str | None:
        fleet = self.fleet
        fleet.redis.lpush(wire.LANE, *chunk)
        trouble = self._waits_for_a_good_one(fleet) or self._keeps_something(fleet)
        if trouble is not None:
            trouble += "\n" + fleet.worker.log[-3000:]
            # It may be stuck, and has nothing that is worth a shutdown in order.
            fleet.worker.process.kill()
            self.close()
        return trouble

    def _waits_for_a_good_one(self, fleet) -> str | None:
        pending = fleet.client.submit(b"a good one", expires=10)
        deadline = monotonic() + 10
        while not pending.ready():
            if fleet.worker.process.poll() is not None:
                return f"the worker ended with {fleet.worker.process.returncode}"
            if monotonic() > deadline:
                return "no answer for a good one within 10 s"
            sleep(0.002)
        assert pending.result().model == "null"
        return None

    def _keeps_something(self, fleet) -> str | None:
        try:
            wait_until(lambda: not fleet.redis.exists(*LANES), 3)
        except AssertionError:
            return f"still there: {[key for key in LANES if fleet.redis.exists(key)]}"
        return None


@pytest.fixture(scope="module")
def door():
    door = Door()
    try:
        yield door
    finally:
        door.close()


def shows(log: str, secret: bytes) -> bool:
    """Whether the log has it in any form: as text, as hex, as base64 from any byte on."""
    forms = [secret.decode(), secret.hex()]
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + secret)
        # Its ends depend on what is beside it.
        forms.append(encoded[4:-4].decode())
    return any(form in log for form in forms)


def check_log(log: str) -> None:
    assert "Unrecoverable" not in log
    assert "connecting anew" not in log
    assert not shows(log, SECRET)


def test_any_message_leaves_the_worker_at_work(door):
    first = door.fleet.worker
    pid = door.pid

    @FUZZ
    @given(st.lists(texts, min_size=1, max_size=8))
    def push(chunk):
        door.push(*chunk)

    push()
    assert door.fleet.worker is first
    assert (first.process.poll(), first.process.pid) == (None, pid)
    check_log(first.log)


# What fuzzing has found ---------------------------------------------------------------------------


def task(*args, kwargs=None, embed=None, **headers) -> str:
    """A message for `worker.solve`, with what a sender by hand might put into it."""
    return message(msgpack.packb([args or (SECRET,), kwargs or {}, embed or {}]), headers=headers)


def plain(**replaced) -> str:
    """A message in whose JSON some places are replaced; None takes them out."""
    fields = json.loads(task())
    fields |= {name.replace("_", "-"): value for name, value in replaced.items()}
    return json.dumps(fields)


def bodied(body, **properties) -> str:
    fields = json.loads(message(**properties))
    return json.dumps({**fields, "body": body})


def first_protocol(**fields) -> str:
    body = {"task": wire.TASK_SOLVE, "id": "an-id", "args": ["x"], "kwargs": {}, **fields}
    text = json.loads(message(json.dumps(body).encode(), kind="application/json"))
    return json.dumps({**text, "headers": {}, "content-encoding": "utf-8"})


def deep(depth: int, name: str) -> str:
    return task(**{name: "@"}).replace('"@"', "[" * depth + "]" * depth)


LINK = {"task": "nothing.here", "args": [], "kwargs": {}, "options": {}}

#: These ended the worker, and after it the next one that got the message.
ENDED_THE_WORKER = {
    "a body that is a number": '{"body": 5, "properties": {}, "headers": {}}',
    "a body that is true": bodied(True, body_encoding=None),
    "a body that is a fraction of an unknown type": bodied(1.5, kind="x/y", body_encoding=None),
    "a broken body and an id that is no text": message(b"\xc1", headers={"id": "\ud800"}),
    "an unknown task and an id that is no text": task(task="nothing.here", id="\ud800"),
}

#: These stayed claimed for as long as the worker lived.
STAYED_CLAIMED = {
    "an id that is no text, and a link": task(embed={"callbacks": [LINK]}, id="\ud800"),
    "a list as shown name": task(b"a", b"b", shadow=["x"]),
    "a time limit that is a number, and a link": task(embed={"callbacks": [LINK]}, timelimit=5),
    "error links that are a number": task(b"a", b"b", embed={"errbacks": 5}),
    "error links that are nothing": task(b"a", b"b", embed={"errbacks": [5, {}]}),
    "a chain of numbers": task(embed={"chain": [5]}),
    "a chain without options": task(embed={"chain": [{"task": "nothing.here"}]}),
    "a chord of a group that is a list": task(embed={"chord": {**LINK, "chord_size": 1}}, group=[]),
    "a chord in a group of a list": task(embed={"chord": {**LINK, "chord_size": 1}}, group=["x"]),
    "an embed with bytes as name": task(embed={SECRET: 1}),
    "stamps that are lists": task(embed={"callbacks": [LINK]}, stamped_headers=[["x"]]),
    "stamps that are a number": task(embed={"callbacks": [LINK]}, stamped_headers=5, stamps=5),
    "a header by a method's name": task(embed={"callbacks": [LINK]}, get=5),
    "a header by a private name": task(embed={"callbacks": [LINK]}, _children=5),
    "error links in the first protocol": first_protocol(errbacks=5, args=[]),
    "a chord in the first protocol": first_protocol(group=["x"], chord={"a": 1}),
    "a task of Celery's, and an id that is no text": task(task="celery.accumulate", id="\ud800"),
    "a task of Celery's, and an id that is a number": task(task="celery.accumulate", id=5),
    "a task of Celery's, and an embed that is a number": message(
        msgpack.packb([[], {}, 5]), headers={"task": "celery.accumulate"}
    ),
    "a task of Celery's, and a list as shown name": task(task="celery.accumulate", shadow=["x"]),
}

#: These were noise in the log, or harmed others' events.
WERE_NOISE = {
    "an id that is no text": task(id="\ud800"),
    "an id that is no text, come back": message(
        headers={"id": "\ud800"}, delivery_info={"redelivered": True}
    ),
    "an id of two lines": message(b"\xc1", headers={"id": "an-id\n[ERROR] forged"}),
    "a list as shown name of a good one": task(shadow=["x"]),
    "headers among the headers": task(embed={"callbacks": [LINK]}, headers=5),
    "deep nesting where a text should be": deep(1000, "root_id"),
}


@pytest.mark.parametrize("text", ENDED_THE_WORKER.values(), ids=ENDED_THE_WORKER)
def test_it_does_not_end_the_worker(door, text):
    door.push(text)


@pytest.mark.parametrize("text", STAYED_CLAIMED.values(), ids=STAYED_CLAIMED)
def test_it_does_not_stay_claimed(door, text):
    door.push(text)


@pytest.mark.parametrize("text", WERE_NOISE.values(), ids=WERE_NOISE)
def test_it_is_one_line_in_the_log(door, text):
    before = len(door.fleet.worker.log)
    door.push(text)
    log = door.fleet.worker.log[before:]
    assert "Traceback" not in log
    assert len(re.findall(r"^\[", log, re.MULTILINE)) <= 1


def test_a_small_message_does_not_become_a_big_one(door):
    """500 MB of zeros in half a kilobyte, by both ways that kombu has."""
    packed = bz2.compress(bytes(70 << 20)) * 7
    pid = door.fleet.worker.process.pid
    before = memory_kb(pid, "VmHWM")
    door.push(message(packed, headers={"compression": "bzip2"}))
    fields = json.loads(message(packed, kind="application/data"))
    door.push(json.dumps({**fields, "content-encoding": "bz2"}))
    assert memory_kb(pid, "VmHWM") < before + 200_000


def test_no_codec_takes_long(door):
    """Decoding punycode takes time by the square of its length."""
    body = b"a" * 250_000 + b"-" + b"9" * 250_000
    fields = json.loads(message(body, kind="application/text"))
    started = monotonic()
    door.push(json.dumps({**fields, "content-encoding": "punycode"}))
    assert monotonic() - started < 2


def test_long_ids_are_not_kept(door):
    """Celery remembers the last thousand ids."""
    before = memory_kb(door.fleet.worker.process.pid)
    for _ in range(30):
        door.push(*(task(id=f"{uuid4()}{'x' * 100_000}") for _ in range(20)))
    assert memory_kb(door.fleet.worker.process.pid) < before + 30_000


# -------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_bad_messages():
    warm, many = (10_000, 100_000) if LONG else (1_000, 5_000)
    chance = random.Random(12306)
    found = [*STAYED_CLAIMED.values(), *ENDED_THE_WORKER.values(), *WERE_NOISE.values()]
    bad = [*(text for text, _ in WITH_ID.values()), *WITHOUT_ID.values(), *found]
    with null_fleet() as fleet:

        def push(count: int) -> int:
            for _ in range(count // 250):
                chunk = chance.choices(bad, k=250)
                # Each of another task, as senders are.
                chunk = [_renamed(text) for text in chunk]
                fleet.redis.lpush(wire.LANE, *chunk)
                assert fleet.client.solve(b"a good one", timeout=30).model == "null"
            wait_until(lambda: not fleet.redis.exists(*LANES), 10)
            return memory_kb(fleet.worker.process.pid)

        before = push(warm)
        # What goes to the pool comes and goes by a quarter; what stays shows by the many.
        assert push(many - warm) < 1.5 * before
        assert fleet.worker.process.poll() is None
        assert "secret" not in fleet.worker.log


def _renamed(text: str | bytes) -> str | bytes:
    return text.replace("an-id", str(uuid4())) if isinstance(text, str) else text

"""A fleet at work while its workers are killed and stopped and its server is restarted.

Seeded: the same seed hurts the same things in the same order; when, depends on the machine.
"""

import json
import random
import re
import signal
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from time import monotonic, sleep

from redis import Redis
from redis.exceptions import RedisError

from producer import Client
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import wait_until
from tests.support.running.servers import FragileServer, stopped
from tilefleet import wire
from tilefleet.errors import FleetUnreachable, Overloaded

_GIVEN_BACK = re.compile(r"(\d+) messages of lost workers are given back")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what."""

    captchas: int
    kills: int
    pauses: int
    restarts: int
    every_s: float
    seed: int = 12306
    producers: int = 3
    workers: int = 2
    lease_s: int = 3
    #: Seconds to wait for the rest once all is sent and nothing is hurt any more.
    patience_s: float = 120.0


@dataclass(slots=True)
class Outcomes:
    """What became of every accepted captcha."""

    accepted: dict[str, list[int]] = field(default_factory=dict)
    refused: int = 0
    answered: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stored: Counter = field(default_factory=Counter)
    redelivered: int = 0
    seconds: float = 0.0

    @property
    def lost(self) -> set[str]:
        return set(self.accepted) - set(self.answered)

    @property
    def twice(self) -> int:
        """Captchas whose result was written more than once."""
        return sum(count > 1 for task_id, count in self.stored.items() if task_id in self.accepted)

    def report(self, plan: Plan) -> str:
        return (
            f"{len(self.accepted)} captchas accepted from {plan.producers} producers in "
            f"{self.seconds:.0f} s, {plan.kills} kills of {plan.workers} workers, {plan.pauses} "
            f"pauses, {plan.restarts} server restarts: {len(self.lost)} lost, {len(self.wrong)} "
            f"wrong, {self.redelivered} redelivered, {self.twice} computed twice, "
            f"{self.refused} sendings refused meanwhile"
        )


class Storm:
    """`run` does all of it."""

    def __init__(self, plan: Plan, images: list[tuple[bytes, list[int]]]) -> None:
        """`images`: pictures and the right picks of each."""
        self._plan = plan
        self._images = images
        self._random = random.Random(plan.seed)
        self._outcomes = Outcomes()
        self._lock = Lock()
        self._all_sent = Event()
        self._over = Event()
        self._environ = {
            "TILEFLEET_LEASE_S": str(plan.lease_s),
            "TILEFLEET_MAX_WAITING": "100",
        }
        self._logs: list[str] = []

    def run(self) -> Outcomes:
        plan, outcomes = self._plan, self._outcomes
        began = monotonic()
        with ExitStack() as stack:
            self._server = stack.enter_context(FragileServer())
            self._workers = [self._new_worker() for _ in range(plan.workers)]
            for worker in self._workers:
                worker.wait_ready()
            threads = [Thread(target=self._collect), Thread(target=self._listen)]
            threads += [Thread(target=self._send, args=(n,)) for n in range(plan.producers)]
            for thread in threads:
                thread.start()
            try:
                self._hurt()
                for thread in threads[2:]:
                    thread.join()
                self._all_sent.set()
                wait_until(lambda: not outcomes.lost, plan.patience_s)
                outcomes.seconds = monotonic() - began
                with Redis.from_url(self._server.url) as redis:
                    wait_until(lambda: self._is_clean(redis), 4 * plan.lease_s + 10)
            finally:
                self._all_sent.set()
                self._over.set()
                for thread in threads:
                    thread.join()
                for worker in self._workers:
                    worker.stop()
                    self._logs.append(worker.log)
        found = (int(count) for log in self._logs for count in _GIVEN_BACK.findall(log))
        outcomes.redelivered = sum(found)
        return outcomes

    def _is_clean(self, redis: Redis) -> bool:
        left = redis.llen(wire.LANE) + redis.hlen("unacked") + redis.zcard("unacked_index")
        return left == 0

    def _new_worker(self) -> WorkerProcess:
        worker = WorkerProcess(self._server.url, "-c", "1", environ=self._environ)
        worker.start()
        return worker

    def _hurt(self) -> None:
        plan = self._plan
        deeds = ["kill"] * plan.kills + ["pause"] * plan.pauses + ["restart"] * plan.restarts
        self._random.shuffle(deeds)
        for deed in deeds:
            sleep(plan.every_s * self._random.uniform(0.5, 1.5))
            victim = self._random.randrange(plan.workers)
            worker = self._workers[victim]
            if deed == "kill":
                worker.process.send_signal(signal.SIGKILL)
                worker.process.wait()
                worker.stop()
                self._logs.append(worker.log)
                self._workers[victim] = self._new_worker()
            elif deed == "pause":
                with stopped(worker.process.pid):
                    sleep(plan.lease_s * self._random.uniform(0.5, 1.5))
            else:
                self._server.kill()
                sleep(0.5)
                self._server.restart()

    def _send(self, producer: int) -> None:
        plan = self._plan
        numbers = range(producer, plan.captchas, plan.producers)
        fleet = Client(self._server.url)
        try:
            for number in numbers:
                image, picks = self._images[number % len(self._images)]
                # Behind the end of the picture, so that each is another one.
                data = image + number.to_bytes(4, "big")
                while True:
                    try:
                        pending = fleet.submit(data, expires=3600)
                        break
                    except (FleetUnreachable, Overloaded):
                        # Not accepted; whether it was sent after all, nobody knows.
                        with self._lock:
                            self._outcomes.refused += 1
                        sleep(0.1)
                with self._lock:
                    self._outcomes.accepted[pending.id] = picks
        finally:
            fleet.close()

    def _collect(self) -> None:
        """Look for results again and again: they do not stay for ever."""
        outcomes = self._outcomes
        with Redis.from_url(self._server.url) as redis:
            while not self._over.is_set():
                sleep(0.3)
                with self._lock:
                    wanted = list(outcomes.lost)
                try:
                    values = redis.mget([f"celery-task-meta-{each}" for each in wanted])
                except RedisError:
                    continue
                for task_id, value in zip(wanted, values, strict=True):
                    if value is not None:
                        self._judge(task_id, json.loads(value))

    def _judge(self, task_id: str, meta: dict) -> None:
        outcomes = self._outcomes
        right = (
            meta["status"] == "SUCCESS" and meta["result"]["picks"] == outcomes.accepted[task_id]
        )
        if not right:
            outcomes.wrong.append(f"{task_id}: {meta['status']} {str(meta['result'])[:200]}")
        outcomes.answered[task_id] += 1

    def _listen(self) -> None:
        """Count how often each result is written; what happens during a restart is not seen."""
        while not self._over.is_set():
            try:
                with Redis.from_url(self._server.url) as redis, redis.pubsub() as pubsub:
                    pubsub.psubscribe("celery-task-meta-*")
                    while not self._over.is_set():
                        message = pubsub.get_message(timeout=0.5)
                        if message and message["type"] == "pmessage":
                            task_id = message["channel"].decode().removeprefix("celery-task-meta-")
                            self._outcomes.stored[task_id] += 1
            except (RedisError, OSError):
                sleep(0.2)

"""The asyncio client's two connections: one sends captchas, on the other their results come.

::

    send ─→ outbox ─→ SUBSCRIBE to the results, wait until that is confirmed ─→ LPUSH, all at once
                                                              results ─→ futures
    connection lost ─→ a pause with jitter ─→ SUBSCRIBE again ─→ GET what came meanwhile

Nothing polls: what waits goes out together as soon as the connection is free.
"""

import asyncio
import json
import os
import random
import ssl
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from models import report
from models.errors import FleetUnreachable
from models.report import Fleet
from producer import message
from producer.gauge import Gauge
from producer.message import Message

#: Most captchas that go out together: some megabytes.
_MOST = 128
#: Attempts to send, and the pauses between them, seconds; each is taken with jitter.
_PAUSES_S = (0.1, 0.3, 0.9)
_LONGEST_PAUSE_S = 2.0
#: Seconds between questions whether the connection lives, and of silence after which it does not.
_ASK_S, _SILENT_S = 5.0, 15.0
_TROUBLE = (RedisError, OSError, asyncio.TimeoutError)


@dataclass(slots=True)
class _Sending:
    message: Message
    #: Done when it is on its queue.
    accepted: "asyncio.Future[None]"


class AsyncWire:
    """Belongs to the event loop that opens it."""

    def __init__(
        self, broker: str, results: str, *, key_prefix: str, sentinel_master: str, name: str
    ) -> None:
        """`name`: how errors call the server: its URL without the password."""
        self.gauge = Gauge()
        self.name = name
        self._prefix = key_prefix
        # As Celery's backend puts a prefix before its keys.
        joint = "_" if key_prefix and key_prefix[-1] not in ":_-." else ""
        self._result_key = f"{key_prefix}{joint}celery-task-meta-"
        self._sender = connect(broker, sentinel_master, socket_timeout=10)
        self._listener = connect(results, sentinel_master, socket_timeout=None)
        self._database = urlsplit(broker).path.strip("/") or "0"
        self._own = f"{key_prefix}tilefleet-client-{uuid4()}"
        self._outbox: deque[_Sending] = deque()
        self._futures: dict[str, asyncio.Future[Any]] = {}
        self._unwanted: list[str] = []
        self._revoked: list[str] = []
        self._missed: list[str] = []
        self._looks: set[str] = set()
        self._unconfirmed: set[str] = set()
        self._work, self._up, self._confirmed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._looked, self._changed = asyncio.Event(), asyncio.Event()
        #: Why the last attempt to connect for results failed; None while there is none.
        self._trouble: Exception | None = None
        self._pubsub: Any = None
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._publish())]

    async def send(self, sending: Message) -> "asyncio.Future[Any]":
        """Put it on its queue; gives the future of what Celery's backend will store.

        Raises FleetUnreachable.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        accepted: asyncio.Future[None] = loop.create_future()
        key = self._result_key + sending.id
        self._futures[key] = future
        self._outbox.append(_Sending(sending, accepted))
        self._work.set()
        try:
            await accepted
        except BaseException:
            self.forget(sending.id)
            raise
        return future

    def forget(self, task_id: str, *, revoke: bool = False) -> None:
        """Nobody waits for it any more; `revoke`: workers are told not to read it."""
        key = self._result_key + task_id
        if self._futures.pop(key, None) is not None:
            self._unwanted.append(key)
        if revoke:
            self._revoked.append(task_id)
        self._work.set()

    def look_soon(self, lane: str) -> None:
        """Have the gauge brought up to date, with the next sending, if it is time."""
        if not self.gauge.is_fresh(lane):
            self._looks.add(lane)
            self._work.set()

    async def look(self, *lanes: str) -> None:
        """Bring the gauge up to date, now; gives up after a moment."""
        self._looked.clear()
        self._looks.update(lanes)
        self._work.set()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._looked.wait(), 1)

    async def close(self) -> None:
        """What was sent is still read and stored."""
        # Again and again: a cancellation that meets a reply is swallowed on its way (bpo-42130).
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=0.5)
        for sending in self._outbox:
            self._fail(sending, "the client was closed")
        for future in self._futures.values():
            if not future.done():
                future.set_exception(FleetUnreachable(f"{self.name}: the client was closed"))
                # Nobody has to ask.
                future.exception()
        self._futures.clear()
        for client in (self._sender, self._listener):
            pool = client.connection_pool
            # Where sentinels said which server it is, they are still connected.
            asked = pool.sentinel_manager.sentinels if hasattr(pool, "sentinel_manager") else ()
            for end in (client.aclose, pool.disconnect, *(each.aclose for each in asked)):
                # Whatever it says: nothing is asked of it any more.
                with suppress(*_TROUBLE, RuntimeError):
                    await end()
        # What transports have left to do.
        await asyncio.sleep(0)

    # Sending -------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._outbox or self._unwanted or self._revoked or self._missed or self._looks:
                batch = [self._outbox.popleft() for _ in range(min(_MOST, len(self._outbox)))]
                await self._publish_with_patience(batch)

    async def _publish_with_patience(self, batch: list[_Sending]) -> None:
        for pause in (*_PAUSES_S, None):
            try:
                await self._publish_once([each for each in batch if not each.accepted.done()])
                return
            except _TROUBLE as error:
                if pause is None:
                    for sending in batch:
                        self._fail(sending, _why(error))
                    return
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def _publish_once(self, batch: list[_Sending]) -> None:
        if batch:
            await self._subscribe([self._result_key + each.message.id for each in batch])
        unwanted, self._unwanted = self._unwanted, []
        if unwanted and self._pubsub is not None:
            await self._pubsub.unsubscribe(*unwanted)
        # Copies: more come while the server is being spoken to.
        revoked, missed, looks = list(self._revoked), list(self._missed), list(self._looks)
        async with self._sender.pipeline(transaction=False) as pipe:
            for each in batch:
                pipe.lpush(self._prefix + each.message.lane, each.message.item)
            for task_id in revoked:
                topic = f"{self._prefix}/{self._database}.celery.pidbox"
                pipe.publish(topic, message.revoke(task_id))
            if missed:
                pipe.mget(missed)
            for lane in looks:
                for key in message.lists(self._prefix + lane):
                    pipe.llen(key)
            if looks:
                pipe.time()
                pipe.hvals(self._prefix + report.KEY)
            replies = await pipe.execute(raise_on_error=False)
        self._revoked, self._missed = self._revoked[len(revoked) :], self._missed[len(missed) :]
        self._looks.difference_update(looks)
        for each, reply in zip(batch, replies, strict=False):
            if isinstance(reply, Exception):
                self._fail(each, str(reply))
            elif not each.accepted.done():
                each.accepted.set_result(None)
        self._read_rest(replies[len(batch) + len(revoked) :], missed, looks)

    def _read_rest(self, replies: list[Any], missed: list[str], looks: list[str]) -> None:
        if any(isinstance(reply, Exception) for reply in replies):
            return
        if missed:
            for key, text in zip(missed, replies.pop(0), strict=True):
                if text is not None:
                    self._resolve(key, text)
        if looks:
            *lengths, now, lines = replies
            steps = len(lengths) // len(looks)
            sums = [sum(lengths[at : at + steps]) for at in range(0, len(lengths), steps)]
            self._looked.set()
            self.gauge.saw(Fleet.read(now[0], lines), dict(zip(looks, sums, strict=True)))

    def _fail(self, sending: _Sending, why: str) -> None:
        if not sending.accepted.done():
            sending.accepted.set_exception(FleetUnreachable(f"{self.name}: {why}"))

    # Results -------------------------------------------------------------------------------------

    async def _subscribe(self, keys: Iterable[str]) -> None:
        """Until the server has confirmed it: a result that is written from now on is heard of."""
        while not self._up.is_set():
            if self._trouble is not None:
                raise self._trouble
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 5)
        self._unconfirmed.update(keys)
        self._confirmed.clear()
        pubsub = self._pubsub
        if pubsub is None:
            raise ConnectionError("the connection on which results come is lost")
        await pubsub.subscribe(*keys)
        await asyncio.wait_for(self._confirmed.wait(), 5)

    async def _listen(self) -> None:
        pause = _PAUSES_S[0]
        while True:
            try:
                async with self._listener.pubsub() as pubsub:
                    known = list(self._futures)
                    self._unconfirmed = {self._own, *known}
                    await pubsub.subscribe(self._own, *known)
                    self._pubsub = pubsub
                    await self._hear_all(pubsub, known)
            except _TROUBLE as trouble:
                self._trouble = trouble
                self._up.clear()
                self._changed.set()
                self._pubsub = None
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _hear_all(self, pubsub: Any, known: list[str]) -> None:
        asking = asyncio.create_task(self._ask(pubsub))
        try:
            async with asyncio.timeout(_SILENT_S) as silence:
                await self._hear_each(pubsub, known, silence)
        except TimeoutError:
            raise ConnectionError("the connection on which results come is dead") from None
        finally:
            asking.cancel()

    async def _ask(self, pubsub: Any) -> None:
        """Whether the connection lives; what is wrong with it, the one that listens will meet."""
        with suppress(*_TROUBLE):
            while True:
                await asyncio.sleep(_ASK_S)
                await pubsub.ping()

    async def _hear_each(self, pubsub: Any, known: list[str], silence: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            # No timeout of its own: setting one for each result would cost more than reading it.
            said = await pubsub.get_message(timeout=None)
            if loop.time() - heard > 1:
                heard = loop.time()
                silence.reschedule(heard + _SILENT_S)
            if said is None:
                continue
            if said["type"] == "subscribe":
                self._unconfirmed.discard(said["channel"].decode())
                if not self._unconfirmed:
                    self._confirmed.set()
                    if not self._up.is_set():
                        # From here on everything is heard; what came before is looked up.
                        self._missed += known
                        self._trouble = None
                        self._up.set()
                        self._changed.set()
                        self._work.set()
            elif said["type"] == "message":
                self._resolve(said["channel"].decode(), said["data"])

    def _resolve(self, key: str, text: bytes) -> None:
        meta = json.loads(text)
        if meta.get("status") not in ("SUCCESS", "FAILURE", "REVOKED"):
            return
        future = self._futures.pop(key, None)
        if future is not None:
            self._unwanted.append(key)
            self._work.set()
            if not future.done():
                future.set_result(meta)


def _why(error: BaseException) -> str:
    """What the system says if it is the system's error: redis-py and asyncio wrap it."""
    begun: BaseException | None = error
    while begun is not None:
        if isinstance(begun, ssl.SSLError):
            # Its number is none of the system's.
            return str(begun)
        if isinstance(begun, OSError) and begun.errno:
            return os.strerror(begun.errno)
        begun = begun.__cause__ or begun.__context__
    return str(error) or type(error).__name__


def connect(url: str, sentinel_master: str, *, socket_timeout: float | None) -> Any:
    """A client with one connection, which is not mended behind our back."""
    options: dict[str, Any] = {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.startswith("sentinel://"):
        nodes = [urlsplit(each) for each in url.split(";")]
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            [(node.hostname, node.port or 26379) for node in nodes], socket_connect_timeout=5
        )
        path = nodes[0].path.strip("/") or "0"
        return sentinel.master_for(sentinel_master, db=int(path), **options)
    url = url.partition(";")[0].replace("redis+socket://", "unix://")
    return Redis(
        connection_pool=BlockingConnectionPool.from_url(
            url, max_connections=1, timeout=20, **options
        )
    )

"""The connection on which results come: a subscription for each captcha that is on its way.

::

    expect ─→ a future ─→ SUBSCRIBE, confirmed ─→ the result is published ─→ the future is done
    connection lost ─→ a pause with jitter ─→ SUBSCRIBE again ─→ `missed`: what came meanwhile

`expected` has the futures. Some are subscribed to before there are captchas for them (`spares`).
Nothing polls. Keys are those of Celery's backend, which publishes a result under the key that it
stores it under. May import what `producer.client` may.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from ..cancelling import check_cancelled, stop
from ..connection import TROUBLE
from .expected import Expected
from .spares import Spares

logger = logging.getLogger(__name__)

#: Before it connects anew; each is taken with jitter.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
#: Seconds between questions whether the connection lives, and of silence after which it does not.
_ASK_S, _SILENT_S = 5.0, 15.0
#: Seconds for which a subscription may be unconfirmed.
_PATIENCE_S = 5.0
#: Seconds for which one that nobody wants any more may wait for others.
_UNTIDY_S = 0.02


class Results:
    """Belongs to the event loop that makes it."""

    def __init__(self, client: Any, *, key_prefix: str, wake: Callable[[], None]) -> None:
        """`client`: of redis-py, with one connection, speaking RESP2 (see `_hear_each`).

        `wake` is called when there is something to `tidy` or to look up.
        """
        #: Keys whose results may have been published while there was no connection.
        self.missed: list[bytes] = []
        self._client = client
        self._wake = wake
        # As Celery's backend puts a prefix before its keys.
        joint = "_" if key_prefix and key_prefix[-1] not in ":_-." else ""
        self._prefix = f"{key_prefix}{joint}celery-task-meta-".encode()
        #: A channel of our own: there is one subscription at least.
        self._own = f"{key_prefix}tilefleet-client-{uuid4()}".encode()
        self._spares = Spares(self._key)
        self._expected = Expected(resolved=self._drop)
        self._unwanted: list[bytes] = []
        #: When `wake` is called for them.
        self._waking: asyncio.TimerHandle | None = None
        self._connection: Any = None
        self._up, self._changed, self._confirmed = (asyncio.Event() for _ in range(3))
        #: The last key that was subscribed to; the server confirms them in their order.
        self._unconfirmed: bytes | None = None
        #: Why the last attempt to connect failed; None while there is none.
        self._trouble: Exception | None = None
        self._task = asyncio.create_task(self._listen())

    def new_id(self) -> str:
        """For a task whose result is going to be expected."""
        return self._spares.take()

    def give_back(self, task_ids: Iterable[str]) -> None:
        """Of `new_id`, for tasks that were not sent."""
        for each in task_ids:
            self._spares.give_back(each)

    def expect(self, task_id: str, expires: float) -> "asyncio.Future[Any]":
        """The future of what Celery's backend will store for a task, which may be begun with within
        so many seconds. A captcha that nobody has told of long after that is given up."""
        return self._expected.add(self._key(task_id), expires)

    def forget(self, task_id: str) -> None:
        """Nobody waits for it any more."""
        key = self._key(task_id)
        if self._expected.take(key) is not None:
            self._spares.use(key)
            self._drop(key)

    @property
    def trouble(self) -> Exception | None:
        """Why the last attempt to connect failed; None once one has not."""
        return self._trouble

    @property
    def is_untidy(self) -> bool:
        """Whether there are subscriptions that nobody has wanted for a while."""
        return bool(self._unwanted) and self._waking is None

    async def tidy(self, task_ids: Sequence[str] = ()) -> None:
        """End what nobody wants; subscribe to the results of these, and have that confirmed.

        A result that is written from then on is heard of. Raises one of `TROUBLE`.
        """
        if task_ids:
            await self._until_up()
        keys = [key for key in map(self._key, task_ids) if not self._spares.use(key)]
        if task_ids and not keys:
            # The rest has time.
            return
        connection, commands = self._connection, []
        unwanted, self._unwanted = self._unwanted, []
        if connection is None:
            # What was unwanted has ended with it.
            if keys:
                raise ConnectionError("the connection on which results come is lost")
            return
        if unwanted:
            commands.append((b"UNSUBSCRIBE", *unwanted))
        if keys:
            self._unconfirmed = keys[-1]
            self._confirmed.clear()
        if subscribed := [*keys, *self._spares.more()]:
            commands.append((b"SUBSCRIBE", *subscribed))
        if commands:
            await _say(connection, *commands)
        if keys:
            async with asyncio.timeout(_PATIENCE_S):
                await self._confirmed.wait()

    def resolve(self, key: bytes, text: bytes) -> None:
        """This is stored under that key."""
        self._expected.resolve(key, text)

    async def leave(self) -> None:
        """Connect anew: the server is a replica by now, where results may not arrive any more."""
        if self._connection is not None:
            await self._connection.disconnect()

    async def close(self, why: str) -> None:
        """What is expected fails with FleetUnreachable."""
        await stop(self._task)
        if self._waking is not None:
            self._waking.cancel()
        self._expected.close(why)

    def _key(self, task_id: str) -> bytes:
        return self._prefix + task_id.encode()

    def _drop(self, key: bytes) -> None:
        """Nobody wants it any more; with others, if they come soon."""
        self._unwanted.append(key)
        if self._waking is None:
            loop = asyncio.get_running_loop()
            self._waking = loop.call_later(_UNTIDY_S, self._wake_now)

    def _wake_now(self) -> None:
        self._waking = None
        self._wake()

    async def _until_up(self) -> None:
        while not self._up.is_set():
            if self._trouble is not None:
                raise self._trouble
            self._changed.clear()
            async with asyncio.timeout(_PATIENCE_S):
                await self._changed.wait()

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            check_cancelled()
            try:
                await self._listen_once()
            except Exception as trouble:
                if not isinstance(trouble, TROUBLE):
                    logger.exception("hearing results failed")
                # Whoever sends next is told.
                self._trouble = trouble
                self._changed.set()
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _listen_once(self) -> None:
        """Until the connection breaks."""
        pool = self._client.connection_pool
        connection = await pool.get_connection()
        asking = asyncio.create_task(_ask(connection))
        try:
            known = self._expected.keys
            self._unwanted.clear()
            self._unconfirmed, self._connection = self._own, connection
            # Its own channel is the last: once it is confirmed, everything before it is. The first
            # goes alone: a server that wants a password says so to short commands only.
            first, *others = [*known, *self._spares.more(), self._own]
            await _say(connection, (b"SUBSCRIBE", first), (b"SUBSCRIBE", *others))
            async with asyncio.timeout(_SILENT_S) as silence:
                await self._hear_each(connection, known, silence)
        finally:
            self._up.clear()
            self._spares.lose()
            self._connection = None
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await connection.disconnect()
            await pool.release(connection)

    async def _hear_each(
        self, connection: Any, known: list[bytes], silence: asyncio.Timeout
    ) -> None:
        """Three things are said for each captcha: subscribed, the result, unsubscribed.

        So they are read off the connection itself, and in the protocol in which they are plain
        lists: redis-py's own way makes a dictionary and looks up a handler for each.
        """
        loop = asyncio.get_running_loop()
        heard = loop.time()
        check_cancelled()
        while True:
            # No timeout of its own: setting one for each would cost more than reading it.
            said = await connection.read_response(disconnect_on_error=False)
            if loop.time() - heard > 1:
                heard = loop.time()
                silence.reschedule(heard + _SILENT_S)
            if said[0] == b"message":
                self.resolve(said[1], said[2])
            elif said[0] == b"subscribe" and said[1] != self._unconfirmed:
                self._spares.confirm(said[1])
            elif said[0] == b"subscribe":
                self._confirmed.set()
                if said[1] == self._own:
                    # From here on everything is heard; what came before is looked up.
                    self.missed += known
                    self._trouble = None
                    self._up.set()
                    self._changed.set()
                    self._wake()


async def _say(connection: Any, *commands: tuple[bytes, ...]) -> None:
    packed = connection.pack_commands(commands)
    await connection.send_packed_command(packed, check_health=False)


async def _ask(connection: Any) -> None:
    """PING every `_ASK_S` seconds: the task that reads meets the error of a dead connection."""
    with suppress(*TROUBLE):
        while True:
            await asyncio.sleep(_ASK_S)
            await _say(connection, (b"PING",))

"""The asyncio client's two connections: one sends captchas, on the other their results come.

::

    send ─→ outbox ─→ subscribed to their results (`producer.client.results`) ─→ LPUSH, all at once

Nothing polls: what waits goes out together as soon as the connection is free. Where the connection
breaks meanwhile, the same goes out again, and is accepted once (`outbox`). `shards` has one of
these for each of several servers. May import what `producer.client` may.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from time import time
from typing import Any

from redis.exceptions import AuthenticationError, ReadOnlyError, ResponseError

from tilefleet import report
from tilefleet.errors import FleetUnreachable
from tilefleet.report import Fleet, ServerClock
from tilefleet.settings import Settings
from tilefleet.urls import are_alike, parse
from tilefleet.urls.hello import is_cluster, refusal

from .. import message
from ..backlog import Backlog
from ..cancelling import check_cancelled, stop
from ..connection import TROUBLE, IsCluster, connect, exchange, why
from ..message import Message
from ..results import Results
from ..retries import Retries
from .outbox import Batch, BodyRefused, Outbox, Sending

logger = logging.getLogger(__name__)

Command = tuple[Any, ...]

#: Seconds in which each connection has to be closed; a server that hangs takes nothing more.
_CLOSED_S = 0.5

#: Seconds that one try may take, and for which the server knows what it accepted after the last.
_TRY_S, _NOTED_S = 20.0, 60.0

#: Seconds of a pause after an error of this program's, which may come again at once.
_CRASHED_S = 0.1

#: Captchas that workers are told of together that nobody waits for them any more.
_REVOKED_TOGETHER = 256


class Transport:
    """Belongs to the event loop that opens it."""

    def __init__(
        self, broker: str, results: str, *, settings: Settings, name: str, retries: Retries
    ) -> None:
        """`settings`: the key prefix, and what they say of sentinels. `name`: how errors call the
        server: its URL without the password. `retries`: of connections that break."""
        self.loop = asyncio.get_running_loop()
        self.backlog = Backlog()
        self.clock = ServerClock()
        #: Whoever writes a list's messages; others have the event loop as long in between.
        self.lists = asyncio.Lock()
        self.name = name
        #: What whoever waits is told once it is closed.
        self._gone = f"{name}: the client was closed"
        self._prefix = settings.key_prefix
        self._retries = retries
        self._pauses = list(retries.pauses(FleetUnreachable))
        tries_s = retries.total_s + _TRY_S * (1 + len(self._pauses))
        self._noted_s = ceil(tries_s + _NOTED_S) if self._pauses else 0
        # A try has its time as a whole: redis-py's would cost a timer for each reply.
        self._sender = connect(broker, settings, socket_timeout=None)
        self._listener = connect(results, settings, socket_timeout=None, protocol=2)
        #: Where results and the fleet's lines are looked up: with the sending, if it is one server.
        self._store = self._sender
        if parse(results) != parse(broker):
            self._store = connect(results, settings, socket_timeout=None)
        #: Whether each sending tells what the time is there: by the clock of where results are.
        self.tells_time = are_alike(results, broker)
        #: Whether this account may store bodies beside their messages, as far as is known.
        self.stores_bodies = True
        self._database = parse(broker)[0].database
        #: Whether the server has been asked what it is.
        self._is_known = False
        self._outbox = Outbox()
        self._revoked: list[str] = []
        self._looks: set[str] = set()
        #: What the server refuses beside captchas, and why.
        self._refused: dict[str, str] = {}
        self._work, self._looked = asyncio.Event(), asyncio.Event()
        self._results = Results(self._listener, key_prefix=settings.key_prefix, wake=self._work.set)
        self._publishing = asyncio.create_task(self._publish())

    async def send(self, messages: Sequence[Message]) -> "list[asyncio.Future[Any]]":
        """Put messages of one lane on their queue; gives the futures of what Celery's backend
        will store for each.

        Raises FleetUnreachable.
        """
        if self._publishing.done():
            raise FleetUnreachable(self._gone)
        futures = [self._results.expect(each.id, each.expires) for each in messages]
        sending = self._put(messages)
        try:
            try:
                await sending.accepted
            except BodyRefused as error:
                # The account is of a version before.
                self.stores_bodies = False
                self._is_refused("the images of lists go in their messages", [error])
                sending = self._put([message.whole(each) for each in messages])
                await sending.accepted
        except BaseException:
            for each in messages:
                self.forget(each.id, revoke=sending.may_be_read)
            raise
        return futures

    def _put(self, messages: Sequence[Message]) -> Sending:
        sending = Sending(messages, asyncio.get_running_loop().create_future())
        self._outbox.add(sending)
        self._work.set()
        return sending

    def new_id(self) -> str:
        """For a task that `send` is going to be given."""
        return self._results.new_id()

    def give_back(self, task_ids: Sequence[str]) -> None:
        """They are not going to be."""
        self._results.give_back(task_ids)

    @property
    def trouble(self) -> Exception | None:
        """What is wrong with the connection that results come on; None: nothing."""
        return self._results.trouble

    def forget(self, task_id: str, *, revoke: bool = False) -> None:
        """Nobody waits for it any more; `revoke`: workers are told not to read it."""
        self._results.forget(task_id)
        if revoke:
            self._revoked.append(task_id)
        self._work.set()

    def look_soon(self, lane: str) -> None:
        """Have the backlog brought up to date, with the next sending, if it is time."""
        if not self.backlog.is_fresh(lane):
            self._looks.add(lane)
            self._work.set()

    async def look(self, *lanes: str) -> None:
        """Bring the backlog up to date, now; gives up after a moment."""
        self._looks.update(lanes)
        self._work.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                # A look that was under way may be of other lanes.
                while not self._looks.isdisjoint(lanes):
                    self._looked.clear()
                    await self._looked.wait()

    async def close(self) -> None:
        """What was sent is still read and stored."""
        await stop(self._publishing)
        for sending in self._outbox:
            sending.fail(self._gone)
        await self._results.close(self._gone)
        for client in {self._sender, self._store, self._listener}:
            pool = client.connection_pool
            # The manager of sentinels has connections of its own.
            asked = pool.sentinel_manager.sentinels if hasattr(pool, "sentinel_manager") else ()
            for end in (client.aclose, pool.disconnect, *(each.aclose for each in asked)):
                # Errors of a connection that is closed do not matter.
                with suppress(*TROUBLE, RuntimeError):
                    async with asyncio.timeout(_CLOSED_S):
                        await end()
        # asyncio's transports have callbacks left, of their closing.
        await asyncio.sleep(0)

    async def _publish(self) -> None:
        results = self._results
        while True:
            check_cancelled()
            await self._work.wait()
            self._work.clear()
            while (
                self._outbox or results.is_untidy or results.missed or self._revoked or self._looks
            ):
                batch = self._next()
                try:
                    await self._publish_with_patience(batch)
                except asyncio.CancelledError:
                    batch.fail("the client was closed")
                    raise
                except Exception as error:
                    logger.exception("sending to %s failed", self.name)
                    batch.crash(error)
                    await asyncio.sleep(_CRASHED_S)
                check_cancelled()

    def _next(self) -> Batch:
        sendings = self._outbox.take()
        return Batch(sendings, name=self.name, key_prefix=self._prefix, noted_s=self._noted_s)

    async def _publish_with_patience(self, batch: Batch) -> None:
        # A server hangs up on what is too large for it; others do not wait while that is repeated.
        pauses = self._pauses[:1] if batch.is_heavy else self._pauses
        for attempt, pause in enumerate((*pauses, None)):
            try:
                async with asyncio.timeout(_TRY_S):
                    await self._publish_once(batch, again=attempt > 0)
                return
            except TROUBLE as error:
                if isinstance(error, ReadOnlyError):
                    await self._results.leave()
                # What nobody waits for any more holds up no others.
                if pause is None or batch.is_given_up:
                    batch.fail(why(error))
                    return
                await asyncio.sleep(self._retries.jittered(pause))

    async def _publish_once(self, batch: Batch, *, again: bool) -> None:
        results = self._results
        await self._refuse_cluster()
        await results.tidy(batch.ids)
        if batch and again:
            await batch.push_again(self._sender)
        # Copies: more come while the server is being spoken to.
        revoked, missed, looks = list(self._revoked), list(results.missed), list(self._looks)
        if not (batch or revoked or missed or looks):
            return
        pushes = batch.push() if batch else []
        times = [("TIME",)] if pushes and self.tells_time else []
        lengths = [("LLEN", key) for lane in looks for key in message.lists(self._prefix + lane)]
        elsewhere = self._look_up(missed, looks)
        here: list[Command] = []
        if self._store is self._sender:
            here, elsewhere = elsewhere, []
        asked = time()
        pushed, published, waiting, found, told = await _ask(
            self._sender, pushes, self._revocations(revoked), lengths, here, times
        )
        for now in told:
            self._read_time(now, asked)
        self._revoked = self._revoked[len(revoked) :]
        if pushed:
            batch.take(pushed)
        if elsewhere:
            asked = time()
            (found,) = await _ask(self._store, elsewhere)
        results.missed = results.missed[len(missed) :]
        self._looks.difference_update(looks)
        self._is_refused("captchas that nobody wants are read", published)
        if missed:
            self._read_missed(missed, found[0])
        if looks:
            self._read_time(found[-2], asked)
            self._read_look(looks, waiting, found[-2:])

    async def _refuse_cluster(self) -> None:
        """Before the first messages; raises redis-py's error for what is of no use."""
        if self._is_known:
            return
        with suppress(AuthenticationError, ResponseError):
            # Whom it does not let in learns why from the first message.
            if is_cluster(await self._sender.execute_command("HELLO")):
                raise IsCluster(refusal(self.name))
            self._is_known = True

    def _revocations(self, task_ids: list[str]) -> list[Command]:
        """What tells workers that nobody wants these, some together."""
        topic = f"{self._prefix}/{self._database}.celery.pidbox"
        return [
            ("PUBLISH", topic, message.revoke(*task_ids[at : at + _REVOKED_TOGETHER]))
            for at in range(0, len(task_ids), _REVOKED_TOGETHER)
        ]

    def _look_up(self, missed: list[bytes], looks: list[str]) -> list[Command]:
        """What asks for results that were missed, and for what the workers tell."""
        commands: list[Command] = [("MGET", *missed)] if missed else []
        if looks:
            commands += [("TIME",), ("HVALS", self._prefix + report.KEY)]
        return commands

    def _read_time(self, reply: Any, asked: float) -> None:
        """To TIME, which was asked then."""
        if not isinstance(reply, Exception):
            seconds, microseconds = map(int, reply)
            self.clock.saw(seconds + microseconds / 1e6, asked=asked, answered=time())

    def _read_missed(self, missed: list[bytes], found: Any) -> None:
        if not self._is_refused("results that came meanwhile are not had", [found]):
            for key, text in zip(missed, found, strict=True):
                if text is not None:
                    self._results.resolve(key, text)

    def _read_look(self, looks: list[str], lengths: list[Any], found: list[Any]) -> None:
        """`lengths`: of each list of each lane. `found`: the time, and the workers' lines."""
        self._looked.set()
        if self._is_refused("how much may wait is not known", [*lengths, *found]):
            return
        now, lines = found
        steps = len(lengths) // len(looks)
        sums = [sum(lengths[at : at + steps]) for at in range(0, len(lengths), steps)]
        self.backlog.saw(Fleet.read(int(now[0]), lines), dict(zip(looks, sums, strict=True)))
        for each in self._outbox:  # Counted as sent, and not on the server yet.
            self.backlog.sent(each.lane, len(each.messages))

    def _is_refused(self, what: str, replies: Sequence[Any]) -> bool:
        """Whether an error is among them; it is said once what comes of it."""
        why = next((str(each) for each in replies if isinstance(each, Exception)), "")
        if why and self._refused.get(what) != why:
            self._refused[what] = why
            logger.warning("%s: %s: %s", self.name, what, why)
        return bool(why)


async def _ask(client: Any, *parts: list[Command]) -> list[list[Any]]:
    """The replies to each part, all of which are asked at once."""
    replies = iter(await exchange(client, [command for part in parts for command in part]))
    return [[next(replies) for _ in part] for part in parts]

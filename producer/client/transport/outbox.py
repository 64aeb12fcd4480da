"""What goes out together over the connection that sends; accepted once, however often it is tried.

Where it may be tried again, the transaction that puts messages on their queues also leaves a note.
A try whose reply is lost may have been heard: the next one looks for the note first, and watches
that none comes meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any

from redis.exceptions import NoPermissionError, ReadOnlyError, WatchError

from tilefleet import wire
from tilefleet.errors import FleetUnreachable

from ..connection import leave_replica
from ..message import Message

#: In front of a note's name.
NOTE = "tilefleet-accepted-"

#: Bytes of a message above which it goes out alone, as one does whose body is beside it; a captcha
#: has a tenth.
_HEAVY_BYTES = 512 << 10
#: Bytes of a message above which smaller ones do not wait for it; a captcha has a third.
_LARGE_BYTES = 64 << 10
#: Captchas after which no more join those that go out together: some megabytes.
_MOST = 128

#: Seconds that a body stays after its message has expired: then nobody begins with it any more.
_BODY_S = 60


class BodyRefused(FleetUnreachable):
    """The account may not store bodies beside their messages; what it may otherwise is not said."""


@dataclass(slots=True)
class Sending:
    """Messages of one lane, which are accepted together or not at all."""

    messages: Sequence[Message]
    #: Done when they are on their queue.
    accepted: "asyncio.Future[None]"
    #: Whether they have begun to go out.
    begun: bool = False

    @property
    def lane(self) -> str:
        return self.messages[0].lane

    @property
    def may_be_read(self) -> bool:
        """Whether they may be on their queue, of one that nobody waits for any more."""
        done = self.accepted
        return self.begun and (done.cancelled() or (done.done() and done.exception() is None))

    @property
    def is_heavy(self) -> bool:
        return any(each.body or len(each.item) > _HEAVY_BYTES for each in self.messages)

    @property
    def is_large(self) -> bool:
        return any(each.body or len(each.item) > _LARGE_BYTES for each in self.messages)

    @property
    def size(self) -> int:
        """Bytes, with the bodies that are beside."""
        return sum(len(each.item) + len(each.body) for each in self.messages)

    def accept(self) -> None:
        if not self.accepted.done():
            self.accepted.set_result(None)

    def fail(self, why: str) -> None:
        self.crash(FleetUnreachable(why))

    def crash(self, error: Exception) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(error)


class Outbox:
    """What waits to go out: small messages in their order, and large ones in theirs."""

    def __init__(self) -> None:
        self._small, self._large = deque[Sending](), deque[Sending]()
        self._was_large = False

    def __bool__(self) -> bool:
        return bool(self._small or self._large)

    def __iter__(self) -> Iterator[Sending]:
        return chain(self._small, self._large)

    def add(self, sending: Sending) -> None:
        (self._large if sending.is_large else self._small).append(sending)

    def take(self) -> list[Sending]:
        """What goes out together next: small ones, and large ones in turns with them, of which
        together there are no more bytes than one alone may have; what is heavy alone, so that it
        fails alone."""
        self._was_large = bool(self._large) and not (self._small and self._was_large)
        queue = self._large if self._was_large else self._small
        taken: list[Sending] = []
        left, room = _MOST, _HEAVY_BYTES
        while queue and left > 0 and room > 0 and not (taken and queue[0].is_heavy):
            taken.append(queue.popleft())
            taken[-1].begun = True
            left -= len(taken[-1].messages)
            if self._was_large:
                room -= taken[-1].size
        return taken


class Batch:
    """What goes out together."""

    def __init__(
        self, sendings: Sequence[Sending], *, name: str, key_prefix: str, noted_s: int
    ) -> None:
        """`name`: how errors call the server. `noted_s`: seconds for which the note stays; 0: it is
        sent once, and leaves none."""
        self._sendings = sendings
        self._name = name
        self._prefix = key_prefix
        # No other batch has that message.
        self._note = f"{key_prefix}{NOTE}{sendings[0].messages[0].id}" if sendings else ""
        self._noted_s = noted_s
        #: Those of the last push, in the order of its commands.
        self._lanes: list[str] = []
        #: Whether the last push was a transaction.
        self._whole = False

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return bool(self._sendings) and not self._left

    @property
    def is_heavy(self) -> bool:
        return bool(self._sendings) and self._sendings[0].is_heavy

    @property
    def ids(self) -> list[str]:
        return [one.id for each in self._left for one in each.messages]

    def fail(self, why: str) -> None:
        for each in self._left:
            each.fail(f"{self._name}: {why}")

    def crash(self, error: Exception) -> None:
        """With an error of this program's, which is no matter of the server."""
        for each in self._left:
            each.crash(error)

    def push(self) -> list[tuple[Any, ...]]:
        """The commands that send it; their replies are for `take`."""
        commands = self._commands()
        # No message without its body, either.
        self._whole = len(commands) > len(self._lanes)
        return [("MULTI",), *commands, ("EXEC",)] if self._whole else commands

    async def push_again(self, client: Any) -> None:
        """Unless it is there already; raises one of `connection.TROUBLE`."""
        async with client.pipeline(transaction=True) as pipe:
            await pipe.watch(self._note)
            if await pipe.exists(self._note):
                self._accept()
                return
            pipe.multi()
            for command in self._commands():
                pipe.execute_command(*command)
            try:
                said = await pipe.execute(raise_on_error=False)
            except WatchError:
                # The try before has arrived.
                self._accept()
            except ReadOnlyError as error:
                await leave_replica(client, error)
                # redis-py tells the command, too.
                raise ReadOnlyError(str(error).rpartition("caused error: ")[2]) from None
            else:
                self._take_each(said)

    def take(self, replies: Sequence[Any]) -> None:
        """What the server said to `push`."""
        if not self._whole:
            self._take_each(replies)
            return
        wrong = next((each for each in replies if isinstance(each, Exception)), None)
        if isinstance(wrong, NoPermissionError) and self._bodies():
            self.crash(BodyRefused(str(wrong)))
            return
        if wrong is not None:
            # One command that is refused refuses all.
            self.fail(str(wrong))
            return
        # To its EXEC.
        self._take_each(replies[-1])

    def _take_each(self, replies: Sequence[Any]) -> None:
        """What it said to each of `_commands`; of a transaction, once it has been let in."""
        pushes = replies[len(replies) - len(self._lanes) :]
        refused = {
            lane: str(each)
            for lane, each in zip(self._lanes, pushes, strict=True)
            if isinstance(each, Exception)
        }
        for each in self._left:
            if each.lane in refused:
                each.fail(f"{self._name}: {refused[each.lane]}")
        self._accept()

    def _accept(self) -> None:
        for each in self._left:
            each.accept()

    @property
    def _left(self) -> list[Sending]:
        """Those for which somebody waits."""
        return [each for each in self._sendings if not each.accepted.done()]

    def _commands(self) -> list[tuple[Any, ...]]:
        """The note, if there is one, and bodies that are beside, then a push for each lane."""
        lanes: dict[str, list[bytes]] = {}
        for each in self._left:
            lanes.setdefault(each.lane, []).extend(one.item for one in each.messages)
        self._lanes = list(lanes)
        pushes = [("LPUSH", self._prefix + lane, *items) for lane, items in lanes.items()]
        note = [("SET", self._note, "", "EX", self._noted_s)] if self._noted_s else []
        return [*note, *self._bodies(), *pushes]

    def _bodies(self) -> list[tuple[Any, ...]]:
        messages = [one for each in self._left for one in each.messages if one.body]
        return [
            (
                *("SET", self._prefix + wire.body_key(one.id), one.body),
                *("EX", max(1, ceil(one.expires)) + _BODY_S),
            )
            for one in messages
        ]

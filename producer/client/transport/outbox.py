"""What goes out together over the connection that sends; accepted once, however often it is tried.

The transaction that puts messages on their queues also leaves a note. A try whose reply is lost may
have been heard: the next one looks for the note first, and watches that none comes meanwhile.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis.exceptions import WatchError

from tilefleet.errors import FleetUnreachable

from ..message import Message

#: In front of a note's name.
NOTE = "tilefleet-accepted-"

#: Bytes of a message above which it goes out alone; a captcha has a tenth.
_HEAVY_BYTES = 512 << 10


@dataclass(slots=True)
class Sending:
    """Messages of one lane, which are accepted together or not at all."""

    messages: Sequence[Message]
    #: Done when they are on their queue.
    accepted: "asyncio.Future[None]"

    @property
    def lane(self) -> str:
        return self.messages[0].lane

    @property
    def is_heavy(self) -> bool:
        return any(len(each.item) > _HEAVY_BYTES for each in self.messages)

    def accept(self) -> None:
        if not self.accepted.done():
            self.accepted.set_result(None)

    def fail(self, why: str) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(FleetUnreachable(why))


class Batch:
    """What goes out together."""

    def __init__(
        self, sendings: Sequence[Sending], *, name: str, key_prefix: str, noted_s: int
    ) -> None:
        """`name`: how errors call the server. `noted_s`: seconds for which the note stays."""
        self._sendings = sendings
        self._name = name
        self._prefix = key_prefix
        self._note = f"{key_prefix}{NOTE}{uuid4()}"
        self._noted_s = noted_s
        #: Those of the last push, in the order of its commands.
        self._lanes: list[str] = []

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

    def push(self, pipe: Any) -> int:
        """Add the transaction to a pipeline; gives how many replies there will be for `take`."""
        commands = [("MULTI",), *self._commands(), ("EXEC",)]
        for command in commands:
            pipe.execute_command(*command)
        return len(commands)

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
            else:
                self.take([said])

    def take(self, replies: Sequence[Any]) -> None:
        """What the server said to `push`; last of all, to its EXEC."""
        wrong = next((each for each in replies if isinstance(each, Exception)), None)
        if wrong is not None:
            # One command that is refused refuses all.
            self.fail(str(wrong))
            return
        _, *said = replies[-1]
        refused = {
            lane: str(each)
            for lane, each in zip(self._lanes, said, strict=True)
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
        """The note, then a push for each lane."""
        lanes: dict[str, list[bytes]] = {}
        for each in self._left:
            lanes.setdefault(each.lane, []).extend(one.item for one in each.messages)
        self._lanes = list(lanes)
        pushes = [("LPUSH", self._prefix + lane, *items) for lane, items in lanes.items()]
        return [("SET", self._note, "", "EX", self._noted_s), *pushes]

"""A fake fleet's transport: a message goes in, what a worker would store for it comes out."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgpack
import orjson
import pybase64

from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import FleetUnreachable, Overloaded
from tilefleet.report import ServerClock

from ..client.backlog import Backlog
from ..client.message import Message
from ..client.retries import Retries
from ..client.transport import Transport
from .script import Reply, Script


class _Backlog(Backlog):
    """Looked at before every captcha: a look costs nothing, and the script may have changed."""

    def needs_look(self, lane: str, count: int = 1) -> bool:
        return True


class FakeTransport(Transport):
    """Speaks to a script; everything that touches a server is replaced."""

    def __init__(self, script: Script, retries: Retries) -> None:
        self.loop = asyncio.get_running_loop()
        self.backlog: Backlog = _Backlog()
        self.clock = ServerClock()
        self.tells_time = self.stores_bodies = True
        self.lists = asyncio.Lock()
        self.name = "a fake fleet"
        self._script = script
        self._retries = retries
        self._expected: dict[str, asyncio.Future[Any]] = {}

    async def send(self, messages: Sequence[Message]) -> "list[asyncio.Future[Any]]":
        """As a fleet that begins at once with what it is sent."""
        arguments = [_argument(each.item) for each in messages]
        images = [image for each in arguments for image in _images(each)]
        # Those of one call are on one lane.
        model = wire.model_of(messages[0].lane) if messages else ""
        for pause in (*self._retries.pauses(FleetUnreachable), None):
            refusal = self._refusal(images)
            if refusal is None:
                break
            if pause is None or isinstance(refusal, Overloaded):
                raise refusal
            await asyncio.sleep(self._retries.jittered(pause))
        self._script.received += images
        self._script.named += [model] * len(images)
        return [
            self._begin(each.id, argument, model)
            for each, argument in zip(messages, arguments, strict=True)
        ]

    def new_id(self) -> str:
        return str(uuid4())

    def give_back(self, task_ids: Sequence[str]) -> None:
        """There are as many as are wanted."""

    @property
    def trouble(self) -> None:
        """There is nothing that could break."""
        return None

    def _refusal(self, images: Sequence[bytes]) -> FleetUnreachable | Overloaded | None:
        """What keeps them from being sent, if anything does."""
        for image in images:
            reply, _ = self._script.reply(image)
            if isinstance(reply, FleetUnreachable | Overloaded):
                return reply
        return None

    def forget(self, task_id: str, *, revoke: bool = False) -> None:
        if self._expected.pop(task_id, None) is not None and revoke:
            self._script.revoked.append(task_id)

    def look_soon(self, lane: str) -> None:
        self._see(lane)

    async def look(self, *lanes: str) -> None:
        self._see(*lanes)

    async def close(self) -> None:
        for future in self._expected.values():
            if not future.done():
                future.set_exception(FleetUnreachable(f"{self.name}: the client was closed"))
                # Nobody has to ask.
                future.exception()
        self._expected.clear()

    def _see(self, *lanes: str) -> None:
        self.backlog.saw(self._script.seen(lanes), dict.fromkeys(lanes, self._script.waiting))

    def _begin(
        self, task_id: str, argument: bytes | list[bytes], model: str
    ) -> "asyncio.Future[Any]":
        future = self._expected[task_id] = self.loop.create_future()
        replies = [self._script.reply(image, model) for image in _images(argument)]
        if isinstance(argument, list):
            result = [_encode(reply) for reply, _ in replies]
            meta: dict[str, Any] = {"status": "SUCCESS", "result": result}
        else:
            meta = _meta(replies[0][0])
        self.loop.call_later(max(delay for _, delay in replies), self._finish, task_id, meta)
        return future

    def _finish(self, task_id: str, meta: dict[str, Any]) -> None:
        future = self._expected.pop(task_id, None)
        if future is not None and not future.done():
            future.set_result(meta)


def _argument(item: bytes) -> Any:
    """The one argument of a message's task: an image, or a list of them."""
    (argument,), _, _ = msgpack.unpackb(pybase64.b64decode(orjson.loads(item)["body"]))
    return argument


def _images(argument: bytes | list[bytes]) -> list[bytes]:
    return argument if isinstance(argument, list) else [argument]


def _meta(reply: Reply) -> dict[str, Any]:
    """What Celery's backend stores for one captcha."""
    if isinstance(reply, Answer):
        return {"status": "SUCCESS", "result": reply.encode()}
    failure = {"exc_type": type(reply).__name__, "exc_message": [str(reply)]}
    return {"status": "FAILURE", "result": failure}


def _encode(reply: Reply) -> dict[str, Any]:
    return reply.encode() if isinstance(reply, Answer) else wire.encode_error(reply)

"""``Idempotency-Key``: a request that is sent again gets the reply that the first one had.

As draft-ietf-httpapi-idempotency-key-header has it: the client chooses the key, and sends the same
one with each try of the same request. Replies are in the store, so that gateways share them.

::

    begin ─→ None: it is new, and noted ─→ `keep` its reply, or `forget` that it was begun
          ─→ the reply that is kept      409: it is being read      422: other pictures had this key
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from producer.client.connection import leave_replica
from producer.gateway.openapi import KEPT_S, LONGEST_S
from tilefleet.errors import BadMessage, FleetUnreachable

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
#: In front of a request's name: what was replied to it.
_KEY = "tilefleet-idempotent-"
#: Seconds for which a reply may be on its way.
_BEGUN_S = int(LONGEST_S) + 15
_MOST_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Reply:
    """What was replied: status, type, contents."""

    status: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Try:
    """One request with a key: where its reply is kept, and what it asks for."""

    name: str
    asked: str


class Replies:
    """The replies to all requests with a key."""

    def __init__(self, connection: Any, *, key_prefix: str) -> None:
        """`connection`: an asyncio client of the server."""
        self._store = connection
        self._prefix = key_prefix + _KEY
        self._forgetting: set[asyncio.Task[None]] = set()

    async def begin(
        self, key: str, *, owner: str, asked: str, timeout: float
    ) -> tuple[Try, Reply | None]:
        """Note that this is being read, unless it was before.

        `owner`: whose key it is. `asked`: what tells requests apart. Raises BadMessage for what is
        no key, 409, 422, FleetUnreachable.
        """
        key = key.strip().strip('"')
        if not (0 < len(key) <= _MOST_CHARACTERS and key.isascii() and key.isprintable()):
            raise BadMessage(
                f"{HEADER} has {len(key)} characters; 1 to {_MOST_CHARACTERS} of ASCII are accepted"
            )
        name = self._prefix + sha256(f"{owner}\0{key}".encode()).hexdigest()
        begun = orjson.dumps({"asked": asked, "status": 0, "kind": ""})
        try:
            async with asyncio.timeout(timeout), self._store.pipeline(transaction=False) as pipe:
                pipe.set(name, begun, nx=True, ex=_BEGUN_S)
                pipe.get(name)
                is_new, found = await pipe.execute()
        except (RedisError, OSError) as error:
            await leave_replica(self._store, error)
            raise FleetUnreachable(f"no idempotency keys: {type(error).__name__}") from None
        if is_new:
            return Try(name, asked), None
        # Gone since: it is over for another try.
        head, _, body = (found or begun).partition(b"\n")
        was = orjson.loads(head)
        if was["asked"] != asked:
            raise HTTPException(422, f"{HEADER}: another request had this one; take a new one")
        if not was["status"]:
            raise HTTPException(
                409, f"{HEADER}: this request is being read already", {"Retry-After": "1"}
            )
        return Try(name, asked), Reply(was["status"], was["kind"], body)

    async def keep(self, this: Try, reply: Reply) -> None:
        """Give this to whoever asks again; if it cannot be kept, they are read again."""
        head = orjson.dumps({"asked": this.asked, "status": reply.status, "kind": reply.kind})
        try:
            await self._store.set(this.name, head + b"\n" + reply.body, ex=KEPT_S)
        except (RedisError, OSError):
            self.forget(this)

    def forget(self, this: Try) -> None:
        """It came to nothing: who asks again is read. Not waited for, as nobody may be there."""
        task = asyncio.create_task(self._forget(this.name))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, name: str) -> None:
        try:
            await self._store.delete(name)
        except (RedisError, OSError):
            # It ends by itself.
            return


def asked(what: str, pictures: Sequence[bytes | Exception]) -> str:
    """What tells requests apart: the path and form of the reply, and what was sent."""
    hashed = sha256(what.encode())
    for each in pictures:
        part = each if isinstance(each, bytes) else repr(each).encode()
        hashed.update(len(part).to_bytes(8))
        hashed.update(part)
    return hashed.hexdigest()

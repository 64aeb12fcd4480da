"""A worker's line in the fleet's hash (`tilefleet.report`): written under its node's name alone."""

from dataclasses import replace
from time import time
from typing import Any
from uuid import uuid4

from redis.exceptions import ReadOnlyError

from tilefleet import report
from tilefleet.report import Report, ServerClock
from worker.results.exchange import leave_replica


class Line:
    """One process's. Its methods raise what redis-py raises."""

    def __init__(
        self,
        backend: Any,
        node: str,
        *,
        clock: ServerClock,
        key_prefix: str,
        fetches: bool = False,
    ) -> None:
        """`backend`: Celery's for Redis. `clock` is set by the server's at each writing. `fetches`:
        whether this worker does, bodies that are beside their messages."""
        self.node = node
        self._backend = backend
        self._clock = clock
        self._key = key_prefix + report.KEY
        self._process = uuid4().hex
        self._fetches = fetches

    def write(self, told: Report, *, over: bytes = b"") -> bytes | None:
        """Tell it; gives the line of another worker that has the name, if there is one.

        `over`: a line that was left by a worker that is gone.
        """
        text = replace(told, process=self._process, fetches=self._fetches).encode()
        asked = time()
        reply = self._run(report.WRITE, self.node, text, self._process, over)
        seconds, microseconds, *held = reply
        now = int(seconds) + int(microseconds) / 1e6
        self._clock.saw(now, asked=asked, answered=time())
        return held[0] if held else None

    def remove(self) -> None:
        """This worker is not counted on any more."""
        self._run(report.REMOVE, self.node, self._process)

    def all(self) -> dict[str, bytes]:
        """Every worker's, by its node's name."""
        lines = self._backend.client.hgetall(self._key)
        return {node.decode(errors="replace"): line for node, line in lines.items()}

    def hang_up(self) -> None:
        """Close the connections: processes that are forked now must not share them."""
        self._backend.client.connection_pool.disconnect()

    def _run(self, script: str, *arguments: Any) -> Any:
        client = self._backend.client
        try:
            return client.execute_command("EVAL", script, 1, self._key, *arguments)
        except ReadOnlyError as error:
            # Once a second, and so for all that this process stores.
            leave_replica(client, error)
            raise

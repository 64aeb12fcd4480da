"""A captcha on its way, and what becomes of it."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from tilefleet.answer import Answer
from tilefleet.errors import AnswerTimeout, FleetError, Revoked, TilefleetError

from . import message
from .arguments import seconds
from .message import Message
from .transport import Transport

Outcome = Answer | TilefleetError | OSError

#: Seconds to wait for an answer, unless the caller says otherwise.
TIMEOUT_S = 30.0

#: Seconds by which clocks may differ for what happens at the same moment.
_SAME_S = 0.5


class AsyncPending:
    """A captcha on its way."""

    def __init__(
        self, sent: Message, future: "asyncio.Future[Any]", line: Transport, *, expires: float
    ) -> None:
        #: Celery's task id: for ``AsyncResult``, Flower and ``inspect``.
        self.id = sent.id
        #: Whether its body is beside its message.
        self.beside = bool(sent.body)
        self._future = future
        self._wire = line
        self._expires_at = monotonic() + expires

    def ready(self) -> bool:
        """Whether `result` would return or raise at once."""
        return self._future.done()

    async def result(self, timeout: float = TIMEOUT_S) -> Answer:
        """Wait up to `timeout` seconds for the answer; may be asked again.

        Raises AnswerTimeout, Revoked, FleetUnreachable if the client was closed, or what the
        worker found: BadRequest, EngineError. What expires as the wait ends is an AnswerTimeout.
        """
        timeout = seconds(timeout, "timeout")
        ends = monotonic() + timeout
        await self._wait(timeout)
        try:
            return self.answer()
        except Revoked as error:
            raise self._told_late(error, timeout, ends) from None

    def answer(self) -> Answer:
        """The answer of one that is ready; raises as `result`."""
        result = self._outcome()
        assert isinstance(result, dict)
        return Answer.decode(result)

    def cancel(self) -> None:
        """Nobody wants it any more: workers that have not begun with it will not read it."""
        self._drop()

    def outcome(self, timeout: float) -> Outcome:
        """The answer or the error, where all that is known is that `timeout` seconds are over; what
        is not answered then is cancelled."""
        try:
            if not self._future.done():
                raise self._given_up(timeout)
            return self.answer()
        except Revoked as error:
            return self._told_late(error, timeout, self._expires_at)
        except TilefleetError as error:
            return error

    def outcomes(self, timeout: float) -> list[Outcome]:
        """The same of a list of captchas; raises what it failed with as a whole."""
        if not self._future.done():
            raise self._given_up(timeout)
        try:
            results = self._outcome()
        except Revoked as error:
            raise self._told_late(error, timeout, self._expires_at) from None
        assert isinstance(results, list)
        return [message.answer(result) for result in results]

    def _outcome(self) -> Any:
        if self._future.cancelled():
            raise Revoked(f"{self.id}: cancelled by its sender")
        return message.outcome(self._future.result())

    async def _wait(self, timeout: float) -> None:
        await wait_for([self], timeout)
        if not self._future.done():
            raise self._too_late(timeout)

    def _told_late(self, error: Revoked, timeout: float, ends: float) -> FleetError:
        """The same error whichever comes first: the end of the wait, or a worker's word that the
        captcha has expired with it."""
        both = max(ends, self._expires_at) - _SAME_S
        return error if self._future.cancelled() or monotonic() < both else self._too_late(timeout)

    def _given_up(self, timeout: float) -> AnswerTimeout:
        """The error for it, which its trace is told, too."""
        error = self._too_late(timeout)
        # Not this one: its traceback would keep the future that keeps it.
        self._drop(AnswerTimeout(*error.args))
        return error

    def _drop(self, why: AnswerTimeout | None = None) -> None:
        if not self._future.done():
            self._wire.forget(self.id, revoke=True)
            self._future.cancel(why)

    def _too_late(self, timeout: float) -> AnswerTimeout:
        fate = "it has expired" if monotonic() > self._expires_at else "it may still be answered"
        return AnswerTimeout(
            f"no answer within {timeout:g} s from {self._wire.name} ({fate}): "
            "is a worker running? Start one with: tilefleet worker"
        )


async def wait_for(pending: Sequence[AsyncPending], timeout: float) -> None:
    """Until all of them are ready, or `timeout` seconds are over."""
    await asyncio.wait([each._future for each in pending], timeout=timeout)

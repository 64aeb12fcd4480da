"""The client: captchas in, answers out, over the queue.

It is the asyncio client with an event loop in a thread of its own: two connections for all threads
of a program, whatever is on its way. Errors are those of `tilefleet.errors`; what a worker found
wrong with a picture is raised here as the same class.
"""

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Lock
from typing import Self, TypeVar

from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import FleetUnreachable

from .arguments import addresses, seconds
from .asynchronous import AsyncClient
from .loop_thread import Background
from .pending import TIMEOUT_S, AsyncPending, Outcome
from .retries import Retries
from .source import Source, read, read_all
from .window import Window, group_size

S = TypeVar("S", bound=Source)


class Pending:
    """A captcha on its way."""

    def __init__(self, pending: AsyncPending, background: Background) -> None:
        self._pending = pending
        self._background = background

    @property
    def id(self) -> str:
        """Celery's task id: for ``AsyncResult``, Flower and ``inspect``."""
        return self._pending.id

    def ready(self) -> bool:
        """Whether `result` would return or raise at once."""
        return self._pending.ready()

    def result(self, timeout: float = TIMEOUT_S) -> Answer:
        """Wait up to `timeout` seconds for the answer; may be asked again.

        Raises AnswerTimeout, Revoked, FleetUnreachable if the client was closed, or what the
        worker found: BadRequest, EngineError.
        """
        timeout = seconds(timeout, "timeout")
        if not self._pending.ready():
            return self._background.wait(self._pending.result(timeout))
        return self._pending.answer()

    def cancel(self) -> None:
        """Revoke it: workers that have not begun with it will not read it."""
        self._background.call(self._pending.cancel)


class Client:
    """One program's way to the fleet; may be used from several threads.

    After a fork, parent and child each have connections of their own; what the parent had on its
    way stays the parent's.
    """

    def __init__(
        self,
        broker_url: str | None = None,
        result_backend: str | None = None,
        *,
        retries: Retries | int | None = None,
        shards: Sequence[str] = (),
    ) -> None:
        """Connects at the first captcha, to the arguments, else to what the settings say.

        `retries`: how often sending is tried again, over a connection that breaks or when the fleet
        has too much to do; None: a connection is mended three times, a refusal raised at once.
        `shards`: URLs of several servers, each with workers and results of its own. Raises
        SettingError.
        """
        self._urls, self._shards = (broker_url, result_backend), addresses(shards)
        self._retries = Retries.of(retries)
        #: By process: a thread that is not there in a forked child may have had it.
        self._locks: dict[int, Lock] = {}
        self._running: tuple[int, Background, AsyncClient] | None = None
        # A wrong setting is an error here, not at the first captcha.
        self._connect()

    def solve(
        self, source: Source, timeout: float = TIMEOUT_S, *, model: str | None = None
    ) -> Answer:
        """Send one captcha and wait for its answer.

        It expires with the wait: a worker does not read what nobody waits for. Raises what
        `submit` and `Pending.result` raise.
        """
        data = read(source)
        background, client = self._open()
        return background.wait(client.solve(data, timeout, model=model))

    def submit(
        self,
        source: Source,
        *,
        expires: float = wire.EXPIRES_S,
        bulk: bool = False,
        model: str | None = None,
    ) -> Pending:
        """Send one captcha; it is not read any more after `expires` seconds.

        `bulk` captchas are read when no others wait. `model`: the name of the one that reads; None:
        each worker's default. Raises OSError for a file that cannot be read, BadMessage for what
        cannot be an image, TooLarge, Overloaded, UnknownModel, FleetUnreachable.
        """
        data = read(source)
        background, client = self._open()
        sending = client.submit(data, expires=expires, bulk=bulk, model=model)
        return Pending(background.wait(sending), background)

    def map(
        self,
        sources: Iterable[S],
        *,
        window: int = 64,
        timeout: float = TIMEOUT_S,
        bulk: bool = False,
        ordered: bool = True,
        model: str | None = None,
    ) -> Iterator[tuple[S, Answer]]:
        """Send many, keeping up to `window` on the way; gives (source, answer).

        In the order of the sources, or as the answers come. `bulk`: when no others wait, many in
        one message. Raises at the first captcha that fails, as `solve` does; `outcomes` goes on.
        """
        for source, outcome in self.outcomes(
            sources, window=window, timeout=timeout, bulk=bulk, ordered=ordered, model=model
        ):
            if isinstance(outcome, Exception):
                raise outcome
            yield source, outcome

    def outcomes(
        self,
        sources: Iterable[S],
        *,
        window: int = 64,
        timeout: float = TIMEOUT_S,
        bulk: bool = False,
        ordered: bool = True,
        model: str | None = None,
    ) -> Iterator[tuple[S, Outcome]]:
        """`map` that gives a captcha's error in the place of its answer, and goes on.

        Only FleetUnreachable is raised: it is not this captcha's fault, and the next would meet
        it too. What is on its way when the iteration is given up is revoked.
        """
        timeout = seconds(timeout, "timeout")
        background, client = self._open()
        on_the_way: Window[S, Future[list[Outcome]]] = Window(
            sources,
            window,
            together=group_size(window, bulk=bulk, ordered=ordered),
            ordered=ordered,
        )

        def send(group: list[S]) -> Future[list[Outcome]]:
            answers = client.answer_all(read_all(group), timeout=timeout, bulk=bulk, model=model)
            return background.start(answers)

        try:
            while on_the_way.fill(send):
                if futures := on_the_way.awaited():
                    wait(futures, return_when=FIRST_COMPLETED)
                group, future = on_the_way.take()
                outcomes: list[Outcome] = background.result(future)
                for source, outcome in zip(group, outcomes, strict=True):
                    if isinstance(outcome, FleetUnreachable):
                        raise outcome
                    yield source, outcome
        finally:
            for future in on_the_way.left():
                future.cancel()

    def close(self) -> None:
        """Close the connections; what was submitted is still read and stored."""
        with self._lock():
            running, self._running = self._running, None
        if running is not None and running[0] == os.getpid():
            _close(*running)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> tuple[Background, AsyncClient]:
        """This process's loop and client: a forked child has neither the parent's thread, nor may
        it use its connections."""
        with self._lock():
            if self._running is None or self._running[0] != os.getpid():
                self._running = (os.getpid(), Background(), self._connect())
                # A client that is dropped without being closed closes itself.
                weakref.finalize(self, _close, *self._running).atexit = False
            return self._running[1:]

    def _lock(self) -> Lock:
        return self._locks.setdefault(os.getpid(), Lock())

    def _connect(self) -> AsyncClient:
        return AsyncClient(*self._urls, retries=self._retries, shards=self._shards)


def _close(process: int, background: Background, client: AsyncClient) -> None:
    if process == os.getpid() and not background.loop.is_closed():
        background.end(client.close())

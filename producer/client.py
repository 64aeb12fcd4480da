"""The client: captchas in, answers out, over the queue.

Errors are those of `models.errors`; what a worker found wrong with a picture is raised here as
the same class.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Self, TypeVar

from celery import Celery
from celery.exceptions import TaskRevokedError
from celery.exceptions import TimeoutError as CeleryTimeout
from celery.result import AsyncResult
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from models import wire
from models.answer import Answer
from models.errors import AnswerTimeout, EngineError, FleetUnreachable, Revoked, TilefleetError
from models.settings import Settings, without_password
from producer.load import Load
from producer.source import Source, describe, read

S = TypeVar("S", bound=Source)

#: Seconds to wait for an answer, unless the caller says otherwise.
TIMEOUT_S = 30.0

#: A server that is away is an error after a moment, not a hang: three attempts, about a second.
_RETRY = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}


class _Result(AsyncResult):
    """Celery's, but the unsubscription at its end is no noise when the server has gone."""

    def __del__(self) -> None:
        with suppress(Exception):
            super().__del__()


class Pending:
    """A captcha on its way."""

    def __init__(self, result: AsyncResult, *, server: str, expires: float) -> None:
        self._result = result
        self._server = server
        self._expires_at = monotonic() + expires

    @property
    def id(self) -> str:
        """Celery's task id: for ``AsyncResult``, Flower and ``inspect``."""
        return str(self._result.id)

    def ready(self) -> bool:
        """Whether `result` would return or raise at once; raises FleetUnreachable."""
        try:
            return bool(self._result.ready())
        except (RedisError, OSError, RuntimeError) as error:
            raise FleetUnreachable(f"{self._server}: {_reason(error)}") from None

    def result(self, timeout: float = TIMEOUT_S) -> Answer:
        """Wait up to `timeout` seconds for the answer.

        Raises AnswerTimeout, Revoked, FleetUnreachable, or what the worker found: BadRequest,
        EngineError.
        """
        try:
            encoded = self._result.get(timeout=timeout)
        except CeleryTimeout:
            raise self._no_answer(timeout) from None
        except TaskRevokedError as error:
            raise Revoked(f"{self.id}: {error}") from None
        except TilefleetError:
            raise
        except (RedisError, OSError, RuntimeError) as error:
            raise FleetUnreachable(f"{self._server}: {_reason(error)}") from None
        except Exception as error:
            raise EngineError(f"the worker failed on {self.id}: {error!r}") from error
        return Answer.decode(encoded)

    def _no_answer(self, timeout: float) -> AnswerTimeout:
        fate = "it has expired" if monotonic() > self._expires_at else "it may still be answered"
        return AnswerTimeout(
            f"no answer within {timeout:g} s from {self._server} ({fate}): "
            "is a worker running? Start one with: celery -A worker worker"
        )


class Client:
    """One program's way to the fleet; may be used from several threads.

    Make it after forking: the connections belong to the process that made them.
    """

    def __init__(self, broker_url: str | None = None, result_backend: str | None = None) -> None:
        """Connects at the first captcha, to the arguments, else to what the settings say.

        Raises SettingError.
        """
        settings = Settings.from_environ()
        broker = broker_url or settings.broker_url
        backend = result_backend or (broker if broker_url else settings.result_backend)
        self._server = without_password(broker)
        self._app = Celery(
            "tilefleet-producer", broker=broker, backend=backend, set_as_current=False
        )
        shared = wire.celery_settings(
            sentinel_master=settings.sentinel_master, key_prefix=settings.key_prefix
        )
        shared["result_backend_transport_options"]["retry_policy"] = _RETRY
        self._app.conf.update(
            **shared,
            broker_connection_timeout=5,
            task_publish_retry_policy=_RETRY,
            redis_socket_connect_timeout=5,
        )
        self._load = Load(self._app, key_prefix=settings.key_prefix)

    def solve(self, source: Source, timeout: float = TIMEOUT_S) -> Answer:
        """Send one captcha and wait for its answer.

        It expires with the wait: a worker does not read what nobody waits for. Raises what
        `submit` and `Pending.result` raise.
        """
        return self.submit(source, expires=timeout).result(timeout)

    def submit(
        self, source: Source, *, expires: float = wire.EXPIRES_S, bulk: bool = False
    ) -> Pending:
        """Send one captcha; it is not read any more after `expires` seconds.

        `bulk` captchas are read when no others wait. Raises OSError for a file that cannot be
        read, BadMessage for what cannot be an image, Overloaded, FleetUnreachable.
        """
        data = read(source)
        lane = wire.BULK_LANE if bulk else wire.LANE
        try:
            self._load.check(lane)
            result = self._app.send_task(
                wire.TASK_SOLVE,
                (data,),
                result_cls=partial(_Result, app=self._app),
                queue=lane,
                expires=expires,
                argsrepr=describe(data),
                kwargsrepr="{}",
            )
            self._load.sent(lane)
        except (OperationalError, RedisError, OSError, RuntimeError) as error:
            raise FleetUnreachable(f"{self._server}: {_reason(error)}") from None
        return Pending(result, server=self._server, expires=expires)

    def map(
        self,
        sources: Iterable[S],
        *,
        window: int = 64,
        timeout: float = TIMEOUT_S,
        bulk: bool = False,
    ) -> Iterator[tuple[S, Answer]]:
        """Send many, keeping up to `window` on the way; gives (source, answer) in order.

        Raises at the first captcha that fails, as `solve` does; `outcomes` goes on.
        """
        for source, outcome in self.outcomes(sources, window=window, timeout=timeout, bulk=bulk):
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
    ) -> Iterator[tuple[S, Answer | TilefleetError | OSError]]:
        """`map` that gives a captcha's error in the place of its answer, and goes on."""
        if window < 1:
            raise ValueError(f"window is {window}; at least 1 captcha has to be on its way")
        waiting: deque[tuple[S, Pending | TilefleetError | OSError]] = deque()
        for source in sources:
            waiting.append((source, self._submit_outcome(source, timeout, bulk)))
            if len(waiting) >= window:
                yield _outcome(*waiting.popleft(), timeout)
        while waiting:
            yield _outcome(*waiting.popleft(), timeout)

    def close(self) -> None:
        """Close the connections; what was submitted is still read and stored."""
        # Backends that are asked again and again have none.
        consumer = getattr(self._app.backend, "result_consumer", None)
        if consumer is not None:
            consumer.stop()
            # Results that are dropped later would connect again to unsubscribe.
            consumer.subscribed_to.clear()
        self._app.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit_outcome(
        self, source: Source, timeout: float, bulk: bool
    ) -> Pending | TilefleetError | OSError:
        try:
            return self.submit(source, expires=timeout, bulk=bulk)
        except FleetUnreachable:
            # Not this captcha's fault, and the next one would meet it too.
            raise
        except (TilefleetError, OSError) as error:
            return error


def _outcome(
    source: S, pending: Pending | TilefleetError | OSError, timeout: float
) -> tuple[S, Answer | TilefleetError | OSError]:
    if not isinstance(pending, Pending):
        return source, pending
    try:
        return source, pending.result(timeout)
    except FleetUnreachable:
        raise
    except TilefleetError as error:
        return source, error


def _reason(error: BaseException) -> str:
    """The first line of what began it: Celery and kombu wrap the server's or socket's error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or repr(error)).splitlines()[0]

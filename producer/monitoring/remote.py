"""What a sender may tell workers, and hear from them, by Celery's remote control."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic, sleep
from typing import Any

from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from producer.client.connection import connect_now, why
from producer.monitoring.celery_app import application, living
from producer.monitoring.deadline import within
from tilefleet.errors import AnswerTimeout, FleetError, FleetUnreachable, did_you_mean
from tilefleet.settings import Settings
from tilefleet.urls import without_password

#: Seconds to wait for a reply; a worker that hangs is one that says nothing.
_REPLY_S = 3.0
#: Seconds for a connection to be given back.
_RELEASE_S = 1.0
#: Seconds between looks at what the workers do.
LOOK_S = 0.1


class Remote:
    """Remote control of the workers that live; for one thread."""

    def __init__(self, settings: Settings, *, timeout: float = 5.0) -> None:
        """`timeout`: seconds that each question may take, beside waiting for replies."""
        self._timeout = timeout
        self._server = without_password(settings.broker_url)
        self._settings = settings
        self._app = application("tilefleet-remote", settings)
        self._store = connect_now(settings.result_backend, settings)
        self._connection: Connection | None = None

    def workers(self) -> list[str]:
        """Node names of those that told that they live; raises FleetUnreachable."""
        with self._reaching():
            look = partial(living, self._store, self._settings)
            return list(within(self._timeout, look, server=self._server))

    def ask(self, command: str, workers: Sequence[str], **arguments: Any) -> dict[str, Any]:
        """Each worker's reply, by its name; those that say nothing are left out."""
        if not workers:
            return {}
        with self._reaching():
            broadcast = partial(
                self._app.control.broadcast,
                command,
                arguments=arguments,
                destination=list(workers),
                reply=True,
                timeout=_REPLY_S,
                connection=self._connect(),
            )
            replies = within(_REPLY_S + self._timeout, broadcast, server=self._server)
        answers = {node: answer for reply in replies or [] for node, answer in reply.items()}
        if len(answers) < len(workers):
            # What comes too late would be taken for the next reply, or make it be lost.
            self._disconnect()
        return answers

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_write()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(FleetUnreachable, OperationalError, RedisError, OSError):
                within(_RELEASE_S, connection.release, server=self._server)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, RedisError, OSError) as error:
            self._disconnect()
            raise FleetUnreachable(f"{self._server}: {why(error)}") from None
        except FleetUnreachable:
            self._disconnect()
            raise


def use_model(
    remote: Remote,
    name: str,
    *,
    workers: Sequence[str] = (),
    timeout: float,
    say: Callable[[str, dict[str, Any]], None],
) -> None:
    """Have workers, or all of them, read with the model called `name`.

    `say` gets each worker's name and what `worker.engine_room.switch` tells of it, once it is done
    or has failed. Raises FleetError if no worker lives, one of those named does not, or one has not
    finished within `timeout` seconds.
    """
    alive = remote.workers()
    if missing := sorted(set(workers) - set(alive)):
        raise FleetError(
            f"no worker called {', '.join(missing)}; there are: {', '.join(alive) or 'none'}"
            f"{did_you_mean(missing[0], alive)}"
        )
    waited_for = list(workers) or alive
    if not waited_for:
        raise FleetError("no worker is running: start one with tilefleet worker")
    ends = monotonic() + timeout
    replies = remote.ask("use_model", waited_for, name=name)
    for node in list(waited_for):
        reply = replies.get(node, {"error": f"it said nothing within {_REPLY_S:g} s"})
        if "error" in reply:
            waited_for.remove(node)
            say(node, {"state": "failed", "why": reply["error"]})
    while waited_for and monotonic() < ends:
        # Before the first question, too: loading takes about as long, and each question takes time
        # of the worker's hub thread.
        sleep(LOOK_S)
        for node, progress in remote.ask("model", waited_for).items():
            if progress.get("state") in ("done", "failed"):
                waited_for.remove(node)
                say(node, progress)
    if waited_for:
        raise AnswerTimeout(
            f"not finished after {timeout:g} s: {', '.join(waited_for)}; "
            "ask again with celery -A worker inspect model"
        )

"""What is called by name: ``worker.solve`` and ``worker.solve_many``.

In a worker on threads a task's body does not run for a plain captcha: `worker.intake.strategy`
hands it to the engine room. The body runs in every other case: with an outcome that the engine room
has found already (when there are links, chords or signal receivers to serve), and, where there is
no engine room (eager mode, other pools), by reading the captchas itself.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from time import sleep
from typing import Any, Final

from celery import Task
from redis.exceptions import RedisError

from tilefleet import wire
from tilefleet.errors import BadMessage, BadRequest, TilefleetError, UnknownModel
from worker.celery import app
from worker.engine_room.job import Outcome
from worker.results.attempts import Attempts
from worker.results.exchange import leave_replica

logger = logging.getLogger(__name__)

#: Seconds between two tries of a store that is away.
_PAUSE_S: Final = 1.0


class CaptchaTask(Task):
    """What both tasks share; a subclass says what its argument and its result are."""

    abstract = True
    Strategy = "worker.intake.strategy:strategy"
    Request = "worker.intake.request:CaptchaRequest"
    #: A bad image is the sender's matter: logged in a line, without a traceback.
    throws = (BadRequest,)
    typing = False
    #: Whether argument and result are lists.
    many = False

    def images(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[object]:
        """The images in the message, not checked yet; raises BadMessage."""
        arguments = [*args, *kwargs.values()]
        if len(arguments) != 1:
            raise BadMessage(f"{self.name} takes one argument; got {len(arguments)}")
        return arguments

    def describe(self, result: Any) -> str:
        """A result in Flower and in logs: words and picks."""
        words = " ".join(word["label"] for word in result["words"])
        return f"{words}: {result['picks']}"

    def run(self, *args: Any, **kwargs: Any) -> Any:
        outcome: Outcome | None = self.request.get("outcome")
        if outcome is None:
            return self.read(self.images(args, kwargs))
        # Celery takes what it does not know for the sender's own headers, and a retry sends these.
        self.request.headers.pop("outcome", None)
        if outcome.error is not None:
            # A fresh one: the request must not hold what holds, by its traceback, the request
            # and its image.
            raise type(outcome.error)(*outcome.error.args)
        return outcome.result

    @property
    def _model(self) -> str:
        """The name of the one that the message is for; raises UnknownModel."""
        held = app.settings.models
        name = wire.model_of((self.request.delivery_info or {}).get("routing_key"))
        if name and name not in held:
            raise UnknownModel.of(name, held)
        return name or held[0]

    def read(self, images: list[object]) -> Any:
        """Read in this process, without an engine room."""
        (image,) = images
        return self.read_one(image, 0)

    def read_one(self, image: object, number: int) -> dict[str, Any]:
        """Read one of the images; raises TilefleetError, GivenUp for what ends processes."""
        came_back = (self.request.delivery_info or {}).get("redelivered")
        if came_back:
            _attempts().begin(self.request.id, number)
        try:
            answer: dict[str, Any] = _reader(self._model).read(image).encode()
            return answer
        finally:
            if came_back:
                _attempts().end(self.request.id, number)


class Solve(CaptchaTask):
    """Read one captcha: image bytes in, the answer as a JSON object out."""

    name = wire.TASK_SOLVE


class SolveMany(CaptchaTask):
    """Read a list of captchas: answers, or error objects, in the same order."""

    name = wire.TASK_SOLVE_MANY
    many = True

    def images(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[object]:
        (images,) = super().images(args, kwargs)
        if images == wire.BESIDE:
            raise BadMessage("its images are not on the server any more")
        if not isinstance(images, list | tuple):
            raise BadMessage(f"{self.name} takes a list of images, not {type(images).__name__}")
        most = app.settings.max_list
        if not 1 <= len(images) <= most:
            raise BadMessage(f"a list of {len(images)} images; 1 to {most} are accepted")
        return list(images)

    def describe(self, result: Any) -> str:
        failed = sum("error" in each for each in result)
        return f"{len(result) - failed} answers, {failed} errors"

    def read(self, images: list[object]) -> Any:
        return [self._outcome(image, number) for number, image in enumerate(images)]

    def _outcome(self, image: object, number: int) -> Any:
        try:
            return self.read_one(image, number)
        except TilefleetError as error:
            return wire.encode_error(error)


@cache
def _attempts() -> Attempts:
    """In this process."""
    return Attempts(_persist, key_prefix=app.settings.key_prefix)


def _persist(fill: Callable[[Any], Any]) -> list[Any]:
    """Run a pipeline on the store; again and again while it is away."""
    while True:
        with app.backend.client.pipeline(transaction=False) as pipe:
            fill(pipe)
            try:
                return list(pipe.execute())
            except (RedisError, OSError) as error:
                logger.warning("A captcha that came back waits: %s", error)
                leave_replica(app.backend.client, error)
        sleep(_PAUSE_S)


@cache
def _reader(model: str) -> Any:
    """The model of that name in this process, loaded at its first captcha."""
    from models.engines.reader import Reader

    return Reader(app.settings, model)


solve = app.register_task(Solve())
solve_many = app.register_task(SolveMany())

"""What is called by name: ``worker.solve``.

In a worker on threads the task's body does not run for a plain captcha: `worker.strategy` hands
it to the engine room. The body runs in every other case: with an outcome that the engine room has
found already (when there are links, chords, failures or signal receivers to serve), and, where
there is no engine room (eager mode, other pools), by reading the captcha itself.
"""

from functools import cache
from typing import Any

from celery import Task

from models import wire
from models.errors import BadMessage, BadRequest
from worker.celery import app


class Solve(Task):
    """Read one captcha: image bytes in, the answer as a JSON object out."""

    name = wire.TASK_SOLVE
    Strategy = "worker.strategy:strategy"
    Request = "worker.request:CaptchaRequest"
    #: A bad image is the sender's matter: logged in a line, without a traceback.
    throws = (BadRequest,)
    typing = False

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        outcome = self.request.get("outcome")
        if outcome is None:
            answer: dict[str, Any] = _reader().read(image_of(args, kwargs)).encode()
            return answer
        if outcome.error is not None:
            # A fresh one: the request must not hold what holds, by its traceback, the request
            # and its image.
            raise type(outcome.error)(*outcome.error.args)
        encoded: dict[str, Any] = outcome.answer.encode()
        return encoded


def image_of(args: Any, kwargs: Any) -> object:
    """The task's single argument; raises BadMessage if there is none or more than one."""
    arguments = [*args, *kwargs.values()]
    if len(arguments) != 1:
        raise BadMessage(
            f"{wire.TASK_SOLVE} takes one argument, the image as bytes; got {len(arguments)}"
        )
    return arguments[0]


@cache
def _reader() -> Any:
    """The model in this process, loaded at its first captcha."""
    from models.reader import Reader

    return Reader(app.settings)


solve = app.register_task(Solve())

"""One captcha on its way through the worker."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from models.answer import Answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task's body is told when its captcha has been read already."""

    answer: Answer | None
    error: Exception | None


@dataclass(slots=True, eq=False)
class Job:
    """What the threads hand to each other; each field is set once, by the part that knows it."""

    #: The image as it came; not checked yet.
    data: object
    #: Celery's request, or anything with `dropped()`; the room does not look inside.
    request: Any
    arrived: float = field(default_factory=monotonic)
    #: What the engine made of `data`.
    prepared: Any = None
    answer: Answer | None = None
    error: Exception | None = None

"""One captcha on its way through the worker, and the delivery that it came in."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from tilefleet import wire
from tilefleet.answer import Answer


@dataclass(slots=True, eq=False)
class Trace:
    """Of a delivery whose sender wants to know what took how long; by the monotonic clock."""

    #: The sender's span, as who tells of it has it.
    under: Any
    claimed: float = field(default_factory=monotonic)
    #: Which part took from when to when; threads append.
    marks: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task's result or its error; neither, when nobody wants it any more."""

    #: JSON types.
    result: dict[str, Any] | list[dict[str, Any]] | None = None
    error: Exception | None = None
    #: Whether it is in the store already: another worker found it.
    stored: bool = False

    @property
    def dropped(self) -> bool:
        return self.result is None and self.error is None


@dataclass(slots=True, eq=False, repr=False)
class Job:
    """One captcha. The threads hand it on; each field is set once, by the part that knows it."""

    #: The image as it came; not checked yet. Dropped as soon as it is decoded.
    data: object
    #: What it came in; the engine room does not look inside but for `dropped()`.
    delivery: Any
    #: Nobody waits for it: it is read when no others wait.
    bulk: bool = False
    arrived: float = field(default_factory=monotonic)
    #: The model that it is read with, as `worker.engine_room.held` has it, until it is done.
    held: Any = None
    #: What its engine made of `data`, once it is decoded.
    prepared: Any = None
    decoded: bool = False
    answer: Answer | None = None
    error: Exception | None = None
    #: Whether monitors are told of it by its SHA-256; and that, where it is known.
    told_by_digest: bool = True
    digest: bytes | None = None
    #: While others may join it: the image, and what those with the same one are found by. And they.
    image: bytes = b""
    key: bytes | None = None
    followers: "list[Job]" = field(default_factory=list)
    #: Revoked or expired itself; read for those that joined it.
    only_for_followers: bool = False
    #: Its delivery's.
    trace: Trace | None = None

    def __str__(self) -> str:
        """For the log: which task; never the image."""
        return str(self.delivery)

    def mark(self, part: str, started: float, ended: float) -> None:
        """Remember for its trace, where it has one, how long a part took."""
        if self.trace is not None:
            self.trace.marks.append((part, started, ended))

    def dropped(self) -> bool:
        """Whether nobody wants it any more."""
        dropped: bool = self.delivery.dropped()
        return dropped


@dataclass(slots=True, eq=False, repr=False)
class Delivery:
    """A request and the captchas in it: one, or the list of a bulk sender."""

    #: Celery's request.
    request: Any
    jobs: list[Job] = field(default_factory=list)
    #: Whether the result is a list.
    many: bool = False
    #: When the first pass with one of its captchas began; 0 before.
    begun: float = 0.0
    #: Captchas that the engine room has not given back.
    open: int = 0
    #: What is wrong with the message as a whole.
    refused: Exception | None = None
    #: None: it is not traced.
    trace: Trace | None = None
    #: Set by `close`, unless it is known before.
    outcome: Outcome = Outcome()
    #: What is stored of it, as the writer has it; None before it is encoded, and if it cannot be.
    encoded: Any = None
    #: Its result as monitors are told of it, where that is known before it is told.
    shown: str = ""

    def __str__(self) -> str:
        """``worker.solve[id]``"""
        return str(self.request)

    def dropped(self) -> bool:
        dropped: bool = self.request.dropped()
        return dropped

    def errors(self) -> list[Exception]:
        """Of those of its captchas that failed."""
        return [job.error for job in self.jobs if job.error is not None]

    def let_go(self) -> None:
        """Its result is encoded and described: by nobody is it needed as it was."""
        self.outcome = _ENCODED

    def close(self) -> Outcome:
        """Work out what became of it, once all its captchas are done."""
        if self.outcome.dropped:
            self.outcome = self._outcome()
        return self.outcome

    def _outcome(self) -> Outcome:
        if self.refused is not None:
            return Outcome(error=self.refused)
        if any(job.answer is None and job.error is None for job in self.jobs):
            return Outcome()
        if self.many:
            return Outcome(result=[_encode(job) for job in self.jobs])
        (job,) = self.jobs
        if job.answer is None:
            return Outcome(error=job.error)
        return Outcome(result=job.answer.encode())


#: Of a delivery whose result is encoded.
_ENCODED: Final = Outcome(result={})


def _encode(job: Job) -> dict[str, Any]:
    """An answer, or in its place what is wrong with this one."""
    if job.answer is not None:
        return job.answer.encode()
    return wire.encode_error(job.error)

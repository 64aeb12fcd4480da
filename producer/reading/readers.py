"""What reads the captchas of a command: the fleet, or this process."""

from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from producer.terminal.inputs import Input
from tilefleet.answer import Answer
from tilefleet.errors import TilefleetError, UnknownModel
from tilefleet.settings import Settings

if TYPE_CHECKING:
    from models.engines.reader import Reader
    from producer.client import Client

#: What became of a captcha: an answer, or an error in its place.
Outcome = Answer | TilefleetError | OSError
Outcomes = Generator[tuple[Input, Outcome], None, None]

#: Captchas on the way at once.
WINDOW: Final = 64


class ByFleet(AbstractContextManager["ByFleet"]):
    """Sent to the fleet, up to `WINDOW` at once."""

    def __init__(self, *, timeout: float, model: str | None = None) -> None:
        """`model`: the name of the one that reads; None: each worker's default."""
        self._timeout = timeout
        self._model = model
        self._client: Client | None = None

    def read(self, captchas: Iterable[Input]) -> Outcomes:
        """In their order; raises FleetUnreachable, UnknownModel."""
        if self._client is None:
            from producer.client import Client

            self._client = Client().__enter__()
        for captcha, outcome in self._client.outcomes(
            captchas, window=WINDOW, timeout=self._timeout, model=self._model
        ):
            if isinstance(outcome, UnknownModel):
                # It is so for all of them.
                raise outcome
            yield captcha, outcome

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()


class Here(AbstractContextManager["Here"]):
    """Read in this process."""

    def __init__(self, *, model: str | None) -> None:
        self._model = model
        self._reader: Reader | None = None

    def read(self, captchas: Iterable[Input]) -> Outcomes:
        """In their order; raises ModelError."""
        if self._reader is None:
            from models.engines.reader import Reader

            self._reader = Reader(Settings.from_environ(), self._model)
        for captcha in captchas:
            try:
                yield captcha, self._reader.read(captcha.read())
            except (TilefleetError, OSError) as error:
                yield captcha, error

    def __exit__(self, *_: object) -> None:
        """Nothing: its memory goes with it."""

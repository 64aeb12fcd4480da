"""A model in this process: images in, answers out, no queue. `tilefleet solve --local` is this."""

import time
from collections.abc import Sequence
from dataclasses import replace

from models import engines
from tilefleet.answer import Answer, Timing
from tilefleet.settings import Settings


class Reader:
    """An engine with one session.

    >>> reader = Reader(Settings())
    >>> answer = reader.read(open("captcha.jpg", "rb").read())
    """

    def __init__(self, settings: Settings, model: str | None = None) -> None:
        """Load the model of that name, or the settings' default, and warm it up; raises
        ModelError."""
        chosen = replace(settings, models=(model,)) if model else settings
        self.engine = engines.load(chosen)
        self._session = self.engine.session()

    def read(self, data: object) -> Answer:
        """Read one image; raises BadRequest."""
        return self.read_prepared([self.engine.prepare(data)])[0]

    def read_prepared(self, batch: Sequence[object]) -> list[Answer]:
        """One pass over prepared images."""
        started = time.perf_counter()
        answers = self._session.read(batch)
        pass_ms = (time.perf_counter() - started) * 1000
        timing = Timing(queued_ms=0.0, pass_ms=pass_ms, pass_size=len(batch))
        return [answer.timed(timing) for answer in answers]

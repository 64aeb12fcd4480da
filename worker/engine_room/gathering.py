"""What a lane has read in passes that follow each other, to be handed on together."""

from collections.abc import Sequence
from time import monotonic

from worker.engine_room.completion import Completion
from worker.engine_room.job import Job

#: Seconds from the beginning of a pass for which what it has read may wait for further passes, to
#: be handed on together: then the writer and the hub are woken once, and more is claimed once, for
#: all of them. Each time they find the processor's caches full of networks.
_TOGETHER_S = 0.025


class Gathering:
    """One lane's jobs that are read and not handed on yet; on its thread only."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion
        self._read: list[Job] = []
        #: When the first of these passes began, by the monotonic clock.
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._read)

    @property
    def bulk(self) -> bool:
        """Whether nobody waits for any of them."""
        return all(job.bulk for job in self._read)

    @property
    def is_late(self) -> bool:
        """Whether these have waited for as long as they may."""
        return monotonic() - self._since >= _TOGETHER_S

    def begin(self) -> None:
        """A pass begins."""
        if not self._read:
            self._since = monotonic()

    def add(self, jobs: Sequence[Job]) -> None:
        """A pass is done with these."""
        self._read += jobs

    def hand_on(self) -> None:
        read, self._read = self._read, []
        self._completion.hand_on(read)

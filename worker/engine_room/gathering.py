"""What a session has read in passes that follow each other, to be handed on together."""

from collections.abc import Sequence
from time import monotonic

from worker.engine_room.completion import Completion
from worker.engine_room.exclusive import SharedExclusiveLock
from worker.engine_room.job import Job

#: Seconds from the beginning of a pass for which what it has read may wait for further passes, to
#: be handed on together: then the writer and the hub are woken once, and more is claimed once, for
#: all of them. Each time they find the processor's caches full of networks.
_TOGETHER_S = 0.05


class Gathering:
    """One session's jobs that are read and not handed on yet; on its thread only."""

    def __init__(self, completion: Completion, exclusion: SharedExclusiveLock) -> None:
        self._completion = completion
        self._exclusion = exclusion
        self._read: list[Job] = []
        #: When the first of these passes began, by the monotonic clock.
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._read)

    @property
    def bulk(self) -> bool:
        """Whether nobody waits for any of them."""
        return all(job.bulk for job in self._read)

    def begin(self) -> None:
        """A pass begins."""
        if not self._read:
            self._since = monotonic()

    def add(self, jobs: Sequence[Job]) -> None:
        """A pass is done with these."""
        self._read += jobs

    def hand_on_if_due(self) -> None:
        """Hand these on if they have waited for as long as they may, or if one is to be read alone:
        that may end the process, or take long."""
        if self._read and (self._exclusion.is_wanted or monotonic() - self._since >= _TOGETHER_S):
            self.hand_on()

    def hand_on(self) -> None:
        read, self._read = self._read, []
        self._completion.hand_on(read)

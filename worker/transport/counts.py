"""What the transport has done in this process, for ``inspect stats`` and metrics."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counts:
    """Changed on the thread that consumes only."""

    #: Messages claimed, and the exchanges with the server that it took.
    claimed: int = 0
    exchanges: int = 0
    #: Of these, messages that went the short way (`short_way`).
    short_way: int = 0
    #: Messages put back because the lease of their worker, perhaps another one, had ended.
    restored: int = 0
    #: Messages that nobody could read, acknowledged and forgotten.
    unreadable: int = 0

    def encode(self) -> dict[str, int]:
        return asdict(self)


counts = Counts()

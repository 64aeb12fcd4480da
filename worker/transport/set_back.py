"""Whether the server's clock has been set back, so that leases have begun in its future."""

from typing import Final

#: Seconds by which it is set, at least; below, the leases end soon enough.
_LEAST_S: Final = 2.0


class SetBack:
    """Watches the server's clock beside one that nobody sets."""

    def __init__(self) -> None:
        #: How many leases of the future to pass over at the next look for them; None: it needs
        #: none. There is one at the start: nobody may have been there when the clock was set.
        self.next: int | None = 0
        self._behind: float | None = None

    def saw(self, server: float, here: float) -> None:
        """What the server's clock said, and about then `monotonic`; seconds."""
        behind = here - server
        if self._behind is not None and behind > self._behind + _LEAST_S:
            self.next = 0
        self._behind = behind

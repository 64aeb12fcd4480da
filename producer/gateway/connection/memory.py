"""Memory that bodies took is given back to the system.

By itself glibc keeps it: for what is long it raises its own bounds to the longest that there was,
and what is short and stays, between pieces that have gone, holds them. Under attack a gateway came
to have 200 MiB, of which it used 10. Other C libraries have nothing of this, and need nothing.
"""

import asyncio
import ctypes

#: Bytes from which a piece has memory of its own, and bytes that are kept for the next ones.
_OWN_BYTES, _KEPT_BYTES = 48 << 10, 4 << 20
#: Bytes of bodies after which it is looked, and seconds until then: it takes about a millisecond.
_WORTH_BYTES, _WAIT_S = 16 << 20, 2.0
#: As malloc.h has them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def settle() -> None:
    """Of this process, from now on."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _OWN_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


class Memory:
    """Of one process."""

    def __init__(self) -> None:
        self._freed, self._is_due = 0, False
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def freed(self, count: int) -> None:
        """So many bytes of a body are needed no more."""
        self._freed += count
        if self._freed >= _WORTH_BYTES and not self._is_due and self._trim is not None:
            self._is_due = True
            asyncio.get_running_loop().call_later(_WAIT_S, self._give_back)

    def _give_back(self) -> None:
        self._freed, self._is_due = 0, False
        assert self._trim is not None
        self._trim(0)


#: Of this process.
memory = Memory()

"""Memory that bodies took is given back to the system, and what Python's collector looks at.

By itself glibc keeps memory: for what is long it raises its own bounds to the longest that there
was, and what is short and stays, between pieces that have gone, holds them. Under attack a gateway
came to have 200 MiB, of which it used 10. Other C libraries have nothing of this, and need nothing.
"""

import asyncio
import ctypes
import gc
from time import monotonic, thread_time

#: Bytes from which a piece has memory of its own, and bytes that are kept for the next ones.
_OWN_BYTES, _KEPT_BYTES = 48 << 10, 4 << 20
#: Bytes of bodies after which it is looked whether others still come, and seconds until then and
#: between two looks. Where they do, it is given back as seldom as makes no difference to them: the
#: event loop stands still for it, and has so many times as long in between.
_WORTH_BYTES, _WAIT_S, _RARELY = 16 << 20, 2.0, 1000
#: Containers that Python makes before its collector looks at the young ones: the answers of the
#: longest lists, which are gone by themselves by then.
_YOUNG = 20_000
#: As malloc.h has them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def settle() -> None:
    """Of this process, from now on."""
    # What is loaded stays: later collections, for which the event loop stands still, leave it out.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _OWN_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


class Memory:
    """Of one process."""

    def __init__(self) -> None:
        self._freed = self._seen = 0
        self._is_due, self._again = False, 0.0
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def freed(self, count: int) -> None:
        """So many bytes of a body are needed no more."""
        self._freed += count
        if self._freed >= _WORTH_BYTES and not self._is_due and self._trim is not None:
            self._is_due = True
            self._look_later()

    def _look_later(self) -> None:
        self._seen = self._freed
        asyncio.get_running_loop().call_later(_WAIT_S, self._look)

    def _look(self) -> None:
        if self._freed > self._seen and monotonic() < self._again:
            self._look_later()
        else:
            self._give_back()

    def _give_back(self) -> None:
        assert self._trim is not None
        self._freed, self._is_due = 0, False
        begun = thread_time()
        self._trim(0)
        self._again = monotonic() + _RARELY * (thread_time() - begun)


#: Of this process.
memory = Memory()

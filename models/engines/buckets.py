"""In which sizes passes are read by networks that are compiled for each: a short measurement says.

Up to some size a larger pass reads more captchas a second; beyond it every captcha in it only waits
longer for the last. Where that is, devices disagree about a hundredfold, so that each measures for
itself, once.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from models.engines import kept
from models.store.manifest import sha256

logger = logging.getLogger(__name__)

#: Captchas in a pass that is tried, at most, and seconds that one may take.
_MOST: Final = 1024
_LONGEST_S: Final = 0.25
#: How many more captchas a second a larger size has to read, and up to which size it need not yet.
_GAIN: Final = 1.05
_TRIED: Final = 16
#: How often all sizes are timed again, in turns, so that what else runs on the machine slows down
#: all alike.
_ROUNDS: Final = 2
#: A pass may be filled up to a size that takes so many times as long: no smaller one is compiled.
_FILLED: Final = 1.1
#: What the sizes are kept as.
_KEPT: Final = "buckets"

#: Gives the seconds of a pass of so many captchas, compiled beforehand.
Timed = Callable[[int], float]


def buckets(max_batch: int) -> tuple[int, ...]:
    """Powers of two up to `max_batch`, and `max_batch` itself."""
    return (*(1 << n for n in range(max_batch.bit_length()) if 1 << n < max_batch), max_batch)


def fitting(timed: Timed, *what: str) -> tuple[int, ...]:
    """The sizes that fit a network and a device, as they were found before, or else are now; the
    largest is the last. All of them have been read by `timed` once, and are compiled.

    `what`: all that they depend on.
    """
    key = sha256("\n".join(what).encode())
    known = kept.read(_KEPT)
    if sizes := _usable(known.get(key)):
        # Memory that was free then may be another process's now.
        return tuple(_seconds(timed, sizes))
    seconds = _seconds(timed, buckets(_MOST), until_none_gains=True)
    for size in [*seconds] * _ROUNDS:
        seconds[size] = min(seconds[size], timed(size))
    found = _worthwhile(seconds)
    kept.write(_KEPT, {**known, key: found})
    return found


def _usable(sizes: object) -> list[int]:
    """Sizes as they are written there; [] of a file that somebody else has been at."""
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        return []
    in_order = sizes == sorted(set(sizes)) and all(1 <= size <= _MOST for size in sizes)
    return sizes if in_order else []


def _seconds(
    timed: Timed, sizes: Iterable[int], *, until_none_gains: bool = False
) -> dict[int, float]:
    """How long passes take, of the sizes that the device has memory for."""
    seconds: dict[int, float] = {}
    fastest = 0.0
    for size in sizes:
        try:
            seconds[size] = timed(size)
        except Exception as error:
            # Each runtime has errors of its own for too little memory.
            if not seconds:
                raise
            logger.warning("Passes of %d captchas cannot be read: %s", size, error)
            break
        rate = size / seconds[size]
        gains = rate >= _GAIN * fastest or size < _TRIED
        if until_none_gains and not (gains and 2 * seconds[size] <= _LONGEST_S):
            break
        fastest = max(fastest, rate)
    return seconds


def _worthwhile(seconds: dict[int, float]) -> tuple[int, ...]:
    """Up to the first that is nearly as fast as any, without those that a larger one stands for."""
    fastest = max(size / taken for size, taken in seconds.items())
    most = min(size for size, taken in seconds.items() if size / taken * _GAIN >= fastest)
    sizes = [most]
    for size in sorted((each for each in seconds if each < most), reverse=True):
        if seconds[size] * _FILLED < seconds[sizes[0]]:
            sizes.insert(0, size)
    return tuple(sizes)

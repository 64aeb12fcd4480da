"""Bytes of at most a known number, put together in turns.

A buffer that grows from nothing moves all that it has, an eighth further each time: of tens of
megabytes, one move holds the event loop longer than everything else that is done with a body.
"""

from io import BytesIO


def buffer(most: int) -> BytesIO:
    """Empty, with room for `most` bytes: more is accepted, and moved."""
    # BytesIO writes into the bytes it was given where nobody else holds them. Their memory is
    # zero pages, of which the system gives each as it is first written.
    return BytesIO(bytes(most))


def value(written: BytesIO) -> bytes:
    """What was written, without copying it."""
    written.truncate()
    return written.getvalue()

"""Bytes put together in a buffer of a known most."""

import pytest

from producer.gateway.formats import sized


@pytest.mark.parametrize("pieces", [[], [b""], [b"a"], [b"ab", b"cd"], [b"abcd", b"efgh", b"i"]])
@pytest.mark.parametrize("most", [0, 1, 4, 8, 100])
def test_what_was_written_is_all_there_is(pieces, most):
    written = sized.buffer(most)
    for piece in pieces:
        written.write(piece)
    assert sized.value(written) == b"".join(pieces)


def test_what_was_given_out_stays_as_it_was():
    written = sized.buffer(4)
    written.write(b"abcd")
    first = sized.value(written)
    written.seek(0)
    written.write(b"efgh")
    assert first == b"abcd"

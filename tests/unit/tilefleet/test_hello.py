"""What a server says of itself, in either of the protocols."""

import pytest

from tilefleet.urls.hello import is_cluster


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ({b"server": b"redis", b"mode": b"cluster"}, True),
        ({"server": "valkey", "mode": "standalone"}, False),
        ([b"server", b"redis", b"mode", b"cluster", b"modules", []], True),
        ([], False),
    ],
)
def test_a_cluster_says_what_it_is(reply, found):
    assert is_cluster(reply) is found

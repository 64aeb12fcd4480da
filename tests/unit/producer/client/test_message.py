"""What goes in one message; what cannot be written is refused before anything is sent."""

import math
import re

import pytest

from producer.client import message
from tilefleet.errors import BadMessage


@pytest.mark.parametrize("expires", [math.nan, math.inf, -math.inf, 1e300, 1e12])
@pytest.mark.parametrize(
    ("write", "argument"), [(message.solve, b"one"), (message.solve_many, [b"one", b"two"])]
)
def test_what_expires_at_no_date_is_refused_with_the_value(write, argument, expires):
    with pytest.raises(BadMessage, match=re.escape(f"cannot expire in {expires:g} s")):
        write(argument, lane="captcha", now=1.8e9, expires=expires)


def test_a_list_goes_in_as_few_messages_as_no_server_refuses():
    half = b"x" * (1 << 19)
    assert message.parts([half, half, b"y"]) == [[half, half], [b"y"]]
    # One alone may have more.
    assert message.parts([half * 3, b"y"]) == [[half * 3], [b"y"]]
    assert message.parts([]) == []

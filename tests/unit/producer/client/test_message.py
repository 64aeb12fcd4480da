"""Messages that cannot be written are refused before anything is sent."""

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

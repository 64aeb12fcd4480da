"""How long the oldest message of each lane has waited, by a script that only reads."""

from collections.abc import Sequence
from typing import Final

from tilefleet import wire

from . import message

#: When the oldest message of each list was sent, by its sender's clock, and the server's now.
#: KEYS: the lists. ARGV: the header.
SCRIPT: Final = """
local sent = {redis.call('TIME')[1]}
for number, list in ipairs(KEYS) do
    local oldest = redis.call('LINDEX', list, -1)
    local at = oldest and string.match(oldest, '"' .. ARGV[1] .. '": ?(%d[%d.]*)')
    sent[number + 1] = at or (oldest and 'unknown' or '')
end
return sent
"""


def arguments(key_prefix: str) -> tuple[str | int, ...]:
    """What follows the script: its keys, how many before them, and the header."""
    keys = [key for lane in wire.LANES for key in message.lists(key_prefix + lane)]
    return (len(keys), *keys, wire.SENT_AT)


def ages(reply: Sequence[bytes]) -> dict[str, float]:
    """Seconds that the oldest message of each lane has waited, by the script's reply; 0: none.

    A lane whose oldest message does not say when it was sent, by another Celery application, is
    left out.
    """
    now, *sent = reply
    found: dict[str, float] = {}
    for lane in wire.LANES:
        each = len(message.lists(lane))
        times, sent = sent[:each], sent[each:]
        if b"unknown" not in times:
            found[lane] = max([0.0, *(float(now) - float(time) for time in times if time)])
    return found

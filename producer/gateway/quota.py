"""How many captchas each key may send: token buckets in the store, so that gateways share them.

A bucket holds up to `burst` tokens and gains `rate` a second, by the server's clock; a captcha
takes one. A list takes as many as it has captchas and may leave a debt, so that one longer than
the burst still gets through, at the price of a longer wait after it.
"""

import asyncio
import math
from time import monotonic
from typing import Any

from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from producer.client.connection import leave_replica
from producer.gateway.keys import Key
from tilefleet.errors import FleetUnreachable

#: In front of a key's name: its bucket, a hash of `tokens` and `at` (seconds). It ends when full.
BUCKET = "tilefleet-quota-"

#: KEYS: the bucket. ARGV: rate (a second), burst, wanted. Gives the seconds to wait, 0 if taken.
_TAKE = """
local now = redis.call('TIME')
local at = now[1] + now[2] / 1000000
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if had[1] then
    local since = tonumber(had[2])
    if since > at then
        -- The clock has been set back; else nothing would be had until it is as late again.
        redis.call('HSET', KEYS[1], 'at', string.format('%.6f', at))
        redis.call('EXPIRE', KEYS[1], math.ceil((burst - tonumber(had[1])) / rate) + 1)
        since = at
    end
    tokens = math.min(burst, tonumber(had[1]) + (at - since) * rate)
end
local missing = math.min(wanted, burst) - tokens
if missing > 0 then return tostring(missing / rate) end
tokens = tokens - wanted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', at))
redis.call('EXPIRE', KEYS[1], math.ceil((burst - tokens) / rate) + 1)
return '0'
"""


class Quota:
    """The buckets of all keys; one round trip for each captcha of a key that has a quota."""

    def __init__(self, connection: Any, *, key_prefix: str) -> None:
        """`connection`: an asyncio client of the server."""
        self._prefix = key_prefix + BUCKET
        self._store = connection
        self._take = connection.register_script(_TAKE)

    async def take(self, key: Key | None, captchas: int, *, timeout: float) -> float:
        """Take that many within `timeout` seconds; gives those that are left.

        Raises 429 with the seconds to wait, or FleetUnreachable.
        """
        if key is None or key.rate is None or key.burst is None:
            return timeout
        bucket = self._prefix + key.name
        began = monotonic()
        try:
            async with asyncio.timeout(timeout):
                wait_s = float(await self._take([bucket], [key.rate, key.burst, captchas]))
        except (RedisError, OSError) as error:
            await leave_replica(self._store, error)
            raise FleetUnreachable(f"no quotas: {type(error).__name__}") from None
        if wait_s > 0:
            raise HTTPException(
                429,
                f"{key.name} may send {key.rate:g} captchas a second, {key.burst} at once; "
                f"{captchas} more in {wait_s:.1f} s",
                {"Retry-After": str(math.ceil(wait_s))},
            )
        return max(0.001, round(timeout - (monotonic() - began), 3))

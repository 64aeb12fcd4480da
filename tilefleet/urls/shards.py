"""Several fleets side by side, each with a server of its own: which of them reads a captcha.

Rendezvous hashing (https://en.wikipedia.org/wiki/Rendezvous_hashing): every sender ranks the shards
by a hash of the captcha's bytes and the shard's name, and takes the first that is not down. So
identical captchas meet in one fleet and are read once, and when a shard is lost or added, only its
own share goes elsewhere.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from tilefleet.urls import parse

_BETWEEN: Final = re.compile(r"[\s,]+(?=[a-z+]+://)")


def split(text: str) -> tuple[str, ...]:
    """The shards' URLs, with spaces, commas or line ends between; raises ValueError.

    Each may itself be several, as `tilefleet.urls` has them: ``redis://a;redis://b sentinel://c``.
    """
    urls = tuple(url.strip(" ,\t\r\n") for url in _BETWEEN.split(text.strip()))
    names = [name(url) for url in urls]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise ValueError(f"each shard once; {', '.join(twice)} is there more than once")
    return urls


def name(url: str) -> str:
    """``host:port/database``, whoever connects; senders hash by it. Raises ValueError."""
    places = [f"{each.path or f'{each.host}:{each.port}'}/{each.database}" for each in parse(url)]
    return ";".join(sorted(places))


def ranked(image: bytes, names: Sequence[str]) -> list[int]:
    """The places in `names` of those that are to read a captcha, the first one first."""
    digest = blake2b(image, digest_size=16).digest()

    def weight(place: int) -> bytes:
        return blake2b(digest + names[place].encode(), digest_size=8).digest()

    return sorted(range(len(names)), key=weight)

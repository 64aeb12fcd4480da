"""Whose request it is behind proxies: what trusted ones say, and nothing that others say.

Each proxy adds at the right whom it has heard. So the list is read from there, over the addresses
that are trusted, to the first that is not: what stands further left, a client may have made up.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

#: Where what a trusted proxy says cannot be read, is hidden (RFC 7239 has words for that), or is
#: said twice and differently. It is no address of this machine, and all of these share bounds.
UNKNOWN = "unknown"

#: A parameter of `Forwarded`, and what comes after it.
_PARAMETER = re.compile(
    r'[\t ]*([!#-\'*+.0-9A-Z^-z|~-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)[\t ]*(?:[;,]|$)'
)
#: Hops that are looked at, from the right.
_MOST_HOPS = 32
_PORT = re.compile(r":[\w.-]{1,16}$")


class Proxies:
    """`trusted`: addresses and networks, with commas between them."""

    def __init__(self, trusted: str) -> None:
        self._networks = [ip_network(each) for each in trusted.split(",") if each]
        self._trusts = lru_cache(maxsize=4096)(self._are_of)

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address from which `peer`, who has sent these headers, was asked."""
        said: dict[bytes, list[str]] = {}
        for name, value in headers:
            if name in (b"x-forwarded-for", b"forwarded"):
                said.setdefault(name, []).append(str(value, "latin-1"))
        if not said or not self._trusts(_address(peer)):
            return peer
        found = {self._first(_READ[name](", ".join(each))) for name, each in said.items()}
        # A proxy writes one of the two; the other one is a client's own.
        return (found.pop() or peer) if len(found) == 1 else UNKNOWN

    def _first(self, hops: list[str]) -> str:
        """The last that is not trusted; the first where all are, empty where there is none."""
        address = ""
        if len(hops) > _MOST_HOPS:
            hops = [UNKNOWN, *hops[-_MOST_HOPS:]]
        for hop in reversed(hops):
            address = _address(hop)
            if not self._trusts(address):
                break
        return address

    def _are_of(self, address: str) -> bool:
        return address != UNKNOWN and any(ip_address(address) in each for each in self._networks)


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    """Whether it is this machine's own; what is no address is not."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _address(text: str) -> str:
    """Of ``address``, ``address:port`` and ``[address]:port``, as it is usually written."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _PORT.fullmatch(port)):
            return UNKNOWN
    elif text.count(":") == 1:
        text = _PORT.sub("", text)
    try:
        # Only addresses of IPv6 have a zone.
        found = ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return UNKNOWN
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def _listed(value: str) -> list[str]:
    """Of X-Forwarded-For."""
    return [each for each in value.split(",") if each.strip()]


def _forwarded(value: str) -> list[str]:
    """The ``for`` of each element of Forwarded; of one that has none, nothing is known."""
    hops: list[str] = []
    hop, at = "", 0
    while at < len(value):
        found = _PARAMETER.match(value, at)
        if found is None or len(hops) > _MOST_HOPS:
            # A quote that was left open would hide what a proxy has added.
            return [UNKNOWN]
        name, text = found[1].lower(), found[2]
        if name == "for":
            said = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
            # Nobody knows which of two is meant.
            hop = said if hop in ("", said) else UNKNOWN
        at = found.end()
        if at == len(value) or value[at - 1] == ",":
            hops.append(hop or UNKNOWN)
            hop = ""
    return hops


_READ = {b"x-forwarded-for": _listed, b"forwarded": _forwarded}

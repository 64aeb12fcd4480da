"""Connections on which nothing is asked: how many an address may have, and all together."""

from collections import OrderedDict
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any, Protocol

#: Of an address, and of all.
MOST, MOST_TOGETHER = 256, 1024


class Connection(Protocol):
    """What is used of one here."""

    client: tuple[str, int] | None
    transport: Any


class Idle:
    """Connections of which no request is being answered: who waits longest has to go first."""

    def __init__(self) -> None:
        self._of: dict[str, OrderedDict[Connection, None]] = {}
        self._all: OrderedDict[Connection, None] = OrderedDict()

    def add(self, connection: Connection) -> None:
        """It waits for a request; one that has waited longer goes where they are too many."""
        own = self._of.setdefault(address(connection.client), OrderedDict())
        for queue, most in ((own, MOST), (self._all, MOST_TOGETHER)):
            queue[connection] = None
            if len(queue) > most:
                oldest = next(iter(queue))
                self.discard(oldest)
                oldest.transport.abort()

    def discard(self, connection: Connection) -> None:
        self._all.pop(connection, None)
        name = address(connection.client)
        own = self._of.get(name)
        if own is not None:
            own.pop(connection, None)
            if not own:
                del self._of[name]


#: Of this process.
idle = Idle()


def address(client: Any) -> str:
    """Who shares bounds: an address; of IPv6 the network, as a host may have all of one."""
    if client is None:
        return ""
    host: str = client[0]
    with suppress(ValueError):
        if ":" in host and isinstance(found := ip_address(host.partition("%")[0]), IPv6Address):
            mapped = found.ipv4_mapped
            return str(mapped) if mapped else f"{int(found) >> 64:x}::/64"
    return host

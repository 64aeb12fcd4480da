"""What a browser's page of elsewhere could send without a key: refused by its Host and its Origin.

Any page may have its visitor's browser POST to an address of the visitor's own machine; and where
its own name is made to mean that address (DNS rebinding), it may read the reply, too. Browsers tell
both names, and no page can change what they tell.
"""

import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import Scope

from producer.gateway.visitors.proxies import is_loopback

_SAFE = ("GET", "HEAD", "OPTIONS")
#: `Sec-Fetch-Site` of a page of the gateway's own, and of what no page asks for.
_OWN_SITES = {"same-origin", "none"}
_PORTS = {"http": 80, "https": 443}
#: A name, or an address in brackets, and a port.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/@:?#\[\]]+)(?::(\d{0,5}))?", re.IGNORECASE)


class Pages:
    """`hosts`: names under which the gateway may be asked, beside addresses and names without a
    dot, which nobody elsewhere can have; `origins`: whose pages may ask."""

    def __init__(self, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)
        named = {urlsplit(origin).hostname or "" for origin in self._origins}
        self._given = frozenset(hosts)
        self._hosts = self._given | named | {socket.gethostname().lower()}

    def check(self, scope: Scope) -> None:
        """Raises 403."""
        sent: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name in (b"host", b"origin", b"x-forwarded-host", b"sec-fetch-site"):
                sent.setdefault(name, []).append(str(value, "latin-1"))
        hosts = sent.get(b"host", [])
        server = scope.get("server")
        if self._given or (server is not None and is_loopback(server[0])):
            for host in hosts:
                if not self._is_ours(host):
                    raise HTTPException(
                        403,
                        f"Host: {host[:60]!r} is no name of this gateway; TILEFLEET_HOSTS names "
                        "those that it has",
                    )
        if scope["method"] not in _SAFE:
            sites = sent.get(b"sec-fetch-site", [])
            if sites and b"origin" not in sent and not set(sites) <= _OWN_SITES:
                raise HTTPException(
                    403, f"a page may not ask that does not say whose it is: {sites[0][:60]!r}"
                )
            for origin in sent.get(b"origin", []):
                if not (
                    sites in (["same-origin"], ["none"])
                    or self._may_ask(origin, hosts + sent.get(b"x-forwarded-host", []))
                ):
                    raise HTTPException(
                        403,
                        f"a page of {origin[:60]!r} may not ask; TILEFLEET_CORS names others",
                    )

    def _is_ours(self, host: str) -> bool:
        name = _split(host)[0]
        if name.startswith("["):
            return True
        with suppress(ValueError):
            return bool(ip_address(name))
        return bool(name) and (
            "." not in name or name.endswith(".localhost") or name in self._hosts
        )

    def _may_ask(self, origin: str, hosts: list[str]) -> bool:
        """`hosts`: under which it is asked; a page of the same one is the gateway's own."""
        if origin in self._origins:
            return True
        scheme, _, rest = origin.partition("://")
        usual = _PORTS.get(scheme)
        if usual is None:
            # A browser's extension is no page; "null" is one that does not say whose.
            return bool(rest)
        name, port = _split(rest)
        if name in self._given:
            return True
        return (name, port or usual) in [
            (host, number or usual) for host, number in map(_split, hosts)
        ]


def _split(text: str) -> tuple[str, int]:
    """Name and port, 0 where there is none; an empty name for what is no host."""
    found = _HOST.fullmatch(text.strip())
    if found is None:
        return "", 0
    return found[1].lower().removesuffix("."), int(found[2] or 0)

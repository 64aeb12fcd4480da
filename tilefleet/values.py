"""From a variable's text to a setting's value; each raises ValueError with what it takes."""

import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return parse


def path(text: str) -> Path:
    """A file or a folder; ``~`` in front, which no shell has replaced, is the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"a path; {error}") from None


def file(text: str) -> str:
    """The same, as text."""
    return str(path(text))


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def parse(text: str) -> int:
        wanted = f"a whole number from {low} to {high}"
        try:
            number = int(text)
        except ValueError:
            raise ValueError(wanted) from None
        if not low <= number <= high:
            raise ValueError(wanted)
        return number

    return parse


def share(text: str) -> float:
    """A number from 0 to 1."""
    wanted = "a number from 0 to 1"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 <= number <= 1:
        raise ValueError(wanted)
    return number


def address(text: str) -> str:
    """``host:port``; a port alone is loopback's. A path is a Unix socket's."""
    if text.startswith("/"):
        return text
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError("a port such as 9101, or host:port to listen on more than loopback")
    return f"{host or '127.0.0.1'}:{port}"


def origins(text: str) -> str:
    """``https://host[:port]``, several with commas between them; as browsers write them."""
    return ",".join(_origin(each.strip()) for each in _listed(text))


def _origin(text: str) -> str:
    wanted = "origins such as https://bot.example,http://localhost:3000"
    if text == "*":
        raise ValueError(f"{wanted}; not *, by which every page that somebody opens could ask")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(wanted) from None
    rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not host or rest:
        raise ValueError(f"{wanted}; {text!r} is none")
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def networks(text: str) -> str:
    """Addresses and networks, with commas between them; ``none``: no such."""
    wanted = "addresses and networks such as 10.0.0.7,192.0.2.0/24,fd00::/8, or none"
    if text.strip() == "none":
        return ""
    try:
        return ",".join(str(ip_network(each.strip(), strict=False)) for each in _listed(text))
    except ValueError as error:
        raise ValueError(f"{wanted}; {error}") from None


def hosts(text: str) -> str:
    """Names of hosts, with commas between them, without ports."""
    names = [each.strip().lower().removesuffix(".") for each in _listed(text)]
    for each in names:
        if not re.fullmatch(r"[\w-]+(?:\.[\w-]+)*", each):
            raise ValueError(f"names such as captchas.example,gw.example; {each!r} is none")
    return ",".join(names)


def prefix(text: str) -> str:
    """A path in front of others: ``/captchas``."""
    path = "/" + text.strip("/")
    if not re.fullmatch(r"(?:/[\w.~-]+)+", path, re.ASCII) or "/." in path:
        raise ValueError("a path such as /captchas: letters, digits, and . _ ~ - inside")
    return path


def _listed(text: str) -> list[str]:
    return [each for each in text.split(",") if each.strip()]


def names(text: str) -> tuple[str, ...]:
    """Several models' names, with commas between them."""
    found = tuple(name(each.strip()) for each in text.split(","))
    if twice := next((each for each in found if found.count(each) > 1), ""):
        raise ValueError(f"each name once; {twice} is there twice")
    return found


def name(text: str) -> str:
    """What a folder of the model store may be called, or a fleet."""
    if not text.isprintable() or not text or set("/\\") & set(text) or text.startswith("."):
        raise ValueError("a name: no slash, and no dot in front")
    return text

"""Servers' URLs, in every form that Celery takes: read here and nowhere else. May import nothing.

====================================================  =============================================
``redis://user:password@host:6379/0``                 host may be a name, IPv4 or ``[IPv6]``; any
                                                      part may be left out, ``%`` escapes are read
``rediss://host:6379/0?ssl_ca_certs=/ca.pem``         encrypted; certificates are verified
``redis+socket:///run/redis.sock?virtual_host=0``     a Unix socket
``redis://a/0;redis://b/0``                           several (no sockets): the first that answers
``sentinel://:password@a:26379;sentinel://b:26379/0`` sentinels that say which server it is; account
                                                      and database are the server's
====================================================  =============================================
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES: Final = ("redis", "rediss", "redis+socket", "sentinel")

_PORTS: Final = {"redis": 6379, "rediss": 6379, "sentinel": 26379}
#: What may follow a question mark, beside account and database.
_OPTIONS: Final = frozenset(
    {
        *("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
        *("ssl_check_hostname", "ssl_password", "ssl_ciphers"),
        # Celery's results know these, and kombu does not; our own connections have what they need.
        *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout"),
        *("health_check_interval", "max_connections", "client_name"),
    }
)
_FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True)
class Server:
    """One server, or one sentinel, as a URL names it."""

    scheme: str
    host: str = ""
    port: int = 0
    #: Of a Unix socket.
    path: str = ""
    user: str = ""
    password: str = ""
    database: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> dict[str, Any]:
        """redis-py's options: who it is that connects, and to which database."""
        return {
            "username": self.user or None,
            "password": self.password or None,
            "db": self.database,
        }

    @property
    def tls(self) -> dict[str, Any]:
        """redis-py's options for an encrypted connection."""
        given: dict[str, Any] = {
            name: value for name, value in self.options.items() if name.startswith("ssl_")
        }
        if "ssl_check_hostname" in given:
            given["ssl_check_hostname"] = given["ssl_check_hostname"] == "true"
        return given

    def url(self, *, results: bool) -> str:
        """As Celery, kombu and Flower read it alike; a broker's has no options of connections."""
        account = ""
        if self.user or self.password:
            account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"
        options = {
            name: value
            for name, value in self.options.items()
            if results or name.startswith("ssl_")
        }
        if self.scheme == "redis+socket":
            place = quote(self.path)
            options["virtual_host"] = str(self.database)
        else:
            host = f"[{self.host}]" if ":" in self.host else self.host
            place = f"{host}:{self.port}/{self.database}"
        query = f"?{urlencode(options)}" if options else ""
        return f"{self.scheme}://{account}{place}{query}"


def parse(urls: str) -> tuple[Server, ...]:
    """The servers that URLs name; raises ValueError with what is wrong, without a password."""
    servers = tuple(map(_parse, urls.split(";")))
    schemes = {each.scheme for each in servers}
    if len(schemes) > 1:
        raise ValueError(f"servers of one kind, not {' and '.join(sorted(schemes))}")
    if schemes == {"redis+socket"} and len(servers) > 1:
        raise ValueError("one socket: Celery's workers take no list of them")
    if schemes == {"sentinel"}:
        # All of them lead to one server: whichever URL says who connects, says it for all.
        account: dict[str, Any] = {
            name: next((value for each in servers if (value := getattr(each, name))), default)
            for name, default in (("user", ""), ("password", ""), ("database", 0))
        }
        servers = tuple(replace(each, **account) for each in servers)
    return servers


def for_celery(urls: str, *, results: bool = False) -> str:
    """The same, in the one form that Celery, kombu and Flower agree on; of a broker, or of where
    `results` are."""
    return ";".join(each.url(results=results) for each in parse(urls))


def are_alike(one: str, another: str) -> bool:
    """Whether they lead to the same servers, and so to one clock, whichever database of theirs."""
    try:
        found = [
            [(each.host, each.port, each.path) for each in parse(urls)] for urls in (one, another)
        ]
    except ValueError:
        # Celery's results may be anywhere.
        return False
    return found[0] == found[1]


def _parse(url: str) -> Server:
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if scheme not in SCHEMES or not separator:
        raise ValueError(f"a URL such as redis://host:6379/0, of {', '.join(SCHEMES)}")
    try:
        # urlsplit knows no scheme with a plus.
        parts = urlsplit(f"redis://{rest}")
        port = parts.port
    except ValueError as error:
        raise ValueError(f"a URL such as redis://host:6379/0 ({_plain(error)})") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    user = unquote(parts.username or options.pop("username", ""))
    password = unquote(parts.password or "") or options.pop("password", "")
    path = unquote(parts.path)
    database = options.pop("virtual_host", "") or options.pop("db", "")
    options.pop("db", None)
    if scheme == "redis+socket":
        if parts.hostname or len(path) < 2:
            raise ValueError("the socket's whole path, such as redis+socket:///run/redis.sock")
    else:
        database, path = path.strip("/") or database, ""
    database = database.strip("/") or "0"
    if not database.isdecimal():
        raise ValueError(f"a database's number after the port, not {database!r}")
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"no option {', '.join(unknown)}: there are {', '.join(sorted(_OPTIONS))}")
    if "ssl_check_hostname" in options:
        is_false = options["ssl_check_hostname"].lower() in _FALSE
        options["ssl_check_hostname"] = "false" if is_false else "true"
    if scheme == "rediss":
        # Celery insists on it, and takes two spellings; redis-py takes one.
        wanted = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
        if wanted not in ("required", "optional", "none"):
            raise ValueError("ssl_cert_reqs=required, optional or none")
        options["ssl_cert_reqs"] = wanted
    elif scheme == "redis" and any(name.startswith("ssl_") for name in options):
        raise ValueError("rediss:// for an encrypted connection: redis:// has no ssl_ options")
    return Server(
        scheme,
        host="" if path else unquote(parts.hostname or "") or "127.0.0.1",
        port=0 if path else port or _PORTS[scheme],
        path=path,
        user=user,
        password=password,
        database=int(database),
        options=options,
    )


def _plain(error: ValueError) -> str:
    """What urllib says, without what it shows of the URL."""
    return str(error).partition(":")[0].partition("'")[0].strip()


def without_password(urls: str) -> str:
    """``redis://user:secret@host`` → ``redis://user:***@host``; other text unchanged.

    A password in the query (``?password=…``) is not shown either, nor those of further URLs after
    a semicolon, nor what is before an @ in text that is no URL at all.
    """
    parts = re.split(r"(;|[\s,]+(?=[a-z+]+://))", urls)
    return "".join(
        _without_password(part) if number % 2 == 0 else part for number, part in enumerate(parts)
    )


def _without_password(url: str) -> str:
    url = re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1***", url)
    credentials, at, host = url.rpartition("@")
    if not at:
        return url
    scheme, separator, account = credentials.rpartition("://")
    user, _, _ = account.partition(":") if separator else ("", "", "")
    return f"{scheme}{separator}{user}:***@{host}"

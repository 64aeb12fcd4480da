"""Celery's Redis backend for several servers, of which the first that answers has the results."""

from collections import deque
from typing import Any

from celery.backends.redis import RedisBackend
from redis import Connection
from redis.exceptions import RedisError

from tilefleet.urls import without_password

#: What a connection takes from the server that it turns to.
_PLACE = ("host", "port", "path", "username", "password", "db")


class SeveralBackend(RedisBackend):
    """For ``redis://a/0;redis://b/0``, of one kind each."""

    def _params_from_url(self, url: str, defaults: dict[str, Any]) -> dict[str, Any]:
        read = super()._params_from_url
        params = [read(each, defaults) for each in url.split(";")]
        first: dict[str, Any] = params[0]
        places = deque({name: each.get(name) for name in _PLACE} for each in params)
        base = first.get("connection_class", Connection)
        first["connection_class"] = type("SeveralConnection", (_Several, base), {})
        first["places"] = places
        return first

    def as_uri(self, include_password: bool = False) -> str:
        url = str(self.url)
        return url if include_password else without_password(url)


class _Several:
    """Tries several places; the pool's connections share them, the last that answered first."""

    def __init__(self, *, places: deque[dict[str, Any]], **options: Any) -> None:
        self._places = places
        super().__init__(**options)

    def _connect(self) -> Any:
        attempt = 0
        while True:
            vars(self).update(self._places[0])
            attempt += 1
            try:
                return super()._connect()  # type: ignore[misc]
            except (RedisError, OSError):
                self._places.rotate(-1)
                if attempt >= len(self._places):
                    raise

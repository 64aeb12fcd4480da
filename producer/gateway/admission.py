"""Who may come in: with which key, from where, and how many at once."""

import asyncio
from collections import Counter
from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import Scope

from producer.gateway.keys import Key, KeyFile, sent
from producer.gateway.visitors.pages import Pages
from producer.gateway.visitors.proxies import is_loopback

#: Seconds for which a request whose client went away still counts as one of its address: what it
#: asked for was sent on, and has to be taken back.
_GONE_S = 1.0


class Admission:
    """Of one gateway; knows how many requests are inside."""

    def __init__(
        self,
        keys: KeyFile | None,
        pages: Pages,
        *,
        open_paths: Collection[str],
        old_paths: Collection[str],
        old_for: str,
        most: int,
    ) -> None:
        """`keys`: None: everybody may come in. `open_paths`: those of everybody, whatever is asked
        for elsewhere. `old_paths`: those of old servers, and `old_for`, who may ask for them: see
        `Gateway`. `most`: requests at once; those of one address half of that."""
        self._keys, self._pages = keys, pages
        self._open_paths, self._old_paths, self._old_for = open_paths, old_paths, old_for
        self._most = most
        #: Requests that are being served; and by address, for a while longer where it went away.
        self.inside = 0
        self._of: Counter[str] = Counter()

    def enter(self, who: str) -> None:
        """A request of that address begins."""
        self.inside += 1
        self._of[who] += 1

    def leave(self, who: str, *, gone: bool) -> None:
        """It has ended; `gone`: as its client went away."""
        self.inside -= 1
        if gone:
            asyncio.get_running_loop().call_later(_GONE_S, self._leave, who)
        else:
            self._leave(who)

    def check(self, scope: Scope) -> None:
        """Raises 401, 403, 404 or 503; sets who asks."""
        path, state = scope["path"], scope["state"]
        client = scope.get("client")
        near = client is not None and is_loopback(client[0])
        if self._keys is None or (near and not sent(scope["headers"])):
            # A page of elsewhere could send this, too.
            self._pages.check(scope)
        state["old"] = self._old_for == "on" or (near and self._old_for == "loopback")
        if path in self._open_paths:
            state["key"] = self._find(scope)
            state["trusted"] = near or self._keys is None or state["key"] is not None
            return
        if self.inside > self._most:
            raise HTTPException(503, f"{self._most} requests at once", {"Retry-After": "1"})
        if self._of[state["who"]] > max(1, self._most // 2):
            why = f"{self._most // 2} requests of one address at once"
            raise HTTPException(503, why, {"Retry-After": "1"})
        if path in self._old_paths:
            if not state["old"]:
                raise HTTPException(404)
            if near:
                return
        if self._keys is not None:
            state["key"] = self._key(scope)

    def _find(self, scope: Scope) -> Key | None:
        text = sent(scope["headers"])
        return self._keys.find(text) if self._keys is not None and text else None

    def _key(self, scope: Scope) -> Key:
        key = self._find(scope)
        if key is None:
            raise HTTPException(
                401,
                "this API key is not known"
                if sent(scope["headers"])
                else "an API key is wanted: Authorization: Bearer …, or X-API-Key: …",
                {"WWW-Authenticate": 'Bearer realm="tilefleet"'},
            )
        return key

    def _leave(self, who: str) -> None:
        self._of[who] -= 1
        if not self._of[who]:
            del self._of[who]

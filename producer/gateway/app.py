"""The application: routes, and what every request has in common.

One class before Starlette's routes does what is common: it counts, refuses what is too much at
once, asks for keys, turns errors into replies, and writes a line for each request: sizes and
outcomes, nothing that a client sent.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.client.asynchronous import AsyncClient
from producer.client.connection import connect
from producer.gateway import api, legacy, metrics, openapi, page, problem
from producer.gateway.admission import Admission
from producer.gateway.connection.idle import address
from producer.gateway.connection.turns import turns
from producer.gateway.context import Context
from producer.gateway.idempotency import HEADER, REPLAYED, Replies
from producer.gateway.keys import KeyFile
from producer.gateway.quota import Quota
from producer.gateway.visitors.pages import Pages
from producer.gateway.visitors.proxies import Proxies
from tilefleet.errors import SettingError
from tilefleet.settings import Settings

logger = logging.getLogger(__name__)

#: Of every reply but the old servers'.
_GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
#: How a request is counted whose client went away first; as nginx does it.
_GONE = 499


class Gateway:
    """The ASGI application.

    `keys`: whose keys are accepted; None: everybody may come in.
    `legacy_paths`: of old servers, whose clients send no keys: "loopback", for requests from this
    machine; "on", also for others, who need a key where keys are asked for; "off".
    `most_requests`: served at once; the others get 503 at once.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        keys: KeyFile | None = None,
        legacy_paths: str = "loopback",
        most_requests: int = 512,
    ) -> None:
        self._settings = settings
        self._go_on = _tracing(settings)
        self._proxies = Proxies(settings.proxies)
        old = legacy.ROUTES if legacy_paths != "off" else []
        spelled = legacy.SPELLINGS if old else {}
        self._admission = Admission(
            keys,
            Pages(filter(None, settings.hosts.split(",")), settings.cors.split(",")),
            # For everybody: who watches has no key, and the page is what asks for one.
            open_paths={route.path for route in (*page.ROUTES, *api.OPEN_ROUTES)},
            old_paths=set(spelled),
            old_for=legacy_paths,
            most=most_requests,
        )
        self._metrics = metrics.Metrics(settings.fleet)
        self._metrics.watch(lambda: self._admission.inside)
        self.routes: list[Route] = [*api.ROUTES, *api.OPEN_ROUTES, *page.ROUTES, *old]
        #: One for each path, and none with a part that varies: to look it up is enough.
        self._route = {**spelled, **{route.path: route for route in self.routes}}
        self.document = openapi.document(
            settings, version=metrics.VERSION, keys=keys is not None, legacy=bool(old)
        )
        self._router = Router(lifespan=self._lifespan)
        # In front of everything else: a browser asks whether it may before it sends a key.
        self._served: ASGIApp = self._serve
        if settings.cors:
            self._served = CORSMiddleware(
                self._serve,
                allow_origins=settings.cors.split(","),
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", "X-API-Key", HEADER],
                expose_headers=["Retry-After", REPLAYED],
            )

    @asynccontextmanager
    async def _lifespan(self, _: Any) -> AsyncIterator[dict[str, Any]]:
        settings = self._settings
        urls = settings.shards or (settings.broker_url,)
        stores = [connect(url, settings, socket_timeout=5) for url in urls]
        async with AsyncClient(
            settings.broker_url, settings.result_backend, shards=settings.shards
        ) as fleet:
            # One server has all quotas, so that a captcha counts once wherever it is read.
            quota = Quota(stores[0], key_prefix=settings.key_prefix)
            replies = Replies(stores[0], key_prefix=settings.key_prefix)
            here = Context(settings, fleet, quota, replies, self._metrics, stores, self.document)
            yield {
                "gateway": here,
                "key": None,
                "old": False,
                "trusted": False,
                "gone": False,
                "received": 0,
            }
        for store in stores:
            await store.connection_pool.disconnect()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if (client := scope.get("client")) is not None:
                host = self._proxies.client(client[0], scope["headers"])
                scope["client"] = client if host == client[0] else (host, 0)
            prefix, path = self._settings.prefix, scope["path"]
            if prefix and path.startswith(prefix + "/"):
                # A proxy may take it away, or leave it.
                scope["path"] = path.removeprefix(prefix)
            await self._served(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        who = scope["state"]["who"] = address(scope.get("client"))
        await turns.count(who, self._answer(who, scope, receive, send))

    async def _answer(self, who: str, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        began, status = perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if "bare" not in state:
                    headers = MutableHeaders(scope=message)
                    for name, value in _GUARDS.items():
                        headers.setdefault(name, value)
            await send(message)

        state = scope["state"]
        # `server` cancels it when the client goes away, and says so.
        state["task"] = asyncio.current_task()
        if self._go_on is not None:
            self._go_on(scope["headers"])
        self._admission.enter(who)
        try:
            await turns.wait(who)
            self._admission.check(scope)
            route = self._route.get(scope["path"])
            if route is None and scope["path"] == self._settings.prefix:
                # What the page names is beside it.
                await RedirectResponse(scope["path"] + "/", 308)(scope, receive, note)
                return
            if route is None:
                raise HTTPException(404)
            await route.handle(scope, receive, note)
        except asyncio.CancelledError:
            if not state["gone"]:
                raise
            status = _GONE
        except Exception as error:
            if status:
                raise
            await problem.reply(error)(scope, receive, note)
        finally:
            self._admission.leave(who, gone=status == _GONE)
            state["gateway"].release(who, state["received"])
            self._note(scope, status, perf_counter() - began, state["received"])

    def _note(self, scope: Scope, status: int, seconds: float, received: int) -> None:
        route = self._route.get(scope["path"])
        path = "other" if route is None else route.path
        self._metrics.served(path, status, seconds, received)
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s %s %d, %d bytes, %.0f ms",
                *(scope["method"], path, status, received, seconds * 1000),
            )


def _tracing(settings: Settings) -> Callable[[Iterable[tuple[bytes, bytes]]], None] | None:
    """What has a request's captchas be under its ``traceparent``; None: nothing is traced.

    Raises SettingError.
    """
    if not settings.traces:
        return None
    try:
        from tilefleet.tracing import carrier, provider
    except ModuleNotFoundError as error:
        raise SettingError.needs("TILEFLEET_TRACES", error, "tracing") from None
    provider.tracer("tilefleet-gateway")
    return carrier.go_on

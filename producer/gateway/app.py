"""The application: routes, one client for all requests, and how many may be served at once."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import TilefleetError
from models.settings import Settings
from producer.async_client import AsyncClient
from producer.gateway import api, legacy, problem

logger = logging.getLogger(__name__)


def make(settings: Settings, *, legacy_paths: str = "loopback", most_requests: int = 512) -> Any:
    """The ASGI application.

    `legacy_paths`: "on", "off", or "loopback" (for requests from this machine only).
    `most_requests`: served at once; the others get 503 at once.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncClient(settings.broker_url, settings.result_backend) as fleet:
            app.state.fleet = fleet
            yield

    app = Starlette(
        routes=[*api.ROUTES, *(legacy.ROUTES if legacy_paths != "off" else [])],
        exception_handlers={
            TilefleetError: problem.of_fleet,
            HTTPException: problem.of_http,
        },
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.legacy = legacy_paths
    # An image as base64 in a form, percent-encoded where it must be, and something around it.
    app.state.most_body = 2 * settings.max_bytes + (64 << 10)
    app.add_middleware(_Crowd, most=most_requests)
    return app


class _Crowd:
    """Refuses what is too much at once, and writes a line for each request: sizes and outcomes."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            busy = HTTPException(503, f"{self._most} requests at once", {"Retry-After": "1"})
            response = await problem.of_http(None, busy)  # type: ignore[arg-type]
            await response(scope, receive, send)
            return
        self._now += 1
        began, status = monotonic(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._now -= 1
            took_ms = (monotonic() - began) * 1000
            logger.info("%s %s %d %.0f ms", scope["method"], scope["path"], status, took_ms)

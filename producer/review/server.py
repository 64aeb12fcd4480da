"""What serves the pages: to this machine only, unless an address is given.

On the loopback address a page is answered under its own name only, so that no other site's page can
reach it through a reviewer's browser. On another address (to label from a phone) the way in has a
random part, which only those know who were told the link.
"""

import json
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tilefleet.errors import TilefleetError

LOOPBACK: Final = "127.0.0.1"
#: Things told at once, and bytes of a decision at most.
MOST, _MOST_BYTES = 200, 4096
_SITE: Final = Path(__file__).parent / "site"
_ANY: Final = ("0.0.0.0", "::")


def application(page: str, routes: Sequence[BaseRoute], *, secret: str = "") -> Starlette:
    """The ASGI application of the file `page` of the site and what it asks for.

    `secret`: what every path begins with, for other machines; without one, this machine's alone.
    """

    def first(request: Request) -> Response:
        return FileResponse(_SITE / page, headers={"Cache-Control": "no-store"})

    whole: list[BaseRoute] = [
        Route("/", first),
        Mount("/site", StaticFiles(directory=_SITE)),
        *routes,
    ]
    if secret:
        return Starlette(routes=[Mount(f"/{secret}", routes=whole)])
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    return Starlette(routes=whole, middleware=[trusted])


def serve(
    make: Callable[[str], Starlette],
    *,
    host: str = LOOPBACK,
    port: int,
    what: str,
    say: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C; port 0 takes a free one.

    `make`: the application, from its secret; `what`: told behind the address. Raises TilefleetError
    if the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            # Before the address is told: who reads it may come before the server has started.
            listener.listen()
        except OSError as error:
            raise TilefleetError(
                f"port {port} of {host}: {error.strerror or error}; --port 0 takes a free one"
            ) from None
        secret = "" if host == LOOPBACK else secrets.token_urlsafe(16)
        shown = socket.gethostname() if host in _ANY else f"[{host}]" if ":" in host else host
        way = f"{secret}/" if secret else ""
        say(f"http://{shown}:{listener.getsockname()[1]}/{way}  ({what}; Ctrl-C ends)")
        config = uvicorn.Config(make(secret), log_level="warning", access_log=False)
        try:
            uvicorn.Server(config).run([listener])
        except KeyboardInterrupt:
            pass


def span(request: Request) -> tuple[int, int] | None:
    """``?from=0&count=50``: where to begin, and how many; None for what is no such thing."""
    try:
        start = int(request.query_params.get("from", 0))
        count = int(request.query_params.get("count", 50))
    except ValueError:
        return None
    return (start, count) if start >= 0 and 1 <= count <= MOST else None


async def said(request: Request) -> Any:
    """The JSON of a decision, or the Response that refuses it."""
    # A page of another site cannot send this type without asking first, and is not answered.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return refused("a decision is sent as application/json", status=415)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return refused(f"more than {_MOST_BYTES} bytes", status=413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return refused("no JSON")


def refused(why: str, *, status: int = 400) -> Response:
    return JSONResponse({"error": why}, status_code=status)


def odd_span() -> Response:
    return refused(f"from and count are whole numbers: 0 or more, and 1 to {MOST}")

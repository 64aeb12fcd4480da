"""The page at ``/``: a captcha in, what the fleet reads in it, in a browser.

Its files are in the folder `site`, as they are: no build step, and nothing from another address.
Only what a browser without scripts needs is filled in: a button for each model.
One old server said ``Hello World!`` here. Browsers ask for ``text/html`` and get the page; the
clients of that server do not and get what they know, where old paths are answered at all.
"""

from html import escape
from importlib.resources import files
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.gateway import context, legacy

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
#: Where the buttons go.
_BUTTONS = b"<!-- a button for each model -->"
_HEADERS = {
    # Only what this server sends is loaded, run, or asked; pictures also from the visitor's disk.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With none at all, a form of the page's own would say that it comes from "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


async def root(request: Request) -> Response:
    """``GET /``: the page, or what 12306_code_server said."""
    if request.state.old and "text/html" not in request.headers.get("accept", ""):
        return legacy.hello()
    seen = await context.of(request).fleet.look()
    buttons = _buttons(context.models(request, seen.fleet.models))
    return _file("index.html", {"Vary": "Accept"}, buttons)


async def docs(_: Request) -> Response:
    """``GET /docs``: the API's description as a page, with requests that can be sent from there."""
    return _file("docs.html", {})


async def part(request: Request) -> Response:
    """``GET /site/…``: what the page is made of."""
    return _file(request.url.path.removeprefix("/site/"), {})


def _buttons(models: list[str]) -> str:
    """Of the form for browsers without scripts: one that names no model, and one for each of
    several."""
    named = "".join(
        f'<button formaction="v1/solve?model={quote(name, safe="")}">{escape(name)}</button>'
        for name in models
    )
    return named if len(models) > 1 else ""


def _file(name: str, headers: dict[str, str], buttons: str = "") -> Response:
    contents, kind = _SITE[name]
    if buttons:
        contents = contents.replace(_BUTTONS, buttons.encode())
    return Response(contents, media_type=kind, headers={**_HEADERS, **headers})


def _load() -> dict[str, tuple[bytes, str]]:
    """Name → contents and type; some tens of kilobytes."""
    site = files("producer.gateway") / "site"
    return {
        each.name: (each.read_bytes(), _TYPES["." + each.name.rpartition(".")[2]])
        for each in site.iterdir()
    }


_SITE = _load()

ROUTES = [
    Route("/", root),
    Route("/docs", docs),
    *(Route(f"/site/{name}", part) for name in sorted(_SITE)),
]

"""The review page's server: pictures by doubt, decisions to disk before they are answered.

It listens on the loopback address only, and only under its own name, so that no other site's page
can reach it through a reviewer's browser.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from models.bootstrap.dataset import NOTHING, Dataset
from tilefleet.errors import TilefleetError
from tilefleet.kind import BUILTIN

_HOST = "127.0.0.1"
#: Labels offered for a picture, and sure pictures shown for each.
_OFFERED, _EXAMPLES = 6, 5
#: Pictures told at once, and bytes of a decision at most.
_MOST, _MOST_BYTES = 200, 4096


def make(dataset: Dataset) -> Starlette:
    """The ASGI application."""
    pages = _Pages(dataset)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/groups", pages.groups),
            Route("/pictures/{group:int}", pages.picture),
            Route("/decisions", pages.decide, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])],
    )


def serve(dataset: Dataset, *, port: int, say: Callable[[str], None]) -> None:
    """Serve on the loopback address until Ctrl-C; port 0 takes a free one.

    Raises TilefleetError if the port is taken.
    """
    with socket(AF_INET, SOCK_STREAM) as listener:
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
            # Before the address is told: who reads it may come before the server has started.
            listener.listen()
        except OSError as error:
            raise TilefleetError(
                f"port {port}: {error.strerror}; --port 0 takes a free one"
            ) from None
        say(f"http://{_HOST}:{listener.getsockname()[1]}/  ({len(dataset)} pictures; Ctrl-C ends)")
        config = uvicorn.Config(make(dataset), log_level="warning", access_log=False)
        try:
            uvicorn.Server(config).run([listener])
        except KeyboardInterrupt:
            pass


class _Pages:
    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        best, probability = dataset.labels.argmax(axis=1), dataset.labels.max(axis=1)
        #: Most doubtful first; of equal doubt what was seen most often.
        self._order = np.lexsort((-dataset.sightings, probability)).tolist()
        self._examples = {
            label: np.flatnonzero(best == label)[
                np.argsort(-probability[best == label], kind="stable")
            ][:_EXAMPLES].tolist()
            for label in range(len(BUILTIN.labels))
        }

    def page(self, request: Request) -> Response:
        html = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})

    def groups(self, request: Request) -> Response:
        """``?from=0&count=50``: pictures in the order of doubt, with what may be said of them."""
        try:
            start = int(request.query_params.get("from", 0))
            count = int(request.query_params.get("count", 50))
        except ValueError:
            return _refused("from and count are whole numbers")
        if start < 0 or not 1 <= count <= _MOST:
            return _refused(f"from={start}, count={count}: give 0 or more, and 1 to {_MOST}")
        listed = [self._describe(group) for group in self._order[start : start + count]]
        return JSONResponse(
            {
                "groups": listed,
                "total": len(self._dataset),
                "decided": len(self._dataset.corrections),
                "labels": BUILTIN.labels,
            },
            headers={"Cache-Control": "no-store"},
        )

    def picture(self, request: Request) -> Response:
        group = request.path_params["group"]
        if group >= len(self._dataset):
            return _refused(f"picture {group}; there are {len(self._dataset)}", status=404)
        file = io.BytesIO()
        Image.fromarray(np.asarray(self._dataset.pictures[group])).save(file, "PNG")
        return Response(file.getvalue(), media_type="image/png")

    async def decide(self, request: Request) -> Response:
        """``{"group": 12, "label": "锣"}``; an empty label: none of them; null: taken back."""
        # A page of another site cannot send this type without asking first, and is not answered.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refused("a decision is sent as application/json", status=415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return _refused(f"more than {_MOST_BYTES} bytes", status=413)
        said = _parse(body)
        if said is None:
            return _refused('expected {"group": number, "label": text or null}')
        group, label = said
        if not 0 <= group < len(self._dataset):
            return _refused(f"picture {group}; there are {len(self._dataset)}", status=404)
        if label is not None and label != NOTHING and label not in BUILTIN.index:
            return _refused(f"{label[:20]!r} is none of the {len(BUILTIN.labels)} labels")
        # On disk before the answer: this is short, and one reviewer sends one at a time.
        self._dataset.correct(group, label)
        return JSONResponse({"decided": len(self._dataset.corrections)})

    def _describe(self, group: int) -> dict[str, Any]:
        labels = self._dataset.labels[group]
        offered = np.argsort(-labels, kind="stable")[:_OFFERED].tolist()
        return {
            "group": group,
            "place": self._dataset.places[group],
            "sightings": int(self._dataset.sightings[group]),
            "decided": self._dataset.corrections.get(group),
            "offered": [
                {
                    "label": BUILTIN.labels[label],
                    "probability": round(float(labels[label]), 4),
                    "examples": [each for each in self._examples[label] if each != group],
                }
                for label in offered
            ],
        }


def _parse(body: bytes) -> tuple[int, str | None] | None:
    try:
        said = json.loads(body)
        group, label = said["group"], said["label"]
    except (ValueError, KeyError, TypeError):
        return None
    if type(group) is not int or not isinstance(label, str | None):
        return None
    return group, label


def _refused(why: str, *, status: int = 400) -> Response:
    return JSONResponse({"error": why}, status_code=status)

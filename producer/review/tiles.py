"""The pictures of a dataset by doubt, decisions to disk before they are answered."""

import io
from typing import Any

import numpy as np
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models.bootstrap.dataset import NOTHING, Dataset
from producer.review.server import application, odd_span, refused, said, span

#: Labels offered for a picture, and sure pictures shown for each.
_OFFERED, _EXAMPLES = 6, 5


def make(dataset: Dataset, *, secret: str = "") -> Starlette:
    """The ASGI application; `secret`: see `application`."""
    pages = _Pages(dataset)
    return application(
        "review.html",
        [
            Route("/groups", pages.groups),
            Route("/pictures/{group:int}", pages.picture),
            Route("/decisions", pages.decide, methods=["POST"]),
        ],
        secret=secret,
    )


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
            for label in range(len(dataset.kind.labels))
        }

    def groups(self, request: Request) -> Response:
        """``?from=0&count=50``: pictures in the order of doubt, with what may be said of them."""
        wanted = span(request)
        if wanted is None:
            return odd_span()
        start, count = wanted
        listed = [self._describe(group) for group in self._order[start : start + count]]
        return JSONResponse(
            {
                "groups": listed,
                "total": len(self._dataset),
                "decided": len(self._dataset.corrections),
                "labels": self._dataset.kind.labels,
            },
            headers={"Cache-Control": "no-store"},
        )

    def picture(self, request: Request) -> Response:
        group = request.path_params["group"]
        if group >= len(self._dataset):
            return refused(f"picture {group}; there are {len(self._dataset)}", status=404)
        file = io.BytesIO()
        Image.fromarray(np.asarray(self._dataset.pictures[group])).save(file, "PNG")
        return Response(file.getvalue(), media_type="image/png")

    async def decide(self, request: Request) -> Response:
        """``{"group": 12, "label": "锣"}``; an empty label: none of them; null: taken back."""
        body = await said(request)
        if isinstance(body, Response):
            return body
        decision = _decision(body)
        if decision is None:
            return refused('expected {"group": number, "label": text or null}')
        group, label = decision
        if not 0 <= group < len(self._dataset):
            return refused(f"picture {group}; there are {len(self._dataset)}", status=404)
        if label is not None and label != NOTHING and label not in self._dataset.kind.index:
            return refused(f"{label[:20]!r} is none of the {len(self._dataset.kind.labels)} labels")
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
                    "label": self._dataset.kind.labels[label],
                    "probability": round(float(labels[label]), 4),
                    "examples": [each for each in self._examples[label] if each != group],
                }
                for label in offered
            ],
        }


def _decision(body: Any) -> tuple[int, str | None] | None:
    try:
        group, label = body["group"], body["label"]
    except (KeyError, TypeError):
        return None
    if type(group) is not int or not isinstance(label, str | None):
        return None
    return group, label

"""The captchas of a folder by doubt, answers to answers.csv before they are answered."""

import mimetypes
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from models.datasets.answers import Answer
from producer.review.labelling import Labelling
from producer.review.server import application, odd_span, refused, said, span
from tilefleet.errors import BadAnswers
from tilefleet.layout import Layout

#: Words of a header, and characters of a word, at most.
_MOST_WORDS, _LONGEST = 4, 20


def make(labelling: Labelling, *, secret: str = "") -> Starlette:
    """The ASGI application; `secret`: see `application`."""
    pages = _Pages(labelling)
    return application(
        "label.html",
        [
            Route("/captchas", pages.captchas),
            Route("/pictures/{number:int}", pages.picture),
            Route("/decisions", pages.decide, methods=["POST"]),
            Route("/undo", pages.undo, methods=["POST"]),
        ],
        secret=secret,
    )


class _Pages:
    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling

    def captchas(self, request: Request) -> Response:
        """``?from=0&count=50``: captchas in the order of doubt, guesses and what was said."""
        wanted = span(request)
        if wanted is None:
            return odd_span()
        start, count = wanted
        total, kind = len(self._labelling.captchas), self._labelling.kind
        return JSONResponse(
            {
                "captchas": [self._describe(n) for n in range(start, min(start + count, total))],
                "total": total,
                "decided": self._labelling.decided,
                "labels": kind.labels,
                "size": kind.layout.size,
                # x, y, width, height.
                "boxes": [[*corner, *kind.layout.tile] for corner in kind.layout.corners],
            },
            headers={"Cache-Control": "no-store"},
        )

    def picture(self, request: Request) -> Response:
        number = request.path_params["number"]
        if number >= len(self._labelling.captchas):
            return self._unknown(number)
        path = self._labelling.folder / self._labelling.captchas[number].file
        if not path.is_file():
            return refused(f"{path.name} is gone", status=404)
        # What it is was found out when it was read: nothing but pictures is shown.
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})

    async def decide(self, request: Request) -> Response:
        """``{"number": 12, "words": ["锣"], "picks": [3]}``; words null: taken back."""
        body = await said(request)
        if isinstance(body, Response):
            return body
        try:
            number, words, picks = body["number"], body["words"], body["picks"]
        except (KeyError, TypeError):
            return refused('expected {"number": number, "words": list or null, "picks": list}')
        if type(number) is not int or not 0 <= number < len(self._labelling.captchas):
            return self._unknown(number)
        if words is not None and (why := _odd(words, picks, self._labelling.kind.layout)):
            return refused(why)
        answer = None if words is None else Answer(tuple(words), tuple(sorted(picks)))
        try:
            # On disk before the answer: this is short, and people send one at a time.
            self._labelling.decide(number, answer)
        except (BadAnswers, OSError) as error:
            return refused(str(error), status=500)
        return self._told(number)

    async def undo(self, request: Request) -> Response:
        """``{}``: takes the last decision of this run back, and tells of what captcha it was."""
        body = await said(request)
        if isinstance(body, Response):
            return body
        try:
            number = self._labelling.undo()
        except (BadAnswers, OSError) as error:
            return refused(str(error), status=500)
        return refused("nothing to take back", status=409) if number is None else self._told(number)

    def _told(self, number: int) -> Response:
        said = self._describe(number)["said"]
        return JSONResponse({"number": number, "said": said, "decided": self._labelling.decided})

    def _unknown(self, number: object) -> Response:
        total = len(self._labelling.captchas)
        return refused(f"captcha {str(number)[:20]}; there are {total}", status=404)

    def _describe(self, number: int) -> dict[str, Any]:
        captcha, answer = self._labelling.captchas[number], self._labelling.answer(number)
        return {
            "number": number,
            "file": captcha.file,
            "confidence": round(captcha.guess.confidence, 4),
            "words": [word.label for word in captcha.guess.words],
            "picks": list(captcha.guess.picks),
            "tiles": [
                {"label": tile.label, "confidence": round(tile.confidence, 4)}
                for tile in captcha.guess.tiles
            ],
            "said": answer and {"words": list(answer.words), "picks": list(answer.picks)},
        }


def _odd(words: Any, picks: Any, layout: Layout) -> str:
    """Why that is no answer, or nothing."""
    if not isinstance(words, list) or not 1 <= len(words) <= _MOST_WORDS:
        return f"an answer has 1 to {_MOST_WORDS} words"
    for word in words:
        if not isinstance(word, str) or not 1 <= len(word) <= _LONGEST or not word.isprintable():
            return f"a word has 1 to {_LONGEST} characters"
        if any(each.isspace() or each in ",;、，；" for each in word):
            return f"{word!r} is more than one word"
    if not isinstance(picks, list) or not picks:
        return "an answer has one tile at least"
    if any(type(pick) is not int or not 1 <= pick <= layout.count for pick in picks):
        return f"tiles are numbered 1 to {layout.count}"
    if len(set(picks)) != len(picks):
        return "a tile is picked once"
    return ""

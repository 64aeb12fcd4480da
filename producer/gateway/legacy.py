"""What the old servers answered, byte for byte, so that their clients need not change.

12306_code_server (`/verify/base64/`), 12306-ocr (`/check`), easy12306-java (`/result/…`,
`/predict/…`). All of them say HTTP 200 whatever happens; what cannot be read, or is not answered
before their clients give up, is "nothing found". Their clients look for a header by its name as
those servers wrote it (``Content-Type``), and some send JSON where these read forms.
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from producer.gateway import body, context, solving
from tilefleet.answer import Answer
from tilefleet.errors import BadMessage, TilefleetError
from tilefleet.kind import BUILTIN

#: The oldest clients give up after five seconds.
_TIMEOUT_S = 4.5
#: As Flask and Sanic call it, and as Spring does.
_JSON, _JAVA_JSON = "application/json", "application/json;charset=UTF-8"


class Reply(Response):
    """One whose head is written as the old servers wrote theirs."""

    def __init__(self, text: str, media_type: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text, headers=headers, media_type=media_type)
        self.raw_headers.sort(key=lambda each: each[0] == b"content-length")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["bare"] = True
        # `connection.protocol` writes it; another server has names of its own.
        if titled := scope["state"].get("titled"):
            titled()
        await super().__call__(scope, receive, send)


def hello() -> Response:
    """What 12306_code_server says at ``/``; `page` has the route, and a page of its own there."""
    return Reply("Hello World!", "text/html; charset=utf-8", {"Vary": "Accept"})


async def verify(request: Request) -> Response:
    """12306_code_server; the key is ``massage``, and the tiles are strings."""
    answer = await _solve(request, await _text(request, "imageFile"))
    if answer is None or not answer.picks:
        return _json({"code": 1, "massage": "识别失败", "data": []})
    picks = [str(pick) for pick in answer.picks]
    return _json({"code": 0, "massage": "识别成功", "data": picks})


async def check(request: Request) -> Response:
    """12306-ocr."""
    text = await _text(request, "img")
    if not text:
        return _json({"msg": "Wrong format. "})
    answer = await _solve(request, text)
    picks: Any = list(answer.picks) if answer is not None else []
    return _json({"msg": "success", "result": picks or ""})


async def result_pic(request: Request) -> Response:
    return _java(_clicks, await _file(request))


async def result_base64(request: Request) -> Response:
    return _java(_clicks, await _base64_string(request))


async def predict_pic(request: Request) -> Response:
    return _java(_labels, await _file(request))


async def predict_base64(request: Request) -> Response:
    return _java(_labels, await _base64_string(request))


ROUTES = [
    Route("/verify/base64/", verify, methods=["POST"]),
    Route("/check", check, methods=["POST"]),
    Route("/check/", check, methods=["POST"]),
    Route("/result/pic", result_pic, methods=["POST"]),
    Route("/result/base64", result_base64, methods=["POST"]),
    Route("/predict/pic", predict_pic, methods=["POST"]),
    Route("/predict/base64", predict_base64, methods=["POST"]),
]

#: Their clients write a slash at the end, or none.
SPELLINGS = {
    path: route
    for route in ROUTES
    for path in (route.path.rstrip("/"), route.path.rstrip("/") + "/")
}

#: An answer that may be missing, or the error to reply with.
_Found = tuple[Answer | None, dict[str, Any] | None]


def _java(show: Any, found: _Found) -> Response:
    answer, error = found
    return _json(error or {"code": 0, "msg": "成功", "data": show(answer)}, _JAVA_JSON)


def _clicks(answer: Answer | None) -> str:
    """``40,77,112,149``: where to click, word by word, then row by row."""
    if answer is None:
        return ""
    order = {word.label: number for number, word in enumerate(answer.words)}
    pairs = sorted(
        zip(answer.picks, answer.points, strict=True),
        key=lambda pair: (order.get(answer.tiles[pair[0] - 1].label, len(order)), pair[0]),
    )
    return ",".join(f"{x},{y}" for _, (x, y) in pairs)


def _labels(answer: Answer | None) -> dict[str, Any]:
    """The words and what each tile shows; columns and rows count from 0."""
    if answer is None:
        return {"questions": [], "pictures": []}
    columns = (answer.grid or BUILTIN.grid).columns
    pictures = [
        {"x": number % columns, "y": number // columns, "desc": tile.label}
        for number, tile in enumerate(answer.tiles)
    ]
    return {"questions": [word.label for word in answer.words], "pictures": pictures}


async def _file(request: Request) -> _Found:
    picture = await _field(request, "file")
    if not picture:
        return None, {"code": 1, "msg": "上传的文件不能为空", "data": None}
    return await _solve(request, picture, decoded=True), None


async def _base64_string(request: Request) -> _Found:
    text = await _text(request, "base64String")
    if text is None:
        return None, {"code": 10, "msg": "Base64文件不能为空", "data": None}
    return await _solve(request, text), None


async def _text(request: Request, name: str) -> bytes | None:
    """A field of a form or of a JSON object, or the address's parameter of that name."""
    found = await _field(request, name)
    parameter = request.query_params.get(name)
    return found if parameter is None else parameter.encode()


async def _field(request: Request, name: str) -> bytes | None:
    """None also where the form cannot be read: to those servers it was empty."""
    data = await body.read(request, context.of(request).most_body)
    try:
        return await body.field(request, data, name)
    except BadMessage:
        return None


async def _solve(request: Request, text: bytes | None, *, decoded: bool = False) -> Answer | None:
    if not text:
        return None
    try:
        picture = text if decoded else await body.decode_long(request, text)
        return await solving.solve(request, picture, timeout=_TIMEOUT_S)
    except TilefleetError:
        # Counted in the metrics, by its class.
        return None


def _json(value: Any, media_type: str = _JSON) -> Response:
    """As the old servers wrote it: no spaces, characters as they are."""
    return Reply(json.dumps(value, ensure_ascii=False, separators=(",", ":")), media_type)

"""The clean API: a captcha in, the answer object out."""

from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from models import wire
from models.errors import BadMessage
from producer.async_client import AsyncClient
from producer.gateway import body

#: Seconds to wait for an answer, unless the request says otherwise, and at most.
_TIMEOUT_S, _LONGEST_S = 10.0, 60.0


async def solve(request: Request) -> Response:
    """``POST /v1/solve``: a raw picture, a form with one file, or JSON with ``image`` as base64."""
    state = request.app.state
    data = await body.read(request, state.most_body)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        data = _base64(body.parse(data).get("image"))
    elif kind == "multipart/form-data":
        async with body.form(request, data) as form:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise BadMessage(f"a form with {len(files)} files; exactly one is wanted")
            data = await files[0].read()
    answer = await state.fleet.solve(data, timeout=_timeout(request))
    return JSONResponse(answer.encode())


async def solve_many(request: Request) -> Response:
    """``POST /v1/solve-many``: a form with files, or JSON with ``images`` as base64.

    Answers, or error objects in their places, in the same order; read when nobody waits.
    """
    state = request.app.state
    data = await body.read(request, state.most_body * state.settings.max_list // 8)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with body.form(request, data) as form:
            files = [v for _, v in form.multi_items() if isinstance(v, UploadFile)]
            images = [await file.read() for file in files]
    else:
        listed = body.parse(data).get("images")
        if not isinstance(listed, list):
            raise BadMessage("images is missing or no list")
        images = [_base64(each) for each in listed]
    most = state.settings.max_list
    if not 1 <= len(images) <= most:
        raise BadMessage(f"a list of {len(images)} images; 1 to {most} are accepted")
    fleet: AsyncClient = state.fleet
    timeout = _timeout(request)
    outcomes = [
        wire.encode_error(outcome) if isinstance(outcome, Exception) else outcome.encode()
        async for _, outcome in fleet.outcomes(images, window=most, timeout=timeout, bulk=True)
    ]
    return JSONResponse(outcomes)


async def healthz(_: Request) -> Response:
    """``GET /healthz``: this process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """``GET /readyz``: there are workers; and what waits for them."""
    fleet: AsyncClient = request.app.state.fleet
    seen = await fleet.look()
    ready = {
        "workers": seen.fleet.workers,
        "captchas_per_second": round(seen.fleet.rate, 1),
        "waiting": {lane: seen.waiting(lane) for lane in (wire.LANE, wire.BULK_LANE)},
    }
    return JSONResponse(ready, 200 if seen.fleet.workers else 503)


ROUTES = [
    Route("/v1/solve", solve, methods=["POST"]),
    Route("/v1/solve-many", solve_many, methods=["POST"]),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
]


def _base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise BadMessage(f"an image is base64 text, not {type(value).__name__}")
    return body.decode(value)


def _timeout(request: Request) -> float:
    text = request.query_params.get("timeout", str(_TIMEOUT_S))
    try:
        timeout = float(text)
    except ValueError:
        timeout = -1.0
    if not 0 < timeout <= _LONGEST_S:
        raise BadMessage(f"timeout={text!r}: seconds, above 0 and at most {_LONGEST_S:g}")
    return timeout

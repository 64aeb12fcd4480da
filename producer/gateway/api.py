"""The clean API: a captcha in, the answer object out."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from producer.gateway import body, context, metrics
from producer.gateway.context import Context
from producer.gateway.long_json import LongJson
from producer.gateway.openapi import LONGEST_S, TIMEOUT_S
from tilefleet import wire
from tilefleet.errors import BadMessage, BadRequest


async def solve(request: Request) -> Response:
    """``POST /v1/solve``: a raw picture, a form with one file, or JSON with ``image`` as base64."""
    timeout, here = _timeout(request), context.of(request)
    data = await body.read(request, here.most_body)
    kind = body.kind(request)
    if kind == "application/json":
        read = await LongJson.parse(data)
        data = body.decode(read.text(read.get("image"), here.most_body))
    elif kind == "multipart/form-data":
        async with body.form(request, data) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise BadMessage(f"a form with {len(files)} files; exactly one is wanted")
            data = await files[0].read()
    answer = await context.solve(request, data, timeout=timeout)
    return _json(answer.encode())


async def solve_many(request: Request) -> Response:
    """``POST /v1/solve-many``: a form with files, or JSON with ``images`` as base64.

    Answers, or error objects in their places, in the same order; read when nobody waits.
    """
    timeout = _timeout(request)
    here = context.of(request)
    data = await body.read(request, here.most_list_body)
    images: list[bytes | BadRequest]
    if body.kind(request) == "multipart/form-data":
        async with body.form(request, data) as form:
            files = [v for _, v in form.multi_items() if isinstance(v, UploadFile)]
            _check_length(files, here)
            images = [await here.content(file) for file in files]
    else:
        images = await _listed(data, here)
    return _json(await context.solve_many(request, images, timeout=timeout))


async def healthz(_: Request) -> Response:
    """``GET /healthz``: this process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """``GET /readyz``: 200 if there are workers; and what waits for them."""
    here = context.of(request)
    seen = await here.fleet.look()
    waiting = {lane: seen.waiting(lane) for lane in (wire.LANE, wire.BULK_LANE)}
    drain_s = seen.fleet.drain_s(sum(waiting.values()))
    ready = {
        "workers": seen.fleet.workers,
        "captchas_per_second": round(seen.fleet.rate, 1),
        "waiting": waiting,
        "drain_seconds": None if drain_s is None else round(drain_s, 2),
        "answered": here.metrics.answered,
    }
    return _json(ready, 200 if seen.fleet.workers else 503)


async def show_metrics(request: Request) -> Response:
    """``GET /metrics``: for Prometheus; whose keys are used is not for everybody."""
    here = context.of(request)
    seen = await here.fleet.look()
    ages = await metrics.oldest(here.store, key_prefix=here.settings.key_prefix)
    return Response(
        here.metrics.show(seen, ages, names=request.state.trusted),
        headers={"Content-Type": metrics.CONTENT_TYPE},
    )


async def document(request: Request) -> Response:
    """``GET /openapi.json``: this API, described for programs."""
    return _json(context.of(request).document)


#: With a key, where keys are asked for.
ROUTES = [
    Route("/v1/solve", solve, methods=["POST"]),
    Route("/v1/solve-many", solve_many, methods=["POST"]),
]
#: For everybody.
OPEN_ROUTES = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/openapi.json", document),
    Route("/metrics", show_metrics),
]


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def _listed(data: bytes, here: Context) -> list[bytes | BadRequest]:
    """The pictures of a JSON list, or what is wrong with each in its place."""
    read = await LongJson.parse(data)
    listed = read.get("images")
    if not isinstance(listed, list):
        raise BadMessage("images is missing or no list")
    _check_length(listed, here)
    images: list[bytes | BadRequest] = []
    for each in listed:
        try:
            images.append(body.decode(read.text(each, here.most_body)))
        except BadRequest as error:
            images.append(error)
        await asyncio.sleep(0)
    return images


def _check_length(listed: Sequence[object], here: Context) -> None:
    most = here.settings.max_list
    if not 1 <= len(listed) <= most:
        raise BadMessage(f"a list of {len(listed)} images; 1 to {most} are accepted")


def _timeout(request: Request) -> float:
    if not request.scope["query_string"]:
        return TIMEOUT_S
    text = request.query_params.get("timeout", str(TIMEOUT_S))
    try:
        timeout = float(text)
    except ValueError:
        timeout = -1.0
    if not 0 < timeout <= LONGEST_S:
        raise BadMessage(f"timeout={text!r}: seconds, above 0 and at most {LONGEST_S:g}")
    return timeout

"""The clean API: a captcha in, the answer object out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from producer.gateway import body, context, idempotency, lines, metrics, problem, solving
from producer.gateway.context import Context
from producer.gateway.formats import base64_text
from producer.gateway.formats.long_json import LongJson
from producer.gateway.idempotency import Reply
from producer.gateway.lines import Lines
from producer.gateway.openapi import LONGEST_S, TIMEOUT_S
from tilefleet import wire
from tilefleet.errors import BadMessage, BadRequest

#: Of JSON, in the place of pictures.
_ADDRESSES = ("url", "urls", "image_url", "image_urls")
_ADDRESSES_A_TURN = 256
#: Characters of a text that are looked at for one.
_BEGIN = 1024


async def solve(request: Request) -> Response:
    """``POST /v1/solve``: a raw picture, a form with one file, or JSON with ``image`` as base64."""
    timeout, here = _timeout(request), context.of(request)
    model = context.model(request)
    data = await body.read(request, here.most_body)
    kind = body.kind(request)
    if kind == "application/json":
        read = await _parse(request, data)
        data = await body.decode_long(
            request, await read.text(read.needed("image"), here.most_body)
        )
    elif kind == "multipart/form-data":
        async with body.form(request, data) as form:
            files = _files(form)
            if len(files) != 1:
                raise BadMessage(f"a form with {len(files)} files; exactly one is wanted")
            data = await files[0].read()
    else:
        base64_text.refuse_address(data)

    async def reply() -> Response:
        answer = await solving.solve(request, data, timeout=timeout, model=model)
        return _json(answer.encode())

    return await _once(request, [data], reply, timeout=timeout)


async def solve_many(request: Request) -> Response:
    """``POST /v1/solve-many``: a form with files, or JSON with ``images`` as base64.

    Answers, or error objects in their places, in the same order; read when nobody waits. To whom
    accepts NDJSON, a line for each as soon as it is there.
    """
    timeout, model = _timeout(request), context.model(request)
    here = context.of(request)
    images: list[bytes | BadRequest]
    if body.kind(request) == "multipart/form-data":
        pieces = await body.read_pieces(request, here.most_list_body)
        async with body.forms(request, pieces) as form:
            files = _files(form)
            _check_length(files, here)
            images = []
            for file in files:
                images.append(await here.content(file))
                await context.turn(request)
    else:
        images = await _listed(request, await body.read(request, here.most_list_body))

    async def reply() -> Response:
        if lines.wanted(request):
            placed = solving.solve_as_they_come(request, images, timeout=timeout, model=model)
            return Lines(await placed)
        return _json(await solving.solve_many(request, images, timeout=timeout, model=model))

    return await _once(request, images, reply, timeout=timeout)


async def healthz(_: Request) -> Response:
    """``GET /healthz``: this process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """``GET /readyz``: 200 if there are workers; and what waits for them."""
    here = context.of(request)
    seen = await here.look()
    waiting = dict.fromkeys(wire.LANES, 0)
    for lane in seen.lanes:
        # Of all models together.
        waiting[wire.BULK_LANE if wire.is_bulk(lane) else wire.LANE] += seen.waiting(lane)
    drain_s = seen.fleet.drain_s(sum(waiting.values()))
    ready = {
        "workers": seen.fleet.workers,
        "captchas_per_second": round(seen.fleet.rate, 1),
        "waiting": waiting,
        "drain_seconds": None if drain_s is None else round(drain_s, 2),
        "models": context.models(request, seen.fleet.models),
        "answered": here.metrics.answered,
    }
    return _json(ready, 200 if seen.fleet.workers else 503)


async def show_metrics(request: Request) -> Response:
    """``GET /metrics``: for Prometheus; whose keys are used is not for everybody."""
    shown = await context.of(request).shown[request.state.trusted]()
    return Response(shown, headers={"Content-Type": metrics.CONTENT_TYPE})


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


async def _once(
    request: Request,
    pictures: Sequence[bytes | BadRequest],
    reply: Callable[[], Awaitable[Response]],
    *,
    timeout: float,
) -> Response:
    """What `reply` gives; where the request has a key, once for all requests with that key."""
    key = request.headers.get(idempotency.HEADER)
    if key is None:
        return await reply()
    replies, owner = context.of(request).replies, request.state.key
    what = f"{request.url.path} {lines.wanted(request)} {context.model(request) or ''}"
    this, kept = await replies.begin(
        key,
        owner="" if owner is None else owner.name,
        asked=await asyncio.to_thread(idempotency.asked, what, pictures),
        timeout=timeout,
    )
    if kept is not None:
        headers = {idempotency.REPLAYED: "true"}
        return Response(kept.body, kept.status, headers, media_type=kept.kind)
    try:
        made = await reply()
    except BadRequest as error:
        # It stays wrong however often it is sent.
        made = problem.reply(error)
    except BaseException:
        replies.forget(this)
        raise
    kind = made.media_type or ""
    if isinstance(made, Lines):
        made.whole = lambda all_of_it: replies.keep(this, Reply(200, kind, all_of_it))
        made.broken = lambda: replies.forget(this)
    else:
        await replies.keep(this, Reply(made.status_code, kind, bytes(made.body)))
    return made


async def _parse(request: Request, data: bytes) -> LongJson:
    """JSON; raises BadMessage for what has addresses in the place of pictures, too."""
    read = await body.long_json(request, data)
    for name in _ADDRESSES:
        given = read.get(name)
        for number, each in enumerate(given if isinstance(given, list) else [given]):
            if isinstance(each, str):
                base64_text.refuse_address(await read.text(each, wire.MOST_IMAGE_BYTES))
            if number % _ADDRESSES_A_TURN == _ADDRESSES_A_TURN - 1:
                await context.turn(request)
    return read


def _files(form: FormData) -> list[UploadFile]:
    """The files of a form; raises BadMessage where there are addresses in their place."""
    values = [value for _, value in form.multi_items()]
    for value in values:
        if isinstance(value, str):
            base64_text.refuse_address(value[:_BEGIN].encode("utf-8", "replace"))
    return [value for value in values if isinstance(value, UploadFile)]


async def _listed(request: Request, data: bytes) -> list[bytes | BadRequest]:
    """The pictures of a JSON list, or what is wrong with each in its place.

    Raises BadMessage for addresses: who sends one has to change the program, not the picture.
    """
    read, here = await _parse(request, data), context.of(request)
    listed = read.get("images")
    if not isinstance(listed, list):
        raise BadMessage("images is missing or no list")
    _check_length(listed, here)
    images: list[bytes | BadRequest] = []
    for each in listed:
        try:
            text = await read.text(each, here.most_body)
        except BadRequest as error:
            images.append(error)
            continue
        base64_text.refuse_address(text)
        try:
            images.append(await body.decode_long(request, text))
        except BadRequest as error:
            images.append(error)
        await context.turn(request)
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
        # What Python reads, too, is no number to anybody else: 1_0.
        timeout = float(text) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        timeout = -1.0
    if not 0 < timeout <= LONGEST_S:
        raise BadMessage(f"timeout={text!r}: seconds, above 0 and at most {LONGEST_S:g}")
    return timeout

"""Errors as HTTP says them: a status, and a problem+json object (RFC 9457)."""

import logging
import math
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from tilefleet import errors
from tilefleet.errors import TilefleetError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: What a typed error's ``type`` begins with; its class follows.
TYPE = "urn:tilefleet:error:"

#: The first that fits; what is left is the worker's or our own fault.
STATUS = (
    (errors.TooLarge, 413),
    (errors.BadRequest, 400),
    (errors.UnknownModel, 404),
    (errors.Overloaded, 503),
    (errors.FleetUnreachable, 503),
    (errors.AnswerTimeout, 504),
    (errors.Revoked, 504),
    (TilefleetError, 500),
)
#: Seconds after which to try again, where nobody knows better.
_RETRY_AFTER_S = 1


def status(error: TilefleetError) -> int:
    return next(code for kind, code in STATUS if isinstance(error, kind))


def reply(error: Exception) -> JSONResponse:
    """The reply to a request that ended with this error."""
    if isinstance(error, TilefleetError):
        return _of_fleet(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    logger.error("a request failed", exc_info=error)
    return _of_http(HTTPException(500, "the gateway failed; its log says how"))


def _of_fleet(error: TilefleetError) -> JSONResponse:
    """Ours."""
    headers = {}
    if status(error) == 413:
        # There may be more of the body to come.
        headers["Connection"] = "close"
    if status(error) == 503:
        drain_s = getattr(error, "drain_s", None) or _RETRY_AFTER_S
        headers["Retry-After"] = str(max(1, math.ceil(drain_s)))
    name = type(error).__name__
    return _problem(status(error), TYPE + name, name, str(error), headers)


def _of_http(error: HTTPException) -> JSONResponse:
    """No such path, wrong method, no key, too slow, too much."""
    title = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404 and detail == title:
        detail = "no such path; GET /docs shows those that there are"
    return _problem(error.status_code, "about:blank", title, detail, headers)


def _problem(
    code: int, kind: str, title: str, detail: str, headers: dict[str, str]
) -> JSONResponse:
    return JSONResponse(
        {"type": kind, "title": title, "status": code, "detail": detail},
        code,
        headers,
        media_type=MEDIA_TYPE,
    )

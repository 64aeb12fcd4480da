"""Errors as HTTP says them: a status, and a problem+json object (RFC 9457)."""

import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from models import errors
from models.errors import TilefleetError

#: The first that fits; what is left is the worker's or our own fault.
_STATUS = (
    (errors.TooLarge, 413),
    (errors.BadRequest, 400),
    (errors.Overloaded, 503),
    (errors.FleetUnreachable, 503),
    (errors.AnswerTimeout, 504),
    (errors.Revoked, 504),
)
#: Seconds after which to try again, where nobody knows better.
_RETRY_AFTER_S = 1


def status(error: TilefleetError) -> int:
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


async def of_fleet(_: Request, error: Exception) -> JSONResponse:
    """Ours."""
    assert isinstance(error, TilefleetError)
    headers = {}
    if status(error) == 503:
        drain_s = getattr(error, "drain_s", None) or _RETRY_AFTER_S
        headers["Retry-After"] = str(max(1, math.ceil(drain_s)))
    return _problem(status(error), type(error).__name__, str(error), headers)


async def of_http(_: Request, error: Exception) -> JSONResponse:
    """Starlette's: no such path, wrong method, too slow."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return _problem(error.status_code, "HTTP", str(error.detail), headers)


def _problem(code: int, title: str, detail: str, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(
        {"type": f"urn:tilefleet:error:{title}", "title": title, "status": code, "detail": detail},
        code,
        headers,
        media_type="application/problem+json",
    )

"""A FastAPI application: ``POST /read`` with a file gives the picks as JSON.

One client serves all requests of the process; it is closed with it.

python examples/fastapi_view.py 8080
curl --form captcha=@captcha.jpg http://127.0.0.1:8080/read
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File, HTTPException, Request

from tilefleet import AsyncClient, BadRequest, FleetError, Overloaded


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, AsyncClient]]:
    async with AsyncClient(retries=5) as fleet:
        yield {"fleet": fleet}


app = FastAPI(lifespan=lifespan)


@app.post("/read")
async def read(request: Request, captcha: Annotated[bytes, File()]) -> dict[str, list[object]]:
    try:
        # A visitor that goes away cancels this, and the captcha is revoked.
        answer = await request.state.fleet.solve(captcha, timeout=10)
    except BadRequest as error:
        raise HTTPException(400, str(error)) from None
    except Overloaded as error:
        wait = {"Retry-After": str(round(error.drain_s or 1) or 1)}
        raise HTTPException(503, str(error), wait) from None
    except FleetError as error:
        raise HTTPException(503, str(error)) from None
    return {"picks": list(answer.picks), "points": list(answer.points)}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))

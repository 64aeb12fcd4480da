"""What all requests share, and the one way from any of them to the fleet."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producer.client.asynchronous import AsyncClient
from producer.gateway.keys import Key
from producer.gateway.metrics import Metrics
from producer.gateway.quota import Quota
from tilefleet import wire
from tilefleet.answer import Answer
from tilefleet.errors import BadRequest, TilefleetError, TooLarge
from tilefleet.settings import Settings


@dataclass(slots=True)
class Context:
    """One gateway process, open."""

    settings: Settings
    fleet: AsyncClient
    quota: Quota
    metrics: Metrics
    #: A connection to the server, for what is no captcha.
    store: Any
    #: The API's description.
    document: dict[str, Any]
    #: Bytes of bodies that are held at most, all requests together, and those of one address.
    most_held: int = 256 << 20
    most_held_by_one: int = 128 << 20
    held: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def check_size(self, picture: bytes) -> None:
        """Raises TooLarge for what no worker would read, before it is sent to one."""
        if len(picture) > self.settings.max_bytes:
            raise self.too_large(len(picture))

    def too_large(self, length: int) -> TooLarge:
        return TooLarge(f"{length} bytes; at most {self.settings.max_bytes} are accepted")

    async def content(self, file: UploadFile) -> bytes | TooLarge:
        """What is in a file of a form, or the error in its place."""
        if (file.size or 0) > self.settings.max_bytes:
            return self.too_large(file.size or 0)
        return await file.read()

    def checked(self, picture: bytes | BadRequest) -> bytes | BadRequest:
        """The error in the place of what is too large."""
        if isinstance(picture, bytes) and len(picture) > self.settings.max_bytes:
            return self.too_large(len(picture))
        return picture

    def hold(self, who: str, count: int) -> None:
        """So many bytes more of a body; raises 503 where it is too much."""
        self.total += count
        self.held[who] += count
        for held, most, whose in (
            (self.total, self.most_held, ""),
            (self.held[who], self.most_held_by_one, " of one address"),
        ):
            if held > most:
                raise HTTPException(
                    503,
                    f"{held} bytes of bodies{whose} at once; at most {most}",
                    {"Retry-After": "1", "Connection": "close"},
                )

    def release(self, who: str, count: int) -> None:
        self.total -= count
        self.held[who] -= count
        if not self.held[who]:
            del self.held[who]

    @property
    def most_body(self) -> int:
        """Of one captcha: as base64 in a form, percent-encoded where it must be, and more."""
        return 2 * self.settings.max_bytes + (64 << 10)

    @property
    def most_list_body(self) -> int:
        """Of a list; a longer one is sent in parts."""
        return min(self.most_body * self.settings.max_list, 64 << 20)


def of(request: Request) -> Context:
    context: Context = request.state.gateway
    return context


async def solve(request: Request, picture: bytes, *, timeout: float) -> Answer:
    """One captcha of whoever asks, within `timeout` seconds for all that it takes.

    Raises what AsyncClient raises, and 429.
    """
    here, key = of(request), _key(request)
    left_s = await here.quota.take(key, 1, timeout=timeout)
    try:
        here.check_size(picture)
        answer = await here.fleet.solve(picture, timeout=left_s)
    except TilefleetError as error:
        here.metrics.solved(key, type(error).__name__)
        raise
    here.metrics.solved(key)
    return answer


async def solve_many(
    request: Request, pictures: Sequence[bytes | BadRequest], *, timeout: float
) -> list[dict[str, Any]]:
    """A list: answers, or error objects in their places; read when nobody waits.

    What could not be decoded comes as its error, and is given back as that.
    """
    here, key = of(request), _key(request)
    left_s = await here.quota.take(key, len(pictures), timeout=timeout)
    outcomes = []
    window = here.settings.max_list
    checked = [here.checked(picture) for picture in pictures]
    decoded = [picture for picture in checked if isinstance(picture, bytes)]
    answers = here.fleet.outcomes(decoded, window=window, timeout=left_s, bulk=True)
    for picture in checked:
        outcome = (await anext(answers))[1] if isinstance(picture, bytes) else picture
        if isinstance(outcome, Answer):
            here.metrics.solved(key)
            outcomes.append(outcome.encode())
        else:
            here.metrics.solved(key, type(outcome).__name__)
            outcomes.append(wire.encode_error(outcome))
    return outcomes


def _key(request: Request) -> Key | None:
    key: Key | None = request.state.key
    return key

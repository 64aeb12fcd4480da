"""A form with files in it, read in turns.

Starlette's parser, of which three things are other: no more of a file is kept than a picture may
have, what was parsed of the body is given back on the way, and files are closed one after the
other: to give back tens of megabytes at once takes the event loop some hundredths of a second.
"""

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import IO

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from producer.gateway.connection.turns import Slices
from tilefleet.errors import BadMessage

#: Bytes that are parsed before others have their turn: at first, and at most.
_SLICE, _MOST_SLICE = 16 << 10, 64 << 10
#: Fields that are no files.
_MOST_FIELDS = 100
#: What is held in memory anyway does not go to the disk first.
_MOST_SPOOLED = 1 << 30
#: How clients of old name files with other letters than ASCII (RFC 5987): they are files as well.
_ENCODED_NAME = re.compile(rb";\s{0,64}filename\*=", re.IGNORECASE)

Turn = Callable[[], Awaitable[None]]


@asynccontextmanager
async def form(
    headers: Headers,
    pieces: deque[bytes],
    turn: Turn,
    *,
    files: int,
    most_text: int,
    most_file: int | None = None,
) -> AsyncIterator[FormData]:
    """The fields of a body that was read already; its `pieces` are taken away on the way.

    With `files` at most, of each text `most_text` bytes at most. Of a file that is longer than
    `most_file` bytes only the size is known. Raises BadMessage.
    """
    opened: list[IO[bytes]] = []
    async with aclosing(_slices(pieces, turn)) as slices:
        parser = _Parser(
            headers, slices, max_files=files, max_fields=_MOST_FIELDS, max_part_size=most_text
        )
        parser.opened, parser.most_file = opened, most_file
        try:
            yield await parser.parse()
        except MultiPartException as error:
            raise BadMessage(f"a form that cannot be read: {error.message}") from None
        finally:
            for file in opened:
                file.close()
                await turn()


async def _slices(pieces: deque[bytes], turn: Turn) -> AsyncGenerator[bytes, None]:
    slices = Slices(_SLICE, _MOST_SLICE)
    while pieces:
        piece, at = pieces.popleft(), 0
        while at < len(piece):
            await turn()
            end = at + slices.begin(len(piece) - at)
            yield piece[at:end]
            slices.end()
            at = end


class _Parser(MultiPartParser):
    spool_max_size = _MOST_SPOOLED
    most_file: int | None = None
    #: All files, which somebody else closes.
    opened: list[IO[bytes]]

    def on_headers_finished(self) -> None:
        part = self._current_part
        part.content_disposition = _ENCODED_NAME.sub(b";filename=", part.content_disposition or b"")
        super().on_headers_finished()
        self.opened += self._files_to_close_on_error
        self._files_to_close_on_error.clear()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        file = self._current_part.file
        if file is None or self.most_file is None or (file.size or 0) <= self.most_file:
            super().on_part_data(data, start, end)
        else:
            file.size = (file.size or 0) + end - start

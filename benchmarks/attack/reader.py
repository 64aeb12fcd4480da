"""What is attacked and only reads: ``python -m benchmarks.attack.reader PORT``.

It hears everything, and answers a connection once it has been silent for a moment, so that who
attacks it has as much to do as where a gateway refuses.
"""

import asyncio
import sys

_SILENT_S = 0.02
_REPLY = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Reader(asyncio.Protocol):
    """One connection."""

    _transport: asyncio.Transport
    _silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._silent is not None:
            self._silent.cancel()
        self._silent = asyncio.get_running_loop().call_later(_SILENT_S, self._answer)

    def connection_lost(self, _: Exception | None) -> None:
        if self._silent is not None:
            self._silent.cancel()

    def _answer(self) -> None:
        self._transport.write(_REPLY)
        self._transport.close()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Reader, "127.0.0.1", port)
    print("begun", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

"""Servers that can be hurt, and a wire that can be cut."""

import asyncio
import os
import signal
import socket
import ssl
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic, sleep

from redis import Redis

from producer.local.ports import free_port
from producer.local.server import EmbeddedServer, find_binary
from tests.support.running import accounts
from tests.support.running.fleet import wait_until


class FragileServer(EmbeddedServer):
    """A server that writes down every change before it answers, and that can be killed."""

    def __init__(self, *options: str, **account: str) -> None:
        super().__init__("--appendonly", "yes", "--appendfsync", "always", *options, **account)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """On the same port, with what it had written down."""
        assert self._start(find_binary())


class Wire:
    """A TCP proxy before a server: it can be slow, cut, or dead without a word."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: what those that connect have to speak."""
        self._target = port
        self._tls = tls
        self.port = free_port()
        self.delay_s = 0.0
        self._is_cut = False
        self._flowing = True
        self._losing = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    @property
    def url(self) -> str:
        return accounts.url(self.port)

    def cut(self) -> None:
        """Break what is connected, refuse what wants to connect."""
        self._is_cut = True
        self._loop.call_soon_threadsafe(self._break)

    def freeze(self) -> None:
        """Nothing goes through, and nobody is told."""
        self._flowing = False

    def lead_to(self, port: int) -> None:
        """Whoever connects from now on gets to this server; nobody else is told."""
        self._target = port

    def lose_replies(self, count: int) -> None:
        """So many times, break a connection when the server replies; it has heard all the same."""
        self._losing = count

    def mend(self) -> None:
        self._is_cut, self._flowing = False, True

    def __enter__(self) -> "Wire":
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        deadline = monotonic() + 5
        while monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            sleep(0.01)
        raise TimeoutError("the proxy does not listen")

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self._tls)
        await self._stop.wait()
        server.close()
        self._break()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task

    def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await self._carry_both(reader, writer, far_reader, far_writer)
        self._writers -= {writer, far_writer}

    async def _carry_both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        """Until both ends have ended."""
        back = self._pump(far_reader, writer, replies=True)
        await asyncio.gather(self._pump(reader, far_writer), back)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool = False
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(1 << 16):
                if replies and self._losing:
                    self._losing -= 1
                    break
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                while not self._flowing:
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


class Sentinels:
    """A server, its replica, and a sentinel that makes the replica the server when that dies."""

    NAME = "captchas"

    def __enter__(self) -> "Sentinels":
        self.first, self.second = FragileServer(), EmbeddedServer()
        self.first.__enter__()
        self.second.__enter__()
        with Redis.from_url(self.second.url) as replica:
            replica.replicaof("127.0.0.1", self.first.port)
            wait_until(lambda: replica.info("replication")["master_link_status"] == "up")
        self._folder = TemporaryDirectory(prefix="tilefleet-sentinel-")
        self.port = free_port()
        configuration = Path(self._folder.name) / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor {self.NAME} 127.0.0.1 {self.first.port} 1\n"
            f"sentinel down-after-milliseconds {self.NAME} 1000\n"
            f"sentinel failover-timeout {self.NAME} 5000\n{accounts.for_sentinel(self.NAME)}"
        )
        command = [str(find_binary()), str(configuration), "--sentinel"]
        self._process = Popen(command, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
        with Redis(port=self.port) as sentinel:
            wait_until(lambda: int(sentinel.sentinel_master(self.NAME)["num-slaves"]) == 1)
        return self

    @property
    def url(self) -> str:
        return accounts.url(self.port).replace("redis", "sentinel", 1)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
        self.second.__exit__()
        self.first.__exit__()


@contextmanager
def stopped(pid: int):
    """A process that does not run for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

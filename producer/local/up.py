"""``tilefleet up``: server, worker, Flower and gateway on this machine, in one terminal.

The server is the one that `CELERY_BROKER_URL` names, else one of its own, in memory. Every part is
a process of its own, started as one would start it by hand; what it prints is shown with its name
before it. Ctrl-C (or SIGTERM, or closing the terminal) ends all in order: gateway, worker (which
finishes what it claimed), Flower, server; a second Ctrl-C waits for nothing.

A part that ends by itself is started again, after growing pauses. It is the end of everything if it
is the server, whose queues are gone, or if the worker or the gateway has never come up: whatever is
wrong with it would be wrong again.
"""

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from producer.local.parts import Parts
from producer.local.ports import LOOPBACK, free_port
from producer.local.process import STOP_S, Output, Process
from producer.local.server import EmbeddedServer, broker
from producer.monitoring import health
from producer.terminal.verbosity import is_verbose
from tilefleet.settings import SERVER_VARIABLES, Settings
from tilefleet.urls import without_password

#: Where programs look that name no server.
_SERVER_PORT: Final = 6379


def run(*, port: int, flower_port: int, flower: bool, concurrency: int | None) -> int:
    """Everything, until Ctrl-C; gives the exit code. Raises TilefleetError.

    `port`: the gateway's. `concurrency`: passes side by side; None: as many as cores.
    """
    settings = Settings.from_environ()
    output = Output()
    with ExitStack() as stack:
        named = _named()
        server = None if named else EmbeddedServer(port=_SERVER_PORT)
        url = stack.enter_context(broker()) if server is None else stack.enter_context(server).url
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tilefleet-up-")))
        # What names a server names it to the parts too, with whatever else is in the environment.
        environ = {"CELERY_BROKER_URL": url} if server else {}
        parts, greeting = [], [_line("server", without_password(url), _about(server, named))]

        parts.append(_gateway(free_port(port), environ, settings, greeting))
        parts.append(_worker(folder, environ, settings, concurrency))
        if not flower:
            greeting.append(_line("Flower", "-", "not wanted"))
        elif find_spec("flower") is None:
            greeting.append(_line("Flower", "-", "not installed: pip install 'tilefleet[flower]'"))
        else:
            parts.append(_flower(free_port(flower_port), environ, greeting))
        greeting.append("Ctrl-C ends all of it.")
        fleet = Parts(parts, output, greeting=greeting)
        if server is not None:
            output.say("server", f"{url}, process {server.pid}")
            fleet.watch_server(server)
        code = fleet.run()
        if server is not None:
            output.say("server", "ends …")
    output.say("server", "ended" if server is not None else "is left as it was")
    return code


def _gateway(
    port: int, environ: Mapping[str, str], settings: Settings, greeting: list[str]
) -> Process:
    link = f"http://{LOOPBACK}:{port}/"
    greeting.append(_line("gateway", link, "a page, and POST a picture to /v1/solve"))
    command = [sys.executable, "-m", "producer.cli", "serve"]
    return Process(
        "gateway",
        [*command, "--host", LOOPBACK, "--port", str(port)],
        environ,
        is_ready=lambda _: health.of_gateway(link, ready=False, timeout_s=1).good,
        stop_s=settings.shutdown_s + STOP_S,
    )


def _worker(
    folder: Path, environ: Mapping[str, str], settings: Settings, concurrency: int | None
) -> Process:
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "tilefleet", "worker"]
    if is_verbose():
        command += ["--loglevel", "info"]
    if concurrency:
        command += ["--concurrency", str(concurrency)]
    signs = Path(settings.health) if settings.health else folder
    return Process(
        "worker",
        command,
        {**environ, "TILEFLEET_HEALTH": str(signs)},
        # One that was killed has left its sign behind.
        is_ready=lambda pid: health.of_worker(signs).pid == pid,
        stop_s=settings.shutdown_s + STOP_S,
    )


def _flower(port: int, environ: Mapping[str, str], greeting: list[str]) -> Process:
    link, about = f"http://{LOOPBACK}:{port}/", ""
    own = {name for name in os.environ if name.startswith(("FLOWER_BASIC_AUTH", "FLOWER_CONF"))}
    if not own:
        # Whoever may open it may stop workers.
        password = secrets.token_urlsafe(12)
        environ = {**environ, "FLOWER_BASIC_AUTH": f"flower:{password}"}
        about = f"user flower, password {password}"
    greeting.append(_line("Flower", link, about))
    command = [sys.executable, "-m", "celery", "-A", "tilefleet", "flower"]
    return Process(
        "flower",
        [*command, f"--address={LOOPBACK}", f"--port={port}", "--logging=warning"],
        environ,
        is_ready=lambda _: _listens(port),
        needed=False,
        # It asks workers once, at its start, what they are.
        follows="worker",
    )


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def _named() -> str:
    """Which variable names a server, as workers read them; none: there is to be one of our own."""
    return next((name for name in SERVER_VARIABLES if os.environ.get(name)), "")


def _about(server: EmbeddedServer | None, named: str) -> str:
    if server is None:
        return f"as {named} says"
    if server.port == _SERVER_PORT:
        return "in memory; where programs look without being told"
    return f"in memory; for programs: export CELERY_BROKER_URL={server.url}"


def _line(name: str, link: str, about: str) -> str:
    shown = click.style(f"{link:<28}", bold=True)
    return f"  {name:<8} {shown}  {about}".rstrip()

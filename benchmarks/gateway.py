"""Captchas over HTTP: how many a second, how fast, and how many more than the old servers read.

    python -m benchmarks.gateway [--rounds 3] [--seconds 10] [--model NAME] [--legacy DIR] [--json]

Everything shares two cores: the server, one worker, one gateway process, and the load. First with
a worker that answers without looking, 64 keep-alive connections and a picture in each request that
no other one has; then with the real engine, `POST /check` as 12306-ocr's clients send it, beside
the old servers' path (`benchmarks.support.old_server`) with the same captchas: with its own
networks from the folder --legacy, else with ours.
"""

import argparse
import base64
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import sleep
from urllib.parse import quote_plus

from benchmarks.endtoend import images
from benchmarks.support import load, report
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

_CONNECTIONS = 64
_PICTURE = 13_500
#: Enough to keep the old server busy.
_OLD_CONNECTIONS = 4


@contextmanager
def listening(url: str, *command: str) -> Iterator[int]:
    """A server process on a free port, which the command gets as its last argument."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, str(port)],
        env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1200):
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def gateway(url: str) -> AbstractContextManager[int]:
    return listening(url, "producer.cli", "serve", "--port")


def raw(number: int) -> bytes:
    body = bytes(_PICTURE - 8) + number.to_bytes(8, "big")
    return load.post("/v1/solve", "image/jpeg", body)


def forms(pictures: list[bytes]) -> Callable[[int], bytes]:
    """Requests with one of the pictures and a few bytes behind its end marker: no picture is
    identical to another one. Nearly all of each is made beforehand."""
    # Base64 takes three bytes at a time.
    begun = [b"img=" + _escaped(picture + bytes(-len(picture) % 3)) for picture in pictures]

    def make(number: int) -> bytes:
        body = begun[number % len(begun)] + _escaped(number.to_bytes(9, "big"))
        return load.post("/check", "application/x-www-form-urlencoded", body)

    return make


def _escaped(picture: bytes) -> bytes:
    return quote_plus(base64.b64encode(picture)).encode()


def null(rounds: int, seconds: float) -> list[load.Run]:
    runs = []
    with EmbeddedServer() as server:
        for _ in range(rounds):
            with (
                WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": "null"}),
                gateway(server.url) as port,
            ):
                runs.append(
                    load.closed_loop(port, raw, connections=_CONNECTIONS, seconds=seconds, warm_s=1)
                )
    return runs


def real(
    rounds: int, seconds: float, model: str, legacy: Path | None
) -> tuple[list[load.Run], list[load.Run]]:
    """(through the gateway, the old servers' path), in turns."""
    make = forms([path.read_bytes() for path in images()])
    networks = ["--legacy", str(legacy)] if legacy else ["--model", model]
    ours, old = [], []
    with EmbeddedServer() as server:
        for _ in range(rounds):
            with (
                WorkerProcess(server.url, environ={"TILEFLEET_MODEL": model}),
                gateway(server.url) as port,
            ):
                ours.append(
                    load.closed_loop(
                        port, make, connections=_CONNECTIONS, seconds=seconds, warm_s=1
                    )
                )
            with listening(server.url, "benchmarks.support.old_server", *networks) as port:
                old.append(
                    load.closed_loop(
                        port, make, connections=_OLD_CONNECTIONS, seconds=seconds, warm_s=2
                    )
                )
    return ours, old


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--model", default="builtin", help="of the store")
    parser.add_argument("--legacy", type=Path, help="folder with the networks of 12306-ocr")
    parser.add_argument("--only", choices=["null", "real"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    rows: list[list[object]] = []
    if options.only != "real":
        runs = null(options.rounds, options.seconds)
        rows += [
            ["no engine: requests/s", report.spread([run.rate for run in runs])],
            ["no engine: p50, ms", report.spread([1000 * median(run.latencies) for run in runs])],
            ["no engine: p99, ms", report.spread([1000 * p99(run) for run in runs])],
            ["no engine: failed", sum(run.failed for run in runs)],
        ]
    if options.only != "null":
        ours, old = real(options.rounds, options.seconds, options.model, options.legacy)
        ratios = [one.rate / other.rate for one, other in zip(ours, old, strict=True)]
        rows += [
            ["real engine: captchas/s", report.spread([run.rate for run in ours])],
            ["real engine: failed", sum(run.failed for run in ours)],
            ["old servers' path: captchas/s", report.spread([run.rate for run in old])],
            ["old servers' path: failed", sum(run.failed for run in old)],
            ["ratio", report.spread(ratios)],
        ]
    report.show(
        "Gateway: captchas over HTTP",
        ["what", "median (least to most)"],
        rows,
        caveats=[
            f"{options.rounds} rounds of {options.seconds:g} s; server, worker, gateway and load "
            f"on cores {cores}",
            f"{_CONNECTIONS} keep-alive connections; without an engine {_PICTURE} bytes a request",
            f"real engine: model {options.model}, POST /check, a form with base64, "
            f"{len(images())} captchas again and again, none identical to another",
            f"the old servers' path has {_OLD_CONNECTIONS} connections and Flask's own server: "
            "more make it no faster; it reads with "
            + ("the networks of 12306-ocr" if options.legacy else "the same networks"),
        ],
        as_json=options.json,
    )


def p99(run: load.Run) -> float:
    return quantiles(run.latencies, n=100)[98]


if __name__ == "__main__":
    main()

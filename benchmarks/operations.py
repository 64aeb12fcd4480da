"""What a worker costs to run: its start, its memory, its monitoring, its place on the disk.

    python -m benchmarks.operations [--rounds 3] [--captchas 50000] [--only start,memory] [--json]

start       from the command to the first message that may be taken, LiteRT, the built-in model
memory      resident memory of that worker, warm, at every fifth of --captchas different captchas
monitoring  captchas a second with Prometheus (scraped every second) and all events, against both
            off, with the real engine and with the one that answers without looking
tracing     captchas a second with every hundredth traced, by sender and worker, against off, with
            the engine that answers without looking; the collector is in the sender's process
size        a fresh virtual environment with exactly what a CPU worker needs
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import monotonic
from unittest.mock import patch
from urllib.request import urlopen

from benchmarks import queue
from benchmarks.endtoend import images
from benchmarks.support import report
from producer import Client
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tilefleet.tracing import provider

_REPOSITORY = Path(__file__).resolve().parent.parent
_PARTS = ("start", "memory", "monitoring", "tracing", "size")
_MB = 1_000_000

Rows = list[tuple[str, str]]


def start(rounds: int) -> Rows:
    times = []
    with EmbeddedServer() as server:
        for _ in range(rounds):
            began = monotonic()
            with WorkerProcess(server.url):
                times.append(monotonic() - began)
    return [("start to ready, s", report.spread(times))]


def memory(captchas: int) -> Rows:
    """Resident memory after each fifth."""
    pictures = [path.read_bytes() for path in images()]
    sizes = []
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url) as worker,
        Client(server.url) as fleet,
    ):
        assert worker.process is not None
        for fifth in range(5):
            send(fleet, pictures, captchas // 5, salt=fifth)
            sizes.append(resident(worker.process.pid) / _MB)
    return [
        (f"memory after {captchas // 5 * (number + 1):,} captchas, MB", f"{size:.0f}")
        for number, size in enumerate(sizes)
    ] + [("growth from the second fifth to the last, MB", f"{sizes[-1] - sizes[1]:.1f}")]


def monitoring(rounds: int, captchas: int) -> tuple[Rows, dict[str, float]]:
    rows: Rows = []
    ratios = {}
    pictures = [path.read_bytes() for path in images()]
    for engine in ("litert", "null"):
        rates: dict[str, list[float]] = {"off": [], "on": []}
        with EmbeddedServer() as server:
            for _ in range(rounds):
                # In turns, so that a machine that changes its mind does so for both.
                for how, each in rates.items():
                    port = free_port()
                    environ = {"TILEFLEET_ENGINE": engine, "TILEFLEET_EVENTS": "0"}
                    if how == "on":
                        environ |= {"TILEFLEET_EVENTS": "1", "TILEFLEET_METRICS": str(port)}
                    with _scraping(port) if how == "on" else nullcontext():
                        if engine == "null":
                            each.append(_from_a_full_queue(server.url, environ, 3 * captchas))
                        else:
                            each.append(_as_sent(server.url, environ, pictures, captchas))
        shares = [on / off for on, off in zip(rates["on"], rates["off"], strict=True)]
        ratios[engine] = median(shares)
        rows += [
            (f"{engine}: metrics and events off, captchas/s", report.spread(rates["off"])),
            (f"{engine}: on, captchas/s", report.spread(rates["on"])),
            (f"{engine}: on against off", report.spread(shares)),
        ]
    return rows, ratios


def tracing(rounds: int, captchas: int) -> Rows:
    pictures = [path.read_bytes() for path in images()]
    rates: dict[str, list[float]] = {"off": [], "on": []}
    with EmbeddedServer() as server, _collecting() as collector:
        on = {"TILEFLEET_TRACES": "0.01", "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
        for _ in range(rounds):
            for how, each in rates.items():
                environ = {"TILEFLEET_ENGINE": "null", **(on if how == "on" else {})}
                with patch.dict(os.environ, environ):
                    each.append(_as_sent(server.url, environ, pictures, captchas))
    shares = [on / off for on, off in zip(rates["on"], rates["off"], strict=True)]
    return [
        ("null: traces off, captchas/s", report.spread(rates["off"])),
        ("null: one of a hundred traced, captchas/s", report.spread(rates["on"])),
        ("null: traced against off", report.spread(shares)),
    ]


def _as_sent(url: str, environ: dict[str, str], pictures: list[bytes], count: int) -> float:
    with WorkerProcess(url, environ=environ), Client(url) as fleet:
        send(fleet, pictures, count // 5, salt=0)
        began = monotonic()
        send(fleet, pictures, count, salt=1)
        return count / (monotonic() - began)


def _from_a_full_queue(url: str, environ: dict[str, str], count: int) -> float:
    """Where nothing is read, a sender would be the slow part."""
    return queue.measure(queue.ours("Tilefleet", environ), url, count)[0]


def size() -> Rows:
    """What the image's virtual environment has, compiled files included."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        python = venv / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet"),
                *("--disable-pip-version-check", "--constraint", "constraints.txt", ".[worker]"),
            ],
            cwd=_REPOSITORY,
            check=True,
        )
        total = _used(venv)
        (packages,) = venv.glob("lib/python*/site-packages")
        largest = sorted(((_used(each), each.name) for each in packages.iterdir()), reverse=True)
    shown = ", ".join(f"{name} {used / _MB:.0f}" for used, name in largest[:6])
    return [("installed size, MB", f"{total / _MB:.0f}"), ("the largest in it, MB", shown)]


def send(fleet: Client, pictures: list[bytes], count: int, *, salt: int) -> None:
    """So many captchas, no two alike; raises what one of them failed with."""
    different = (
        pictures[number % len(pictures)] + (salt << 32 | number).to_bytes(8, "big")
        for number in range(count)
    )
    for _ in fleet.map(different, window=128):
        pass


def resident(pid: int) -> int:
    """Bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _collecting() -> Iterator[str]:
    """A collector that throws away what it gets; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            # What the sender has left goes first.
            provider.close()
            server.shutdown()
            thread.join()


@contextmanager
def _scraping(port: int) -> Iterator[None]:
    stopping = Event()

    def scrape() -> None:
        while not stopping.wait(1.0):
            # The worker is not there all the time.
            with (
                suppress(OSError, HTTPException),
                urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page,
            ):
                page.read()

    thread = Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _used(path: Path) -> int:
    """Bytes of a file, or of a folder's files; what is linked to is not counted."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captchas", type=int, default=50_000, help="for memory")
    parser.add_argument("--load", type=int, default=2000, help="captchas a measurement")
    parser.add_argument("--only", default=",".join(_PARTS), help=", ".join(_PARTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(_PARTS):
        parser.error(f"--only takes {', '.join(_PARTS)}; not {', '.join(unknown)}")
    rows: Rows = []
    ratios: dict[str, float] = {}
    if "start" in wanted:
        rows += start(options.rounds)
    if "memory" in wanted:
        rows += memory(options.captchas)
    if "monitoring" in wanted:
        more, ratios = monitoring(options.rounds, options.load)
        rows += more
    if "tracing" in wanted:
        rows += tracing(options.rounds, 5 * options.load)
    if "size" in wanted:
        rows += size()
    report.show(
        "Running a LiteRT worker",
        ["what", "median (least to most)"],
        rows,
        caveats=[
            f"{options.rounds} rounds; {os.cpu_count()} cores for worker, server and sender",
            "MB are a million bytes; readiness is looked at every 50 ms",
            f"monitoring: {options.load} captchas a measurement; without looking three times as "
            "many, from a full queue; nobody listens to the events",
        ],
        as_json=options.json,
        extra={"monitoring": ratios},
    )


if __name__ == "__main__":
    main()

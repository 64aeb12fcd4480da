"""The main job, to watch: ``make demo``.

Starts a server and a worker, sends captchas from three processes, prints every answer, then what
the fleet made of a load; cleans up after itself. Exit code 0 says that all were answered.
"""

import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles
from time import perf_counter
from typing import Any

import click

from producer.client import Client
from producer.local.server import broker
from producer.local.worker import WorkerProcess
from producer.terminal import text as show
from producer.terminal.group import STOPPED
from tilefleet.answer import Answer
from tilefleet.errors import TilefleetError
from tilefleet.urls import without_password

PRODUCERS = 3
#: Captchas that each producer sends in the second part.
LOAD = 200
#: Captchas that each producer keeps on the way.
WINDOW = 16

_REPOSITORY = Path(__file__).resolve().parents[2]
#: Our own samples, and real captchas where they are at hand.
_FOLDERS = (_REPOSITORY / "samples", _REPOSITORY.parent / "shared" / "data" / "captchas")


@dataclass(frozen=True, slots=True)
class Report:
    """What a producer process tells of one captcha."""

    producer: int
    file: str
    outcome: Answer | Exception
    latency_s: float


def main() -> int:
    files = [str(file) for folder in _FOLDERS for file in sorted(folder.glob("*.jpg"))]
    if not files:
        click.echo("demo: no captchas in " + ", ".join(str(folder) for folder in _FOLDERS))
        return 1
    try:
        with ExitStack() as stack:
            url = stack.enter_context(broker())
            click.echo(f"server   {without_password(url)}")
            worker = stack.enter_context(WorkerProcess(url))
            assert worker.process is not None
            click.echo(f"worker   celery -A tilefleet worker, process {worker.process.pid}")
            click.echo(f"senders  {PRODUCERS} processes, {len(files)} captchas\n")
            return _watch(url, files)
    except KeyboardInterrupt:
        click.echo("\ndemo: stopped")
        return STOPPED
    except TilefleetError as error:
        click.echo(f"demo: {error}", err=True)
        return 1


def _watch(url: str, files: list[str]) -> int:
    failed = 0
    for report in _send(url, [files[number::PRODUCERS] for number in range(PRODUCERS)]):
        if isinstance(report.outcome, Answer):
            title = f"#{report.producer} {Path(report.file).name}"
            click.echo(show.grid(report.outcome, title=title))
        else:
            failed += 1
            click.echo(f"{report.file}: {show.error_line(report.outcome)}", err=True)
    click.echo(f"\n{len(files) - failed} of {len(files)} answered; now {PRODUCERS * LOAD} more …")

    share = (files * (LOAD // len(files) + 1))[:LOAD]
    started = perf_counter()
    reports = list(_send(url, [share] * PRODUCERS))
    took = perf_counter() - started
    answers = [report.outcome for report in reports if isinstance(report.outcome, Answer)]
    failed += len(reports) - len(answers)
    if answers:
        _print_figures(reports, answers, took)
    return 1 if failed else 0


def _print_figures(reports: list[Report], answers: list[Answer], took: float) -> None:
    latencies = quantiles([report.latency_s * 1000 for report in reports], n=100)
    sizes = [answer.timing.pass_size for answer in answers if answer.timing]
    click.echo(f"{len(answers)} of {len(reports)} answered in {took:.1f} s")
    click.echo(f"throughput   {len(answers) / took:.0f} captchas/s")
    click.echo(
        f"latency      p50 {latencies[49]:.0f} ms, p99 {latencies[98]:.0f} ms "
        f"with {PRODUCERS} × {WINDOW} on the way"
    )
    click.echo(f"pass size    {mean(sizes):.1f} captchas on average")
    click.echo(f"model        {answers[0].model}")


def _send(url: str, shares: list[list[str]]) -> Iterator[Report]:
    """Send each share from a process of its own; gives reports as they come."""
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    processes = [
        context.Process(target=_produce, args=(url, number, share, reports), daemon=True)
        for number, share in enumerate(shares, start=1)
    ]
    for process in processes:
        process.start()
    try:
        for _ in range(len(shares)):
            # Every producer ends with None, whatever happens to it.
            while (report := reports.get(timeout=120)) is not None:
                yield report
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.terminate()


def _produce(url: str, number: int, files: list[str], reports: Any) -> None:
    """A producer: knows the server's address and nothing of the worker."""
    sent: dict[int, float] = {}

    def timed() -> Iterator[str]:
        for index, file in enumerate(files):
            sent[index] = perf_counter()
            yield file

    try:
        with Client(url) as fleet:
            for index, (file, outcome) in enumerate(fleet.outcomes(timed(), window=WINDOW)):
                reports.put(Report(number, file, outcome, perf_counter() - sent[index]))
    except TilefleetError as error:
        print(f"producer {number}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        # The terminal sends it to all; the parent says so.
        pass
    finally:
        reports.put(None)


if __name__ == "__main__":
    sys.exit(main())

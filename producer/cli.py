"""The command line: ``tilefleet``.

Only the commands that need networks import them, and only when they run.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from models.errors import TilefleetError
from models.settings import Settings, unknown_variables
from producer.keys_cli import keys
from producer.models_cli import models
from producer.samples_cli import samples
from producer.serve_cli import serve

#: What some commands need and a client has not, and the extra that brings it.
_EXTRAS = {
    **dict.fromkeys(("numpy", "ai_edge_litert"), "worker"),
    **dict.fromkeys(("PIL", "rich", "matplotlib"), "terminal"),
    **dict.fromkeys(
        ("starlette", "uvicorn", "uvloop", "httptools", "python_multipart", "prometheus_client"),
        "gateway",
    ),
    **dict.fromkeys(("keras", "tensorflow", "h5py", "ai_edge_quantizer", "imagehash"), "train"),
}


class OneLine(click.Group):
    """A group that shows our own errors as one line, exit code 1, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TilefleetError as error:
            click.echo(f"tilefleet: {error}", err=True)
            ctx.exit(1)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _EXTRAS:
                raise
            needed = f"pip install 'tilefleet[{_EXTRAS[package]}]'"
            click.echo(
                f"tilefleet: this needs {package}, which a client does not: {needed}", err=True
            )
            ctx.exit(1)


def _print_settings(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    try:
        rows = Settings.from_environ().rows()
    except TilefleetError as error:
        click.echo(f"tilefleet: {error}", err=True)
        ctx.exit(1)
    width = max(len(variable) for variable, _, _ in rows)
    for variable, value, what in rows:
        click.echo(f"{variable:<{width}}  {value}\n{'':<{width}}  {what}")
    for line in unknown_variables():
        click.echo(line, err=True)
    ctx.exit()


@click.group(cls=OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tilefleet", prog_name="tilefleet")
@click.option(
    "--settings",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_settings,
    help="Print every setting with its value, and end.",
)
def main() -> None:
    """Read grid captchas with a fleet of Celery workers.

    Workers are started with "celery -A worker worker".
    """


@main.command()
@click.argument("files", nargs=-1, metavar="[FILE]…")
@click.option("--files-from", metavar="LIST", help="A file with more of them, one a line; - too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--picture", metavar="OUT", help="Draw the answer: a .png, a folder/, or a pattern.")
@click.option("--local", is_flag=True, help="Read in this process: no queue, no worker.")
@click.option("--model", metavar="NAME", help="With --local: which model reads.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
def solve(
    files: tuple[str, ...],
    files_from: str | None,
    as_json: bool,
    picture: str | None,
    local: bool,
    model: str | None,
    timeout: float,
) -> None:
    """Read captchas: one answer per FILE, in order.

    A FILE may be a folder (all pictures below it), a pattern in quotes ('**/*.jpg'), or - for a
    picture on the standard input. In a pattern for --picture, {name} is the file's name and
    {number} counts.

    Exit code 1 if any failed; the others are still answered. 130 after Ctrl-C.
    """
    from producer import solve

    if not files and files_from is None:
        raise click.UsageError("name at least one FILE, a folder, a pattern, or - ")
    if model and not local:
        raise click.UsageError(
            "--model goes with --local; a fleet reads with the model that its workers loaded"
        )
    read = partial(solve.here, model=model) if local else partial(solve.by_fleet, timeout=timeout)
    sys.exit(solve.run(files, listed=files_from, picture=picture, as_json=as_json, read=read))


@main.command()
@click.argument("files", nargs=-1, metavar="[FILE]…")
@click.option(
    "--clients",
    type=click.IntRange(1, 10_000),
    default=16,
    show_default=True,
    help="Closed loop: how many send, each its next one when it has its answer.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Open loop: captchas a second, at random (Poisson), answered or not.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long to send.",
)
@click.option(
    "--duplicates",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Share that repeats a recent one.",
)
@click.option("--bad", type=click.FloatRange(0, 1), default=0.0, help="Share that is no captcha.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a histogram of the latencies: .png, .svg or .pdf.",
)
def bench(files: tuple[str, ...], **options: Any) -> None:
    """Put load on a running fleet, and tell what became of it.

    The captchas are those of FILE (as for "tilefleet solve"), else the package's samples; each is
    sent with a few more bytes, so that none is a duplicate unless asked for.

    Exit code 1 if nothing was answered. 130 after Ctrl-C, which shows what was measured so far.
    """
    from producer import bench_cli

    sys.exit(bench_cli.run(files, **options))


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--flower-port", type=click.IntRange(1, 65535), default=5555, show_default=True)
@click.option("--flower/--no-flower", default=True, help="Start Flower, if it is installed.")
@click.option(
    "-c", "--concurrency", type=click.IntRange(min=1), help="Passes side by side; as many as cores."
)
def up(port: int, flower_port: int, flower: bool, concurrency: int | None) -> None:
    """Start everything here: server, worker, Flower, gateway; Ctrl-C ends it.

    The server is the one that CELERY_BROKER_URL names, else one of its own, in memory. Where a
    port is taken, a free one is used.
    """
    from producer import up

    sys.exit(up.run(port=port, flower_port=flower_port, flower=flower, concurrency=concurrency))


@main.command()
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True)
@click.option("--once", is_flag=True, help="One look, printed; for scripts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per look.")
def top(every: float, once: bool, as_json: bool) -> None:
    """Watch the fleet: workers, rate, queues, passes, latencies, errors."""
    from producer import top

    top.run(Settings.from_environ(), every_s=every, once=once, as_json=as_json)


@main.command()
@click.option("--live", is_flag=True, help="Only whether it lives, ready or not.")
@click.option(
    "--stale",
    type=click.FloatRange(min=0, min_open=True),
    default=15.0,
    show_default=True,
    help="How old a worker's heartbeat may be, seconds.",
)
@click.option("--gateway", metavar="URL", help="Ask a gateway instead.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="With --gateway: seconds to wait.",
)
def health(live: bool, stale: float, gateway: str | None, timeout: float) -> None:
    """Exit code 0 if the worker here is ready and alive, else 1: for containers.

    The worker shows it in the folder TILEFLEET_HEALTH, which it has for itself.
    """
    from producer import health

    if gateway:
        found = health.of_gateway(gateway, ready=not live, timeout_s=timeout)
    else:
        folder = health.folder_of(Settings.from_environ().health)
        found = health.of_worker(folder, ready=not live, stale_s=stale)
    click.echo(("healthy: " if found.good else "unhealthy: ") + found.why, err=not found.good)
    sys.exit(0 if found.good else 1)


for command in (serve, samples, keys, models):
    main.add_command(command)

if __name__ == "__main__":
    main()

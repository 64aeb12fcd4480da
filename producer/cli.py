"""The command line: ``tilefleet``.

Only the commands that need networks import them, and only when they run.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from models.answer import Answer
from models.errors import SettingError, TilefleetError
from models.settings import Settings, unknown_variables
from producer import show
from producer.keys_cli import keys
from producer.models_cli import models

#: Answers, or errors in their place, with the file they belong to.
Outcomes = Iterable[tuple[str, Answer | TilefleetError | OSError]]


#: What some commands need and a client has not, and the extra that brings it.
_EXTRAS = {
    **dict.fromkeys(("numpy", "PIL", "ai_edge_litert"), "worker"),
    **dict.fromkeys(
        ("starlette", "uvicorn", "uvloop", "httptools", "python_multipart", "prometheus_client"),
        "gateway",
    ),
    **dict.fromkeys(("keras", "tensorflow", "h5py", "matplotlib"), "train"),
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
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
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
    files: tuple[str, ...], as_json: bool, local: bool, model: str | None, timeout: float
) -> None:
    """Read captchas: one answer per FILE, in order.

    Exit code 1 if any failed; the others are still answered.
    """
    if model and not local:
        raise click.UsageError(
            "--model goes with --local; a fleet reads with the model that its workers loaded"
        )
    failed = 0
    for file, outcome in _read_here(files, model) if local else _ask_fleet(files, timeout):
        if isinstance(outcome, Exception):
            failed += 1
            click.echo(f"tilefleet: {file}: {show.error_line(outcome)}", err=True)
        elif as_json:
            click.echo(json.dumps({"file": file, **outcome.encode()}, ensure_ascii=False))
        else:
            click.echo(show.text(outcome, title=file if len(files) > 1 else None))
    sys.exit(1 if failed else 0)


def _ask_fleet(files: tuple[str, ...], timeout: float) -> Outcomes:
    from producer.client import Client

    with Client() as fleet:
        yield from fleet.outcomes(files, timeout=timeout)


def _read_here(files: tuple[str, ...], model: str | None) -> Iterator[Any]:
    from dataclasses import replace

    from models.reader import Reader

    settings = Settings.from_environ()
    reader = Reader(replace(settings, model=model) if model else settings)
    for file in files:
        try:
            yield file, reader.read(Path(file).read_bytes())
        except (TilefleetError, OSError) as error:
            yield file, error


@main.command()
@click.option(
    "--tiles",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of tile pictures LL_KK.*, LL being the label's index; ours if not given.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to fill."
)
@click.option("--count", type=click.IntRange(min=1), default=24, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def samples(tiles: Path | None, out: Path, count: int, seed: int) -> None:
    """Draw captchas with known answers, from any folder of tile pictures."""
    from models.art.captcha import generate
    from models.art.pictures import TILES

    generate(tiles or TILES, out, count=count, seed=seed)
    click.echo(f"{count} captchas and answers.csv in {out}")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of API keys (tilefleet keys add); TILEFLEET_KEYS if not given.",
)
@click.option("--open", "open_", is_flag=True, help="Serve other machines without keys.")
@click.option(
    "--legacy",
    type=click.Choice(["on", "off", "loopback"]),
    default="loopback",
    show_default=True,
    help="The paths of old servers: for everybody (others need a key), nobody, or this machine.",
)
@click.option(
    "--max-requests", type=click.IntRange(min=1), default=512, show_default=True, help="At once."
)
@click.option("--log-requests", is_flag=True, help="A line for each: path, outcome, sizes.")
def serve(
    host: str,
    port: int,
    keys: Path | None,
    open_: bool,
    legacy: str,
    max_requests: int,
    log_requests: bool,
) -> None:
    """Serve captchas over HTTP: POST a picture to /v1/solve, or open the page at /."""
    from producer.gateway import server
    from producer.gateway.app import Gateway
    from producer.gateway.keys import KeyFile

    settings = Settings.from_environ()
    file = keys or (Path(settings.keys) if settings.keys else None)
    app = Gateway(
        settings,
        keys=KeyFile(file) if file else None,
        legacy_paths=legacy,
        most_requests=max_requests,
    )
    server.log(requests=log_requests)
    sockets = server.listen(host, port)
    if not (file or open_ or server.is_near(sockets)):
        server.close(sockets)
        raise SettingError(
            f"{host} can be reached from other machines: give --keys FILE (tilefleet keys add "
            "makes one), or --open to serve everybody"
        )
    port = sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"http://{shown}:{port}/ takes captchas", err=True)
    server.run(app, sockets, shutdown_s=settings.shutdown_s)


main.add_command(keys)
main.add_command(models)

if __name__ == "__main__":
    main()

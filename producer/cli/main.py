"""The command line: ``tilefleet``.

Only the commands that need networks import them, and only when they run.
"""

from typing import Any

import click

from producer.cli.bench import bench
from producer.cli.health import health
from producer.cli.keys import keys
from producer.cli.models import models
from producer.cli.samples import samples
from producer.cli.serve import serve
from producer.cli.solve import solve
from producer.cli.top import top
from producer.cli.up import up
from producer.cli.worker import worker
from producer.terminal.text import printable
from tilefleet.errors import TilefleetError
from tilefleet.settings import Settings, unknown_variables

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
            click.echo(f"tilefleet: {printable(str(error))}", err=True)
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

    Workers are started with "tilefleet worker", one alone with "celery -A worker worker".
    """


for command in (solve, serve, worker, up, top, bench, health, keys, samples, models):
    main.add_command(command)

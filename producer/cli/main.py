"""The command line: ``tilefleet``.

Only the commands that need networks import them, and only when they run.
"""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from producer.cli.bench import bench
from producer.cli.keys import keys
from producer.cli.models import models
from producer.cli.monitoring.doctor import doctor
from producer.cli.monitoring.health import health
from producer.cli.monitoring.top import top
from producer.cli.samples import samples
from producer.cli.serve import serve
from producer.cli.solve import solve
from producer.cli.up import up
from producer.cli.worker import worker
from producer.terminal.group import OneLine
from tilefleet.errors import TilefleetError
from tilefleet.settings import Settings, unknown_variables

_SHELLS = ("bash", "zsh", "fish")


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


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from producer.monitoring.about import versions

    for what, which in versions():
        click.echo(f"{what:<9}  {which}")
    ctx.exit()


@click.group(cls=OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the versions of this, Python, Celery, the server and the model, and end.",
)
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

    Workers are started with "tilefleet worker", one alone with "celery -A worker worker";
    "tilefleet up" starts everything here.
    """


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print what makes a shell complete commands.

    Their options, models and files, too. For bash: eval "$(tilefleet completion bash)" in
    ~/.bashrc; zsh the same in ~/.zshrc; fish: tilefleet completion fish | source. Without SHELL:
    the one that $SHELL names.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    made = get_completion_class(name) if name in _SHELLS else None
    if made is None:
        raise click.UsageError(f"which shell? One of {', '.join(_SHELLS)}")
    click.echo(made(main, {}, "tilefleet", "_TILEFLEET_COMPLETE").source())


for command in (
    *(solve, serve, worker, up, top, bench, health, doctor),
    *(keys, samples, models, completion),
):
    main.add_command(command)

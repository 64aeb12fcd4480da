"""``tilefleet keys …``: who may use the gateway."""

from pathlib import Path
from typing import Any

import click

from producer.terminal.options import MODEL, POSITIVE
from tilefleet.errors import BadKeyFile
from tilefleet.settings import Settings


def _file(ctx: click.Context, _: click.Parameter, given: Path | None) -> Path:
    chosen = given or (Settings.from_environ().keys or None)
    if chosen is None:
        raise click.UsageError("which file of keys? Give --file, or set TILEFLEET_KEYS", ctx)
    return Path(chosen)


_file_option: Any = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_file,
    help="The file of keys; TILEFLEET_KEYS if not given.",
)


@click.group()
def keys() -> None:
    """The gateway's API keys.

    A running gateway follows the file at its next request.
    """


@keys.command()
@click.argument("name")
@_file_option
@click.option(
    "--rate",
    type=POSITIVE,
    help="Quota: captchas a second; none if not given.",
)
@click.option(
    "--burst", type=click.IntRange(min=1), help="Captchas at once; two seconds' worth if not given."
)
@click.option("--model", type=MODEL, metavar="NAME", help="The only model that reads for it.")
def add(name: str, file: Path, rate: float | None, burst: int | None, model: str | None) -> None:
    """Make a key for NAME and print it, this once.

    The file holds only its hash.
    """
    from producer.gateway.keys import Key, changing, readers

    if burst is not None and rate is None:
        raise click.UsageError("--burst goes with --rate")
    key, text = Key.make(name, rate, burst, model)
    with changing(file) as kept:
        if name in kept:
            raise BadKeyFile(f"{file} has a key called {name}; remove it first, or take another")
        kept[name] = key
    click.echo(text)
    click.echo(f"in {file}; it is shown this once. Send it as: Authorization: Bearer …", err=True)
    click.echo(f"the gateway has to be able to read {file}: {readers(file)} can", err=True)


@keys.command("list")
@_file_option
def list_keys(file: Path) -> None:
    """Show names, quotas, models and dates."""
    from producer.gateway.keys import read

    for key in read(file):
        quota = "no quota" if key.rate is None else f"{key.rate:g}/s, {key.burst} at once"
        model = "any model" if key.model is None else key.model
        click.echo(f"{key.name:<20}  {quota:<24}  {model:<16}  {key.created}")


@keys.command()
@click.argument("name")
@_file_option
def remove(name: str, file: Path) -> None:
    """Take NAME's key away."""
    from producer.gateway.keys import changing, read

    # One that is not there is an error: `changing` would make it.
    read(file)
    with changing(file) as kept:
        if kept.pop(name, None) is None:
            raise BadKeyFile(f"{file} has no key called {name}; it has {', '.join(kept) or 'none'}")

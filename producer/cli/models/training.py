"""``tilefleet models train / convert``: networks from labelled tiles, and what they compute in."""

import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from producer.terminal.options import FOLDER, MODEL, OUT, Within
from producer.terminal.text import printable
from tilefleet.settings import Settings

#: Those of `models.store.manifest`; named here, so that --help needs no model.
PRECISIONS = ("int8", "mixed", "float32")

if TYPE_CHECKING:
    from models.training.claims import Plan


@click.command()
@click.option(
    "--data", type=FOLDER, required=True, help="Folder with tiles/ (or tiles.npz), captchas/ …"
)
@click.option(
    "--fonts", type=FOLDER, multiple=True, help="Folder of font files for headers; repeatable."
)
@click.option(
    "--teacher",
    "teachers",
    metavar="NAME",
    type=MODEL,
    multiple=True,
    help="Stored model that teaches the tiles; repeatable: the mean of their answers is learned.",
)
@click.option(
    "--weight",
    "weights",
    type=Within(min=0, max=1000, min_open=True),
    multiple=True,
    help="What its answers weigh, one for each --teacher in their order; without: alike.",
)
@click.option("--name", required=True, help="Its name in the store.")
@click.option("--store", "root", type=OUT, help="Store to write to; the settings' if not given.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
@click.option(
    "--only",
    type=click.Choice(["words", "tiles"]),
    help="Train one, keep the other (or take the built-in one).",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--headers",
    type=click.IntRange(min=1),
    help="How many to draw, instead of the recipe's number.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Of the tiles and of each round of the words, instead of the recipe's.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Of each epoch, likewise.")
@click.option(
    "--hold-out", is_flag=True, help="Keep two labelled pictures of each class out, to measure on."
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="End after so many epochs without a better one on held-out data.",
)
@click.option(
    "--directory",
    type=OUT,
    help="Where the state is kept; build/training/NAME if not given.",
)
@click.option("--fresh", is_flag=True, help="Begin anew where a state is kept.")
@click.option("--from", "base", metavar="NAME", type=MODEL, help="Go on from this stored model.")
@click.option(
    "--quick", is_flag=True, help="A short plan, for some ten words: minutes instead of an hour."
)
@click.option(
    "--mirrored", is_flag=True, help="Tiles of words of one's own show the same in a mirror."
)
@click.option("--few", is_flag=True, help="Train where such words have too few tiles, too.")
@click.option("--dry-run", is_flag=True, help="Only show what would be learned from.")
def train(
    data: Path,
    fonts: tuple[Path, ...],
    teachers: tuple[str, ...],
    weights: tuple[float, ...],
    name: str,
    root: Path | None,
    overwrite: bool,
    only: str | None,
    seed: int,
    headers: int | None,
    epochs: int | None,
    steps: int | None,
    hold_out: bool,
    patience: int | None,
    directory: Path | None,
    fresh: bool,
    base: str | None,
    quick: bool,
    mirrored: bool,
    few: bool,
    dry_run: bool,
) -> None:
    """Train both networks of a model, measure and store them.

    From random initialisation, or going on from another model. Headers are drawn. Tiles are learned
    from DATA/tiles (or DATA/tiles.npz, as "models bootstrap" writes it), from those of
    DATA/captchas2016 as a teacher sees them, and from our own drawn ones. DATA/captchas is only
    measured. Drawn headers are always held out; tiles are with --hold-out.

    Where DATA has layout.toml and words.txt ("models new" writes them), the captchas are of that
    kind: tiles are those of DATA/tiles/WORD/, of tiles.npz, and what DATA/answers.csv picks.

    The same command goes on where it stopped (Ctrl-C, exit code 130), while data, options and code
    are the same; if not, it says what differs.
    """
    if weights and len(weights) != len(teachers):
        raise click.UsageError(f"--weight is given {len(weights)} times, --teacher {len(teachers)}")
    settings = Settings.from_environ()
    from models.datasets.kinds import kind_of
    from models.training.options import Options

    kind = kind_of(data)
    options = Options(
        only=only,
        weights=weights,
        seed=seed,
        headers=headers,
        epochs=epochs,
        steps=steps,
        patience=patience,
        hold_out=hold_out,
        quick=quick,
        mirrored=mirrored,
        few=few,
    )
    directory = directory or Path("build/training") / name
    store = root or settings.store
    if dry_run:
        from models import store as models
        from models.training import claims

        plan = claims.plan(
            data,
            options,
            fonts=fonts,
            teachers=[models.find(teacher, root=settings.store) for teacher in teachers],
            kind=kind,
            base=models.find(base, root=settings.store) if base else None,
        )
        click.echo(printable("\n".join(plan.found.lines())))
        for network in [only] if only else plan.belongs:
            click.echo(printable("\n".join(_told(plan, network, directory / network, fresh))))
        if not overwrite:
            models.check_free(name, root=store)
        return
    from producer.terminal.interrupt import ends_at_once

    with ends_at_once(partial(_to_go_on, directory)):
        from models.runtimes.installed import choose_keras_backend

        choose_keras_backend()
        from models.training.pair import train_pair

        entry = train_pair(
            data,
            options,
            fonts=fonts,
            teachers=teachers,
            name=name,
            root=store,
            teacher_root=settings.store,
            replace=overwrite,
            directory=directory,
            fresh=fresh,
            kind=kind,
            base=base,
            say=lambda line: click.echo(printable(line)),
        )
    click.echo(f"stored {entry.identity} in {entry.folder}")


def _told(plan: "Plan", network: str, directory: Path, fresh: bool) -> Iterator[str]:
    """What a training of a network would do; raises ModelError as it would."""
    from models.training.claims import NOTE, check

    if not fresh:
        check(directory, plan.belongs[network])
    goes_on = not fresh and (directory / NOTE).is_file()
    yield f"{network}: would {'go on' if goes_on else 'begin'} in {directory}"
    for name, value in plan.belongs[network].items():
        if value is not None and name not in plan.found.sources:
            yield f"  {name}: {value}"


def _to_go_on(directory: Path) -> str:
    again = shlex.join(["tilefleet", *(each for each in sys.argv[1:] if each != "--fresh")])
    return f"stopped; finished epochs are kept in {directory}. To go on: {again}"


@click.command()
@click.argument("name", type=MODEL)
@click.option("--precision", type=click.Choice(PRECISIONS), required=True)
@click.option("--name", "new_name", required=True, help="Its name in the store.")
@click.option(
    "--data",
    type=FOLDER,
    help="Folder of data, as for train, to measure activations on; else the built-in's, drawn.",
)
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
def convert(name: str, precision: str, new_name: str, data: Path | None, overwrite: bool) -> None:
    """Store a model again in float32, in int8, or mixed.

    Its LiteRT files, that is; mixed: the words in int8. How much time int8 saves depends on the
    processor; "benchmarks.engine" measures it.
    """
    from models import store
    from models.runtimes.installed import choose_keras_backend

    settings = Settings.from_environ()
    choose_keras_backend()
    from models.training.finish import precision as precisions

    entry = store.find(name, root=settings.store)
    if not overwrite:
        store.check_free(new_name, root=settings.store)
    made = precisions.convert(entry, precision, name=new_name, root=settings.store, data=data)
    click.echo(f"stored {made.identity} in {made.folder}")

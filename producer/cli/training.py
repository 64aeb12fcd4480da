"""``tilefleet models train / evaluate``: networks from labelled tiles, and how right they are."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from producer.terminal.options import FOLDER, OUT
from tilefleet.settings import Settings


@click.command()
@click.option(
    "--data", type=FOLDER, required=True, help="Folder with tiles/ (or tiles.npz), captchas2016/."
)
@click.option(
    "--fonts", type=FOLDER, multiple=True, help="Folder of font files for headers; repeatable."
)
@click.option("--teacher", metavar="NAME", help="Stored model that teaches the tiles.")
@click.option("--name", default="builtin", show_default=True, help="Its name in the store.")
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
    default=Path("build/training"),
    show_default=True,
    help="Where the state is kept: the same command run again goes on.",
)
def train(
    data: Path,
    fonts: tuple[Path, ...],
    teacher: str | None,
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
    directory: Path,
) -> None:
    """Train both networks from random initialisation, measure and store them.

    Headers are drawn. Tiles are learned from DATA/tiles (or DATA/tiles.npz, as "models bootstrap"
    writes it), from those of DATA/captchas2016 as a teacher sees them, and from our own drawn
    ones. DATA/captchas is only measured. Drawn headers are always held out; tiles are with
    --hold-out.
    """
    from models.runtimes.installed import choose_keras_backend

    settings = Settings.from_environ()
    choose_keras_backend()
    from models.training.pair import train_pair

    entry = train_pair(
        data,
        fonts=fonts,
        teacher=teacher,
        name=name,
        root=root or settings.store,
        teacher_root=settings.store,
        replace=overwrite,
        only=only,
        seed=seed,
        headers=headers,
        epochs=epochs,
        steps_per_epoch=steps,
        hold_out=hold_out,
        patience=patience,
        directory=directory,
        say=click.echo,
    )
    click.echo(f"stored {entry.identity} in {entry.folder}")


@click.command()
@click.argument("name", required=False)
@click.option("--captchas", type=FOLDER, help="Folder with answers.csv.")
@click.option("--headers", type=click.IntRange(min=1), help="Draw so many headers of each kind.")
@click.option("--fonts", type=FOLDER, multiple=True, help="Folder of font files, for --headers.")
@click.option("--report", type=OUT, help="Folder to write figures and pictures to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def evaluate(
    name: str | None,
    captchas: Path | None,
    headers: int | None,
    fonts: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
) -> None:
    """Count how often a model is right on captchas with known answers, and how sure it is.

    Captchas that ask for a word that is no label are counted apart: their answers should be unsure.
    With --headers, words are read from drawn headers in fonts that no network was trained with
    (those of --fonts that training holds out).
    """
    from models.datasets.truth import truths
    from models.engines.reader import Reader
    from models.evaluation.score import Score, outcomes
    from producer.terminal.scores import show_score

    if captchas is None and headers is None:
        raise click.UsageError("give --captchas FOLDER or --headers COUNT")
    settings = Settings.from_environ()
    reader = Reader(replace(settings, model=name) if name else settings)
    shown: dict[str, Any] = {"model": reader.engine.model}
    if captchas is not None:
        found = outcomes(reader, truths(captchas, reader.engine.kind))
        score = Score.of(found)
        shown |= score.encode()
        if report is not None:
            from models.evaluation.charts import write

            write(report, reader.engine.model, found, score, reader.engine.kind)
        if not as_json:
            click.echo(show_score(reader.engine.model, score))
    if headers is not None:
        from models.evaluation.headers import read_headers

        kinds = read_headers(reader, headers, font_folders=fonts)
        shown["headers"] = kinds
        if not as_json:
            for kind, share in kinds.items():
                click.echo(f"{kind} headers read: {share:.1%}")
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))

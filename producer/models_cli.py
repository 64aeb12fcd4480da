"""``tilefleet models …``: list, import, train and evaluate what the workers load.

`learning_cli` has the commands for captchas that nobody labelled.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from models.settings import Settings
from producer.learning_cli import bootstrap, dedupe, review

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
# A file that is missing gets the store's own clear error.
_FILE = click.Path(path_type=Path)


@click.group()
def models() -> None:
    """The model store."""


for _command in (bootstrap, dedupe, review):
    models.add_command(_command)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_models(as_json: bool) -> None:
    """Show the models, the one that workers load marked with a star."""
    from models import store

    settings = Settings.from_environ()
    for entry in store.entries(root=settings.store):
        if isinstance(entry, tuple):
            folder, error = entry
            click.echo(f"  {folder.name}: cannot be used: {error}", err=True)
            continue
        manifest = entry.manifest
        if as_json:
            row: dict[str, Any] = {
                "model": entry.identity,
                "folder": str(entry.folder),
                "parameters": manifest.parameters,
                "precision": manifest.precision,
                "training": manifest.training,
                "evaluation": manifest.evaluation,
            }
            click.echo(json.dumps(row, ensure_ascii=False))
            continue
        mark = "*" if manifest.name == settings.model else " "
        sizes = ", ".join(f"{name} {count:,}" for name, count in manifest.parameters.items())
        click.echo(f"{mark} {entry.identity}  {manifest.precision}, parameters: {sizes}")
        for what, figures in manifest.evaluation.items():
            click.echo(f"    {what}: {_figures(figures)}")


@models.command("import")
@click.option("--words", type=_FILE, required=True, help="Header network, Keras 2 .h5.")
@click.option("--tiles", type=_FILE, required=True, help="Tile network, Keras 2 .h5.")
@click.option("--name", required=True, help="Its name in the store.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
def import_models(words: Path, tiles: Path, name: str, overwrite: bool) -> None:
    """Convert a pair of easy12306 or 12306-ocr networks, check the result, and store it."""
    from models.engines import choose_keras_backend

    settings = Settings.from_environ()
    choose_keras_backend()
    from models.legacy import import_pair

    import_pair(words, tiles, name=name, root=settings.store, replace=overwrite, say=click.echo)


@models.command()
@click.argument("name")
@click.option("--worker", "workers", multiple=True, metavar="NODE", help="Only this; repeatable.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="Seconds to wait for the workers.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per worker.")
def use(name: str, workers: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Have running workers read with another model, without a pause.

    Each loads and warms it beside the one that reads. Where that fails, the old one stays; exit
    code 1 then. Workers that start later load what their TILEFLEET_MODEL says.
    """
    from producer.remote import Remote, use_model

    settings = Settings.from_environ()
    failed = 0

    def say(node: str, progress: dict[str, Any]) -> None:
        nonlocal failed
        bad = progress["state"] == "failed"
        failed += bad
        if as_json:
            click.echo(json.dumps({"worker": node, **progress}, ensure_ascii=False))
        elif bad:
            click.echo(f"{node}  nothing changed: {progress['why']}", err=True)
        elif progress["model"] == progress["before"]:
            click.echo(f"{node}  reads with {progress['model']} already")
        else:
            change = f"{progress['before']} → {progress['model']}"
            click.echo(f"{node}  {change} in {progress['seconds']:.2f} s")

    use_model(Remote(settings), name, workers=workers, timeout=timeout, say=say)
    if settings.model != name and not as_json and not failed:
        click.echo(f"to have later workers load it too, set TILEFLEET_MODEL={name}", err=True)
    if failed:
        raise SystemExit(1)


@models.command()
@click.argument("name", required=False)
@click.option("--captchas", type=_FOLDER, help="Folder with answers.csv.")
@click.option("--headers", type=click.IntRange(min=1), help="Draw so many headers of each kind.")
@click.option("--fonts", type=_FOLDER, multiple=True, help="Folder of font files, for --headers.")
@click.option("--report", type=_FILE, help="Folder to write figures and pictures to.")
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

    Captchas that ask for a word outside the 80 are counted apart: their answers should be unsure.
    With --headers, words are read from drawn headers in fonts that no network was trained with
    (those of --fonts that training holds out).
    """
    from models.evaluate import Score, outcomes
    from models.reader import Reader
    from models.truth import truths
    from producer.scores import show_score

    if captchas is None and headers is None:
        raise click.UsageError("give --captchas FOLDER or --headers COUNT")
    settings = Settings.from_environ()
    reader = Reader(replace(settings, model=name) if name else settings)
    shown: dict[str, Any] = {"model": reader.engine.model}
    if captchas is not None:
        found = outcomes(reader, truths(captchas))
        score = Score.of(found)
        shown |= score.encode()
        if report is not None:
            from models.charts import write

            write(report, reader.engine.model, found, score)
        if not as_json:
            click.echo(show_score(reader.engine.model, score))
    if headers is not None:
        from models.training.headers import read_headers

        kinds = read_headers(reader, headers, font_folders=fonts)
        shown["headers"] = kinds
        if not as_json:
            for kind, share in kinds.items():
                click.echo(f"{kind} headers read: {share:.1%}")
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))


@models.command()
@click.argument("name")
@click.option("--precision", type=click.Choice(["float32", "int8"]), required=True)
@click.option("--name", "new_name", required=True, help="Its name in the store.")
@click.option("--data", type=_FOLDER, help="Folder with captchas2016/, to measure activations on.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
def convert(name: str, precision: str, new_name: str, data: Path | None, overwrite: bool) -> None:
    """Store a model again with LiteRT files in float32, or in int8: a fifth of the time."""
    from models import store
    from models.engines import choose_keras_backend

    settings = Settings.from_environ()
    choose_keras_backend()
    from models import precision as precisions

    entry = store.find(name, root=settings.store)
    if not overwrite:
        store.check_free(new_name, root=settings.store)
    made = precisions.convert(entry, precision, name=new_name, root=settings.store, data=data)
    click.echo(f"stored {made.identity} in {made.folder}")


def _figures(figures: Any) -> str:
    if isinstance(figures, dict):
        return ", ".join(f"{key} {value}" for key, value in figures.items())
    return str(figures)


@models.command()
@click.option(
    "--data", type=_FOLDER, required=True, help="Folder with tiles/ (or tiles.npz), captchas2016/."
)
@click.option(
    "--fonts", type=_FOLDER, multiple=True, help="Folder of font files for headers; repeatable."
)
@click.option("--teacher", metavar="NAME", help="Stored model whose soft labels teach the tiles.")
@click.option("--name", default="builtin", show_default=True, help="Its name in the store.")
@click.option("--store", "root", type=_FILE, help="Store to write to; the settings' if not given.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
@click.option(
    "--only",
    type=click.Choice(["words", "tiles"]),
    help="Train one, keep the other (or take the built-in one).",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--headers", type=click.IntRange(min=1), help="How many to draw, likewise.")
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Of each network, instead of the recipe's."
)
@click.option("--steps", type=click.IntRange(min=1), help="Of each epoch, likewise.")
@click.option(
    "--directory",
    type=_FILE,
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
    directory: Path,
) -> None:
    """Train both networks from random initialisation, measure and store them.

    Headers are drawn. Tiles are learned from DATA/tiles (or DATA/tiles.npz, as "models bootstrap"
    writes it), from those of DATA/captchas2016 as a teacher sees them, and from our own drawn
    ones. DATA/captchas is only measured.
    """
    from models.engines import choose_keras_backend

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
        directory=directory,
        say=click.echo,
    )
    click.echo(f"stored {entry.identity} in {entry.folder}")

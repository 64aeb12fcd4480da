"""``tilefleet models …``: what is in the store, and which model workers read with.

`training_cli` has the commands that make and measure networks, `learning_cli` those for captchas
that nobody labelled.
"""

import json
from pathlib import Path
from typing import Any

import click

from models.store.manifest import PRECISIONS
from producer.cli.evaluation import evaluate
from producer.cli.learning import bootstrap, dedupe, review
from producer.cli.training import train
from producer.terminal.options import FOLDER
from tilefleet.settings import Settings

# A file that is missing gets the store's own clear error.
_FILE = click.Path(path_type=Path)


@click.group()
def models() -> None:
    """The model store."""


for _command in (train, evaluate, bootstrap, dedupe, review):
    models.add_command(_command)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_models(as_json: bool) -> None:
    """Show the models: where they come from, and how right they are.

    The one that workers load is marked with a star. --json has all that their manifests tell.
    """
    from models import store
    from producer.terminal.catalogue import show_model
    from producer.terminal.text import printable

    settings = Settings.from_environ()
    for entry in store.entries(root=settings.store):
        if isinstance(entry, tuple):
            folder, error = entry
            click.echo(printable(f"  {folder.name}: cannot be used: {error}"), err=True)
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
        else:
            click.echo(show_model(manifest, chosen=manifest.name == settings.model))


@models.command("import")
@click.option("--words", type=_FILE, help="Header network, Keras 2 .h5; without: the built-in's.")
@click.option(
    "--tiles",
    type=_FILE,
    multiple=True,
    help="Tile network, Keras 2 .h5; repeatable: the mean of them; without: the built-in's.",
)
@click.option("--name", required=True, help="Its name in the store.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
def import_models(words: Path | None, tiles: tuple[Path, ...], name: str, overwrite: bool) -> None:
    """Convert networks of easy12306, 12306-ocr or Cracking-12306, check the result, and store it.

    Several --tiles become one network that answers with the mean: of each family's answers, then
    of the families.
    """
    if words is None and not tiles:
        raise click.UsageError("give --words, --tiles, or both")
    from models.runtimes.installed import choose_keras_backend

    settings = Settings.from_environ()
    choose_keras_backend()
    from models.legacy.importer import import_networks

    import_networks(words, tiles, name=name, root=settings.store, replace=overwrite, say=click.echo)


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
    from producer.monitoring.remote import Remote, use_model
    from producer.terminal.text import printable

    settings = Settings.from_environ()
    failed = 0

    def say(node: str, progress: dict[str, Any]) -> None:
        nonlocal failed
        bad = progress["state"] == "failed"
        failed += bad
        if as_json:
            click.echo(json.dumps({"worker": node, **progress}, ensure_ascii=False))
        elif bad:
            click.echo(printable(f"{node}  nothing changed: {progress['why']}"), err=True)
        elif progress["model"] == progress["before"]:
            click.echo(f"{node}  reads with {progress['model']} already")
        else:
            change = f"{progress['before']} → {progress['model']}"
            click.echo(f"{node}  {change} in {progress['seconds']:.2f} s")

    remote = Remote(settings, timeout=min(timeout, 5.0))
    use_model(remote, name, workers=workers, timeout=timeout, say=say)
    if settings.model != name and not as_json and not failed:
        click.echo(f"to have later workers load it too, set TILEFLEET_MODEL={name}", err=True)
    if failed:
        raise SystemExit(1)


@models.command()
@click.argument("name")
@click.option("--precision", type=click.Choice([*PRECISIONS]), required=True)
@click.option("--name", "new_name", required=True, help="Its name in the store.")
@click.option("--data", type=FOLDER, help="Folder with captchas2016/, to measure activations on.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
def convert(name: str, precision: str, new_name: str, data: Path | None, overwrite: bool) -> None:
    """Store a model again with LiteRT files in float32, in int8, or mixed: words in int8.

    How much time int8 saves depends on the processor; "benchmarks.engine" measures it.
    """
    from models import store
    from models.runtimes.installed import choose_keras_backend

    settings = Settings.from_environ()
    choose_keras_backend()
    from models.training import precision as precisions

    entry = store.find(name, root=settings.store)
    if not overwrite:
        store.check_free(new_name, root=settings.store)
    made = precisions.convert(entry, precision, name=new_name, root=settings.store, data=data)
    click.echo(f"stored {made.identity} in {made.folder}")

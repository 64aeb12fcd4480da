"""``tilefleet models import / export``: models from files, and to them."""

from pathlib import Path

import click

from producer.terminal.options import MODEL
from tilefleet.errors import ModelError
from tilefleet.settings import Settings

# A file that is missing gets the store's own clear error.
_FILE = click.Path(path_type=Path)


@click.command("import")
@click.argument("archive", metavar="[FILE]", required=False, type=_FILE)
@click.option("--words", type=_FILE, help="Header network, Keras 2 .h5; without: the built-in's.")
@click.option(
    "--tiles",
    type=_FILE,
    multiple=True,
    help="Tile network, Keras 2 .h5; repeatable: the mean of them; without: the built-in's.",
)
@click.option("--name", help="Its name in the store; without, of FILE: the one it had.")
@click.option("--replace", "overwrite", is_flag=True, help="Replace a model of that name.")
def import_models(
    archive: Path | None,
    words: Path | None,
    tiles: tuple[Path, ...],
    name: str | None,
    overwrite: bool,
) -> None:
    """Store the model of FILE, or convert networks of old programs.

    FILE is what "models export" wrote. Networks are given by --words and --tiles in its place, and
    are of easy12306, 12306-ocr or Cracking-12306; what was converted is checked. Several --tiles
    become one network that answers with the mean: of each family's answers, then of the families.
    """
    settings = Settings.from_environ()
    if archive is not None:
        if words is not None or tiles:
            raise click.UsageError("give FILE, or --words and --tiles, not both")
        from models.store.archive import read

        entry = read(archive, name=name, root=settings.store, replace=overwrite)
        click.echo(f"stored {entry.identity} in {entry.folder}")
        return
    if words is None and not tiles:
        raise click.UsageError("give FILE, or --words, --tiles, or both")
    if name is None:
        raise click.UsageError("--words and --tiles want --name: the model's name in the store")
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    from models.legacy.importer import import_networks

    import_networks(words, tiles, name=name, root=settings.store, replace=overwrite, say=click.echo)


@click.command()
@click.argument("name", type=MODEL)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", "overwrite", is_flag=True, help="Replace a FILE that is there.")
def export(name: str, file: Path, overwrite: bool) -> None:
    """Write a model to one FILE, for another machine.

    "models import FILE" stores it there. It is a zip file with the networks, the manifest and the
    hash of each.
    """
    from models import store
    from models.store.archive import write

    entry = store.find(name, root=Settings.from_environ().store)
    try:
        write(entry, file, replace=overwrite)
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}") from None
    click.echo(f"{entry.identity} is in {file}, {file.stat().st_size:,} bytes")

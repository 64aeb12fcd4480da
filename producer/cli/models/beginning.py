"""``tilefleet models new``: what kind of captcha a folder has, before anything is learned."""

from pathlib import Path

import click

from producer.terminal.options import FOLDER, MODEL
from producer.terminal.text import printable
from tilefleet.errors import ModelError
from tilefleet.settings import Settings

#: Words that are shown.
_NAMED = 8


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--like", metavar="NAME", type=MODEL, help="Begin with the layout and words of this model."
)
def new(folder: Path, like: str | None) -> None:
    """Say what kind of captcha DIR has.

    Proposes a layout, or checks the one that is there. DIR gets layout.toml and words.txt where it
    has none, and layout.png: the layout, drawn onto one of the captchas, to be looked at. Correct
    the two files and run it again; "models train --data DIR" learns them. The captchas are in DIR
    or in DIR/captchas.
    """
    from models import store
    from models.datasets import own
    from models.datasets.beginning import look
    from models.datasets.kinds import LAYOUT, WORDS, write_layout, write_words
    from models.drawing.outline import draw

    kind = store.find(like, root=Settings.from_environ().store).manifest.kind if like else None
    found = look(folder, kind)
    layout = found.layout
    drawn = folder / own.DRAWN
    try:
        if not found.given[0]:
            write_layout(folder / LAYOUT, layout, found.shares)
        if not found.given[1]:
            write_words(folder / WORDS, found.words)
        draw(found.sample, layout).save(drawn)
    except OSError as error:
        raise ModelError(f"{error.filename or folder}: {error.strerror}") from None
    said = ["read from" if given else "written to" for given in found.given]
    shown = ", ".join(found.words[:_NAMED]) + (" …" if len(found.words) > _NAMED else "")
    lines = [
        f"{found.count} captchas of {layout}",
        f"layout: {layout.rows}×{layout.columns} tiles of {layout.tile[0]}×{layout.tile[1]}, "
        f"up to {layout.words} word{'s' * (layout.words > 1)} in a header of "
        f"{layout.header[2]}×{layout.header[3]}; {said[0]} {folder / LAYOUT}",
        f"drawn onto {found.sample.name}: look at {drawn}",
        f"words: {len(found.words)}{f' ({shown})' if shown else ''}; {said[1]} {folder / WORDS}",
    ]
    if not found.words:
        lines.append(f"write the words that may be asked for into {folder / WORDS}, one a line")
    lines.append(f"then: tilefleet models train --data {folder} --name NAME")
    click.echo(printable("\n".join(lines)))

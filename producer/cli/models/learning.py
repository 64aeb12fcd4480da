"""``tilefleet models bootstrap / dedupe / review / label``: labels of captchas that have none."""

from pathlib import Path
from typing import Any, Final

import click

from producer.terminal.bars import Bars
from producer.terminal.options import FOLDER, MODEL, OUT
from tilefleet.settings import Settings

#: Files that are no captchas and are named; the others are counted.
_NAMED: Final = 20


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", type=OUT, required=True, help="Folder to fill; the same again goes on.")
@click.option(
    "--words", metavar="NAME", type=MODEL, help="Stored model whose words network reads headers."
)
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Networks to learn from sure labels, at most; 0: by repetition alone.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=2000, show_default=True, help="Of each network."
)
@click.option("--seed", type=int, default=1, show_default=True)
def bootstrap(
    folder: Path, out: Path, words: str | None, rounds: int, steps: int, seed: int
) -> None:
    """Label the tiles of captchas in FOLDER that nobody labelled.

    Only the headers are read: their words tell what the pictures that keep coming back show.
    OUT gets tiles.npz (for `tilefleet models train`), labels.csv, sheets/, unreadable.csv, and
    what `tilefleet models review` needs.
    """
    from models.bootstrap.run import bootstrap as run

    settings = Settings.from_environ()
    bars = Bars()
    try:
        outcome = run(
            folder,
            out,
            words=words or settings.model,
            root=settings.store,
            rounds=rounds,
            steps=steps,
            seed=seed,
            begin=bars.begin,
            say=bars.say,
        )
    finally:
        bars.close()
    for file, why in outcome.unreadable:
        click.echo(f"skipped {file}: {why}", err=True)
    click.echo("\n".join(outcome.lines()))
    click.echo(f"written to {out}")


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", type=OUT, required=True, help="Folder for pictures.csv and the curve.")
@click.option(
    "--signature",
    default="colour",
    show_default=True,
    help="What tells pictures apart: average, difference, perceptual, wavelet, colour or learned.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Measure every signature; FOLDER has tile pictures LL_KK.* whose copies are made.",
)
@click.option("--seed", type=int, default=1, show_default=True)
def dedupe(folder: Path, out: Path, signature: str, compare: bool, seed: int) -> None:
    """Find tiles in FOLDER's captchas that are the same picture.

    OUT/pictures.csv lists every tile with its picture's number. With --compare: a table of how many
    copies each signature finds, and OUT/curves.png, its precision over recall.
    """
    from models.bootstrap import dedupe as report

    bars = Bars()
    try:
        if compare:
            lines = report.compare(folder, out, seed=seed, begin=bars.begin)
        else:
            lines = report.find(
                folder, out, settings=Settings.from_environ(), name=signature, begin=bars.begin
            )
    finally:
        bars.close()
    click.echo("\n".join(lines))


_host: Any = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve on; on another than this one, the link has a secret in it.",
)
_port: Any = click.option("--port", type=click.IntRange(0, 65535), default=8077, show_default=True)


@click.command()
@click.argument("dataset", type=FOLDER)
@_host
@_port
def review(dataset: Path, host: str, port: int) -> None:
    """Confirm or correct doubtful labels of DATASET in a browser.

    With the keyboard. Every decision is saved at once; tiles.npz and labels.csv are written anew
    when the server ends (Ctrl-C).
    """
    from models.bootstrap.dataset import Dataset
    from producer.review.server import serve
    from producer.review.tiles import make

    opened = Dataset.open(dataset)
    serve(
        lambda secret: make(opened, secret=secret),
        host=host,
        port=port,
        what=f"{len(opened)} pictures",
        say=click.echo,
    )
    click.echo(f"{len(opened.corrections)} decisions; {opened.export()} pictures in tiles.npz")


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--model", metavar="NAME", type=MODEL, help="Stored model that guesses.")
@_host
@_port
def label(folder: Path, model: str | None, host: str, port: int) -> None:
    """Say in a browser what is right for the captchas of DIR.

    With the keyboard, or on a phone. A model guesses; what it is least sure of comes first. Every
    decision is written to DIR/answers.csv at once, which "models evaluate" and "models train" read.
    """
    from models.engines.reader import Reader
    from producer.review.captchas import make
    from producer.review.labelling import Labelling
    from producer.review.server import serve
    from producer.terminal.text import printable
    from tilefleet.errors import BadCollection

    settings = Settings.from_environ()
    reader = Reader(settings, model)
    skipped: list[str] = []
    bars = Bars()
    try:
        opened = Labelling.read(
            folder,
            reader,
            tick=bars.begin("reading captchas"),
            skip=lambda file, why: skipped.append(f"skipped {file}: {why}"),
        )
    finally:
        bars.close()
    for line in skipped[:_NAMED]:
        click.echo(printable(line), err=True)
    if skipped:
        click.echo(f"{len(skipped)} files are no captchas that can be read", err=True)
    if not opened.captchas:
        raise BadCollection(f"{folder} has no captchas")
    serve(
        lambda secret: make(opened, secret=secret),
        host=host,
        port=port,
        what=f"{len(opened.captchas)} captchas, {opened.decided} decided",
        say=click.echo,
    )
    click.echo(f"{opened.decided} of {len(opened.captchas)} captchas are in {folder}/answers.csv")

"""``tilefleet models bootstrap / dedupe / review``: labels from captchas that nobody labelled."""

from pathlib import Path

import click

from producer.terminal.bars import Bars
from producer.terminal.options import FOLDER, MODEL, OUT
from tilefleet.settings import Settings


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
    """Label the tiles of all captchas in FOLDER, which nobody labelled.

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
    """Find tiles that are the same picture again in the captchas of FOLDER.

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


@click.command()
@click.argument("dataset", type=FOLDER)
@click.option("--port", type=click.IntRange(0, 65535), default=8077, show_default=True)
def review(dataset: Path, port: int) -> None:
    """Confirm or correct doubtful labels of DATASET in a browser, with the keyboard.

    The page is served to this machine only. Every decision is saved at once; tiles.npz and
    labels.csv are written anew when the server ends (Ctrl-C).
    """
    from models.bootstrap.dataset import Dataset
    from producer.review import serve

    opened = Dataset.open(dataset)
    serve(opened, port=port, say=click.echo)
    click.echo(f"{len(opened.corrections)} decisions; {opened.export()} pictures in tiles.npz")

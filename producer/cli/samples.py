"""``tilefleet samples``: drawn captchas with known answers."""

from pathlib import Path

import click

from producer.terminal.options import Within


@click.command()
@click.option(
    "--tiles",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of tile pictures LL_KK.*, LL being the label's index; ours if not given.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to fill."
)
@click.option("--count", type=click.IntRange(min=1), default=24, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help="An unlabelled collection: how often each picture comes back, slightly altered.",
)
@click.option(
    "--header-errors",
    type=Within(0, 0.5),
    default=0.0,
    show_default=True,
    help="With --repeats: share of headers' words that name another thing.",
)
def samples(
    tiles: Path | None,
    out: Path,
    count: int,
    seed: int,
    repeats: int | None,
    header_errors: float,
) -> None:
    """Draw captchas with known answers.

    From any folder of tile pictures. With --repeats, a collection to learn from without labels; the
    truth is in truth.csv.
    """
    if header_errors and not repeats:
        raise click.UsageError("--header-errors goes with --repeats")
    from models.drawing.captchas import generate
    from models.drawing.collection import plan
    from models.drawing.tiles import TILES
    from producer.terminal.progress import Progress

    if repeats:
        drawn = plan(
            tiles or TILES, captchas=count, repeats=repeats, header_errors=header_errors, seed=seed
        )
        with Progress(count) as progress:
            drawn.write(out, progress.over(range(count)))
        click.echo(f"{count} captchas of {len(drawn.labels)} pictures, and truth.csv in {out}")
        return
    generate(tiles or TILES, out, count=count, seed=seed)
    click.echo(f"{count} captchas and answers.csv in {out}")

"""The command ``tilefleet bench``."""

import sys
from pathlib import Path
from typing import Any

import click

from producer.terminal.options import MODEL, POSITIVE, Within


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]…")
@click.option(
    "--clients",
    type=click.IntRange(1, 10_000),
    default=16,
    show_default=True,
    help="Closed loop: how many send, each its next one when it has its answer.",
)
@click.option(
    "--rate",
    type=Within(0, 1_000_000, min_open=True),
    help="Open loop: captchas a second, at random (Poisson), answered or not.",
)
@click.option(
    "--seconds",
    type=POSITIVE,
    default=10.0,
    show_default=True,
    help="How long to send.",
)
@click.option(
    "--duplicates",
    type=Within(0, 1),
    default=0.0,
    help="Share that repeats a recent one.",
)
@click.option("--bad", type=Within(0, 1), default=0.0, help="Share that is no captcha.")
@click.option(
    "--timeout",
    type=POSITIVE,
    default=30.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
@click.option("--model", type=MODEL, metavar="NAME", help="Which model reads; none: the default.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a histogram of the latencies: .png, .svg or .pdf.",
)
def bench(files: tuple[str, ...], **options: Any) -> None:
    """Put load on a running fleet, and tell what became of it.

    The captchas are those of FILE (as for "tilefleet solve"), else the package's samples; each is
    sent with a few more bytes, so that none is a duplicate unless asked for.

    Exit code 1 if nothing was answered. 130 after Ctrl-C, which shows what was measured so far.
    """
    from producer.bench.run import run

    sys.exit(run(files, **options))

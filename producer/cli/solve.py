"""``tilefleet solve``: an answer for each captcha, in order; what fails does not stop the rest.

Exit code 0 if all were answered, 1 if any was not, 130 after Ctrl-C, which says what is done.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from producer.terminal import inputs
from producer.terminal.group import STOPPED
from producer.terminal.options import FOLDER, MODEL, POSITIVE


@click.command()
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]…")
@click.option("--files-from", metavar="LIST", help="A file with more of them, one a line; - too.")
@click.option("--watch", type=FOLDER, metavar="DIR", help="Read what appears in it, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--csv", "as_csv", is_flag=True, help="A table: a row for each FILE.")
@click.option("--plain", is_flag=True, help="On a terminal too: lines, and no grid.")
@click.option("--picture", metavar="OUT", help="Draw the answer: a .png, a folder/, or a pattern.")
@click.option("--show", is_flag=True, help="Draw it in the terminal (kitty, iTerm2, xterm …).")
@click.option("--local", is_flag=True, help="Read in this process: no queue, no worker.")
@click.option("--model", type=MODEL, metavar="NAME", help="Which model reads; none: the default.")
@click.option(
    "--timeout",
    type=POSITIVE,
    default=30.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
def solve(
    files: tuple[str, ...],
    files_from: str | None,
    watch: Path | None,
    as_json: bool,
    as_csv: bool,
    plain: bool,
    picture: str | None,
    show: bool,
    local: bool,
    model: str | None,
    timeout: float,
) -> None:
    """Read captchas: one answer per FILE, in order.

    A FILE may be a folder (all pictures below it), a pattern in quotes ('**/*.jpg'), or - for a
    picture on the standard input. In a pattern for --picture, {name} is the file's name and
    {number} counts. On a terminal the answer is drawn as a grid, elsewhere it is lines.

    Exit code 1 if any failed; the others are still answered. 130 after Ctrl-C.
    """

    if not files and files_from is None and watch is None:
        raise click.UsageError("name at least one FILE, a folder, a pattern, or - ")
    if as_json + as_csv + plain > 1:
        raise click.UsageError("give one of --json, --csv and --plain")
    from producer.reading.album import Album
    from producer.reading.forms import Csv, Form, Grid, Json, Plain
    from producer.reading.readers import ByFleet, Here
    from producer.reading.run import Run

    form: Form = Plain() if plain or not sys.stdout.isatty() else Grid()
    form = Json() if as_json else Csv() if as_csv else form
    one = files_from is None and watch is None and inputs.is_one(files)
    album = None if picture is None else Album(picture, one=one)
    with Here(model=model) if local else ByFleet(timeout=timeout, model=model) as reader:
        run = Run(
            reader.read, form, album=album, show_picture=_shower() if show else None, alone=one
        )
        code = run.over(files, files_from) if files or files_from else 0
        if watch is not None and code != STOPPED:
            from producer.reading.appearing import appearing

            code = run.watch(appearing(str(watch)), folder=str(watch)) or code
    sys.exit(code)


def _shower() -> Callable[[bytes], str]:
    from producer.reading.inline import shower

    found = shower(os.environ) if sys.stdout.isatty() else None
    if found is None:
        raise click.UsageError(
            "--show needs a terminal that shows pictures (kitty, Ghostty, Konsole, iTerm2, "
            "WezTerm, VS Code, or one with sixels: foot, xterm -ti vt340, Windows Terminal); "
            "--picture answer.png draws one to a file"
        )
    return found

"""``tilefleet solve``: an answer for each captcha, in order; what fails does not stop the rest.

Exit code 0 if all were answered, 1 if any was not, 130 after Ctrl-C, which says what is done.
"""

import json
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import click

from producer.terminal import inputs
from producer.terminal import text as show
from producer.terminal.inputs import Input
from producer.terminal.options import MODEL
from producer.terminal.progress import Progress, span
from tilefleet.answer import Answer
from tilefleet.errors import FleetError, TilefleetError
from tilefleet.settings import Settings

#: Answers, or errors in their place.
Outcomes = Generator[tuple[Input, Answer | TilefleetError | OSError], None, None]

#: Captchas on the way at once.
WINDOW: Final = 64
_STOPPED: Final = 130


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]…")
@click.option("--files-from", metavar="LIST", help="A file with more of them, one a line; - too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--picture", metavar="OUT", help="Draw the answer: a .png, a folder/, or a pattern.")
@click.option("--local", is_flag=True, help="Read in this process: no queue, no worker.")
@click.option("--model", metavar="NAME", type=MODEL, help="With --local: which model reads.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
def solve(
    files: tuple[str, ...],
    files_from: str | None,
    as_json: bool,
    picture: str | None,
    local: bool,
    model: str | None,
    timeout: float,
) -> None:
    """Read captchas: one answer per FILE, in order.

    A FILE may be a folder (all pictures below it), a pattern in quotes ('**/*.jpg'), or - for a
    picture on the standard input. In a pattern for --picture, {name} is the file's name and
    {number} counts.

    Exit code 1 if any failed; the others are still answered. 130 after Ctrl-C.
    """

    if not files and files_from is None:
        raise click.UsageError("name at least one FILE, a folder, a pattern, or - ")
    if model and not local:
        raise click.UsageError(
            "--model goes with --local; a fleet reads with the model that its workers loaded"
        )
    read = partial(here, model=model) if local else partial(by_fleet, timeout=timeout)
    sys.exit(run(files, listed=files_from, picture=picture, as_json=as_json, read=read))


def run(
    arguments: tuple[str, ...],
    *,
    listed: str | None,
    picture: str | None,
    as_json: bool,
    read: Callable[[Iterable[Input]], Outcomes],
) -> int:
    """Print the answers of what is named; gives the exit code.

    `listed`: a file that names more. `picture`: where to draw the answers. `read` reads them.
    """
    one = listed is None and inputs.is_one(arguments)
    album = None if picture is None else Album(picture, one=one)
    found: Iterable[Input] = inputs.expand(arguments)
    total = None
    if listed is None:
        # To know how many: names are small.
        found = list(found)
        total = len(found)
    else:
        found = inputs.expand(name for some in (arguments, inputs.listed(listed)) for name in some)
    with Progress(total) as progress, _Interrupts() as interrupts:
        try:
            with closing(read(found)) as outcomes:
                for input, outcome in outcomes:
                    progress.clear()
                    # What is printed is counted, whenever Ctrl-C comes.
                    with interrupts.later():
                        failed = not _tell(input, outcome, album, as_json=as_json, alone=one)
                        progress.count(failed=failed)
                    interrupts.check()
        except KeyboardInterrupt:
            progress.clear()
            click.echo(f"tilefleet: stopped; {_tally(progress, total)}", err=True)
            return _STOPPED
        except FleetError:
            # The way to the fleet, not a captcha: nothing more will come.
            progress.clear()
            if progress.done:
                click.echo(f"tilefleet: {_tally(progress, total)}", err=True)
            raise
        except OSError as error:
            if listed is None:
                raise
            raise click.UsageError(f"--files-from {listed}: {error.strerror}") from None
    if progress.failed and progress.done > 1:
        click.echo(f"tilefleet: {_tally(progress, total)}", err=True)
    return 1 if progress.failed else 0


class _Interrupts(AbstractContextManager["_Interrupts"]):
    """Ctrl-C that is not forgotten where Python drops the exception, as in a `__del__`."""

    def __enter__(self) -> "_Interrupts":
        self._came = self._wait = False
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raises KeyboardInterrupt if there was one."""
        if self._came:
            raise KeyboardInterrupt

    @contextmanager
    def later(self) -> Iterator[None]:
        """What is done in here is not interrupted; `check` afterwards."""
        self._wait = True
        try:
            yield
        finally:
            self._wait = False

    def _interrupt(self, *_: object) -> None:
        self._came = True
        if not self._wait:
            raise KeyboardInterrupt


def by_fleet(captchas: Iterable[Input], *, timeout: float) -> Outcomes:
    """Sent to the fleet, up to `WINDOW` at once."""
    from producer.client import Client

    with Client() as fleet:
        yield from fleet.outcomes(captchas, window=WINDOW, timeout=timeout)


def here(captchas: Iterable[Input], *, model: str | None) -> Outcomes:
    """Read in this process."""
    from models.engines.reader import Reader

    settings = Settings.from_environ()
    reader = Reader(replace(settings, model=model) if model else settings)
    for captcha in captchas:
        try:
            yield captcha, reader.read(captcha.read())
        except (TilefleetError, OSError) as error:
            yield captcha, error


class Album:
    """Where annotated pictures go: a file, a folder, or a pattern with ``{name}``."""

    def __init__(self, where: str, *, one: bool) -> None:
        """Raises UsageError if several captchas would be drawn into one file."""
        # Before anything is read: Pillow may be missing.
        from producer.terminal import picture

        self._draw = picture.draw
        self._pattern = where if "{name}" in where or "{number}" in where else None
        folder = where.endswith(("/", "\\")) or Path(where).is_dir()
        self._file = Path(where) if one and not folder and self._pattern is None else None
        self._folder = Path(where) if folder else None
        self._written: set[Path] = set()
        if not (self._pattern or folder or one):
            raise click.UsageError(
                f"--picture {where} is one file, for several captchas: give a folder ({where}/) "
                "or a pattern with {name} or {number}, such as out/{name}.png"
            )

    def add(self, captcha: Input, answer: Answer) -> Path:
        """Draw one; raises OSError if it cannot be written."""
        # The standard input is empty by now.
        data = captcha.kept or captcha.read()
        path = self._path(captcha)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._draw(data, answer))
        self._written.add(path)
        return path

    def _path(self, captcha: Input) -> Path:
        """One that was not written before: two folders may have files of the same name."""
        if self._file is not None:
            return self._file
        number = len(self._written) + 1
        wanted = captcha.place.with_suffix(".png")
        if self._pattern is not None:
            names = {"{name}": captcha.place.stem, "{number}": f"{number:06}"}
            text = self._pattern
            for field, value in names.items():
                text = text.replace(field, value)
            path = Path(text)
        else:
            assert self._folder is not None
            path = self._folder / wanted
        fresh = path
        for copy in range(2, number + 2):
            if fresh not in self._written:
                break
            fresh = path.with_stem(f"{path.stem}-{copy}")
        return fresh


def _tell(
    captcha: Input,
    outcome: Answer | TilefleetError | OSError,
    album: Album | None,
    *,
    as_json: bool,
    alone: bool,
) -> bool:
    """Print it; whether all went well."""
    if isinstance(outcome, Exception):
        click.echo(f"tilefleet: {captcha.name}: {show.error_line(outcome)}", err=True)
        return False
    if as_json:
        line = {"file": captcha.name, **outcome.encode()}
        click.echo(json.dumps(line, ensure_ascii=False))
    else:
        click.echo(show.text(outcome, title=None if alone else captcha.name))
    if album is not None:
        try:
            album.add(captcha, outcome)
        except OSError as error:
            click.echo(f"tilefleet: --picture: {error.filename}: {error.strerror}", err=True)
            return False
    return True


def _tally(progress: Progress, total: int | None) -> str:
    answered = progress.done - progress.failed
    of = f" of {total:,}" if total else ""
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    return f"{answered:,}{of} answered{failed}, in {span(progress.elapsed_s)}"

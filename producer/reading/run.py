"""The loop of ``tilefleet solve``: what is named is read, and told as it comes."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Final

import click

from producer.reading.album import Album
from producer.reading.forms import Form
from producer.reading.interrupts import Interrupts
from producer.reading.readers import Outcome, Outcomes
from producer.terminal import inputs
from producer.terminal import text as show
from producer.terminal.group import STOPPED
from producer.terminal.inputs import Input
from producer.terminal.progress import Progress, span
from producer.terminal.verbosity import is_quiet
from tilefleet.answer import Answer
from tilefleet.errors import FleetError, FleetUnreachable

#: Seconds after which a server that was away is tried again, while a folder is watched.
_AGAIN_S: Final = 2.0


class Run:
    """Prints the answers of captchas; what fails does not stop the rest."""

    def __init__(
        self,
        read: Callable[[Iterable[Input]], Outcomes],
        form: Form,
        *,
        album: Album | None,
        show_picture: Callable[[bytes], str] | None,
        alone: bool,
    ) -> None:
        """`read` reads them. `album`: where answers are drawn; `show_picture` makes what a terminal
        shows one by. `alone`: there is one captcha only."""
        self._read, self._form, self._album, self._alone = read, form, album, alone
        self._show_picture = show_picture

    def over(self, arguments: tuple[str, ...], listed: str | None) -> int:
        """Those that are named, and in the file `listed`; gives the exit code."""
        found: Iterable[Input] = inputs.expand(arguments)
        total = None
        if listed is None:
            # To know how many: names are small.
            found = list(found)
            total = len(found)
        else:
            names = (name for some in (arguments, inputs.listed(listed)) for name in some)
            found = inputs.expand(names)
        self._head()
        with Progress(total) as progress, Interrupts() as interrupts:
            try:
                self._tell_each(found, progress, interrupts)
            except KeyboardInterrupt:
                return _stopped(progress, total)
            except FleetError:
                # The way to the fleet, not a captcha: nothing more will come.
                progress.clear()
                if progress.done:
                    click.echo(f"tilefleet: {tally(progress, total)}", err=True)
                raise
            except OSError as error:
                if listed is None:
                    raise
                raise click.UsageError(f"--files-from {listed}: {error.strerror}") from None
        if progress.done > 1 and (progress.failed or progress.is_shown) and not is_quiet():
            click.echo(f"tilefleet: {tally(progress, total)}", err=True)
        return 1 if progress.failed else 0

    def watch(self, batches: Iterable[list[Input]], *, folder: str) -> int:
        """What comes in batches, until Ctrl-C; gives the exit code."""
        self._head()
        with Progress() as progress, Interrupts() as interrupts:
            if not is_quiet():
                click.echo(f"tilefleet: watching {folder}; Ctrl-C ends it", err=True)
            try:
                for batch in batches:
                    self._tell_patiently(batch, progress, interrupts)
            except KeyboardInterrupt:
                return _stopped(progress, None)
        return 1 if progress.failed else 0

    def _tell_patiently(
        self, batch: list[Input], progress: Progress, interrupts: Interrupts
    ) -> None:
        """All of them, however long the server is away."""
        left, told = batch, ""
        while left:
            done = progress.done
            try:
                self._tell_each(left, progress, interrupts)
                return
            except FleetUnreachable as error:
                if str(error) != told:
                    told = str(error)
                    progress.clear()
                    click.echo(f"tilefleet: {show.printable(told)}; tried again", err=True)
                left = left[progress.done - done :]
                time.sleep(_AGAIN_S)

    def _tell_each(
        self, found: Iterable[Input], progress: Progress, interrupts: Interrupts
    ) -> None:
        with closing(self._read(found)) as outcomes:
            for captcha, outcome in outcomes:
                progress.clear()
                # What is printed is counted, whenever Ctrl-C comes.
                with interrupts.later():
                    progress.count(failed=not self._tell(captcha, outcome))
                interrupts.check()

    def _head(self) -> None:
        if head := self._form.head():
            click.echo(head)

    def _tell(self, captcha: Input, outcome: Outcome) -> bool:
        """Print it; whether all went well."""
        if not isinstance(outcome, Answer):
            click.echo(f"tilefleet: {captcha.name}: {show.error_line(outcome)}", err=True)
            if line := self._form.failed(captcha.name, outcome):
                click.echo(line)
            return False
        click.echo(self._form.answered(captcha.name, outcome, alone=self._alone))
        if self._show_picture is not None:
            from producer.terminal import picture

            drawn = picture.draw(captcha.kept or captcha.read(), outcome)
            # No colours of ours: what looks like one is the picture.
            click.echo(self._show_picture(drawn), color=True)
        if self._album is not None:
            try:
                self._album.add(captcha, outcome)
            except OSError as error:
                click.echo(f"tilefleet: --picture: {error.filename}: {error.strerror}", err=True)
                return False
        return True


def tally(progress: Progress, total: int | None) -> str:
    """``119 of 120 answered, 1 failed, in 4 s (30/s)``."""
    answered = progress.done - progress.failed
    of = f" of {total:,}" if total else ""
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    rate = f" ({progress.rate:,.1f}/s)" if progress.done > 1 else ""
    return f"{answered:,}{of} answered{failed}, in {span(progress.elapsed_s)}{rate}"


def _stopped(progress: Progress, total: int | None) -> int:
    progress.clear()
    click.echo(f"tilefleet: stopped; {tally(progress, total)}", err=True)
    return STOPPED

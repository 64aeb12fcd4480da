"""A bar for each step of a long command on a terminal; nothing in a pipe."""

import sys
from collections.abc import Callable
from contextlib import ExitStack

import click

from producer.terminal.verbosity import is_quiet, is_redrawn

#: Is told how many are done, and of how many.
Tick = Callable[[int, int], None]


class Bars:
    """One bar at a time: a step's begin ends the one before."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def begin(self, step: str) -> Tick:
        """A bar of that name; what it returns moves it."""
        self.close()
        if not is_redrawn(sys.stderr) or is_quiet():
            return lambda done, of: None
        # Its length is known once the step tells it.
        bar = self._open.enter_context(
            click.progressbar(length=1, label=step, file=sys.stderr, show_pos=True)
        )
        before = 0

        def tick(done: int, of: int) -> None:
            nonlocal before
            bar.length = of
            bar.update(done - before)
            before = done

        return tick

    def say(self, line: str) -> None:
        """A line that stays, in a pipe too."""
        self.close()
        click.echo(line, err=True)

    def close(self) -> None:
        """End the last bar."""
        self._open.close()
        self._open = ExitStack()

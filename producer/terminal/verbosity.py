"""How much a command says, and whether in colour: ``-q``, ``-v``, ``NO_COLOR``."""

import logging
import os
from typing import Final, TextIO

import click

from tilefleet.settings import unknown_variables

_META: Final = "tilefleet.verbosity"
#: Packages whose log -v shows.
_OURS: Final = ("producer", "models", "tilefleet")


def verbosity() -> int:
    """-1 after ``-q``, 1 and more after ``-v``, else 0: of the command that runs."""
    context = click.get_current_context(silent=True)
    return int(context.meta.get(_META, 0)) if context else 0


def is_quiet() -> bool:
    """Whether only answers and errors are wanted."""
    return verbosity() < 0


def is_verbose() -> bool:
    """Whether more is wanted than usual."""
    return verbosity() > 0


def colour() -> bool | None:
    """Whether to colour: False under ``NO_COLOR``, True under ``FORCE_COLOR``; None: on terminals.

    https://no-color.org
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def is_redrawn(stream: TextIO) -> bool:
    """Whether a line there can be written over: on terminals, but those that only print."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def options() -> list[click.Option]:
    """``-q`` and ``-v``, which every command has."""
    return [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_quiet,
            help="Only answers and errors.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_verbose,
            help="Say what is done; -vv: all of it.",
        ),
    ]


def _quiet(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[_META] = -1
    elif context.parent is not None and not context.resilient_parsing and not is_quiet():
        for line in unknown_variables():
            click.echo(f"tilefleet: {line}", err=True)


def _verbose(context: click.Context, _: click.Parameter, times: int) -> None:
    if times and not context.resilient_parsing:
        context.meta[_META] = times
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        for name in _OURS:
            logging.getLogger(name).setLevel(logging.INFO if times == 1 else logging.DEBUG)

"""The commands of ``tilefleet``, as click knows them."""

from functools import cache

import click

from producer.cli.main import main


@cache
def commands() -> dict[tuple[str, ...], click.Command]:
    """The words of each command → the command; no words: ``tilefleet`` itself."""
    return dict(_below(main, ()))


def _below(command, words):
    yield words, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _below(each, (*words, name))


def options(command: click.Command) -> set[str]:
    """Its long options, those with a short form too."""
    return {
        name
        for each in command.params
        for name in (*each.opts, *each.secondary_opts)
        if name.startswith("--") and isinstance(each, click.Option)
    } | {"--help"}

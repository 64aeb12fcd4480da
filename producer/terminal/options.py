"""Kinds of arguments that several commands take."""

from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from tilefleet.errors import TilefleetError
from tilefleet.settings import Settings

#: A folder that is there, and one to write to.
FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
OUT: Final = click.Path(file_okay=False, path_type=Path)


class _Model(click.types.StringParamType):
    """The name of a stored model, which the shell completes; the store says if there is none."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from models import store

        given = ctx.params.get(param.name or "")
        taken = set(given) if isinstance(given, tuple) else set()
        try:
            names = store.names(Settings.from_environ().store)
        except (TilefleetError, OSError):
            return []
        return [
            CompletionItem(name)
            for name in names
            if name.startswith(incomplete) and name.isprintable() and name not in taken
        ]


MODEL: Final = _Model()

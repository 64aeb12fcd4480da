"""Kinds of arguments that several commands take."""

from math import isnan
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from tilefleet.errors import TilefleetError, did_you_mean
from tilefleet.settings import Settings


class Within(click.FloatRange):
    """A number of a range. "nan" is none, though no bound keeps it out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class _Folder(click.Path):
    """One that is there; another one beside it may have been meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(error.message.rstrip(".") + beside(str(value)), param, ctx)


class _Model(click.ParamType[str]):
    """A model's name; completed from the store."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            from models import store
        except ModuleNotFoundError:
            # A client alone has no models.
            return []
        given = ctx.params.get(param.name or "")
        taken = set(given) if isinstance(given, tuple) else set()
        try:
            names = store.names(Settings.from_environ().store)
        except (TilefleetError, OSError):
            names = store.names(store.BUILTIN)
        return [
            CompletionItem(name)
            for name in names
            if name.startswith(incomplete) and name.isprintable() and name not in taken
        ]


def beside(path: str) -> str:
    """``; did you mean PATH?`` if there is something of a like name in the same folder."""
    wanted = Path(path)
    try:
        names = [each.name for each in wanted.parent.iterdir() if each.name != wanted.name]
    except OSError:
        return ""
    return did_you_mean(path, [str(wanted.with_name(name)) for name in names])


#: A number above 0, of seconds or of captchas; clocks and sockets take no greater ones.
POSITIVE: Final = Within(min=0, max=1e9, min_open=True)
#: A folder that is there, and one to write to.
FOLDER: Final[Any] = _Folder(exists=True, file_okay=False, path_type=Path)
OUT: Final = click.Path(file_okay=False, path_type=Path)
#: The name of a model that there should be.
MODEL: Final = _Model()

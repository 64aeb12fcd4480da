"""Kinds of arguments that several commands take."""

from pathlib import Path
from typing import Final

import click

#: A folder that is there, and one to write to.
FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
OUT: Final = click.Path(file_okay=False, path_type=Path)

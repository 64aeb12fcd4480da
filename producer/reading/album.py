"""Where drawn answers go: ``tilefleet solve --picture``."""

from pathlib import Path

import click

from producer.terminal.inputs import Input
from tilefleet.answer import Answer


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

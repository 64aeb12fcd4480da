"""The group of ``tilefleet``'s commands: what goes wrong is one line that says what to do.

Exit code 2 for a command line that was not understood, 1 for the rest; with ``-v`` an error shows
where it was raised.
"""

import codecs
import errno
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click

from producer.terminal import verbosity
from producer.terminal.advice import with_advice
from producer.terminal.extras import extra_of
from producer.terminal.text import printable
from tilefleet.errors import TilefleetError, did_you_mean

#: The exit code after Ctrl-C, as shells tell it.
STOPPED: Final = 130


class OneLine(click.Group):
    """A group that shows errors as one line, never as a traceback."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        _prepare_streams()
        with _understood(), _ended():
            return super().make_context(
                info_name, args, parent, **{"color": verbosity.colour(), **extra}
            )

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        super().add_command(cmd, name)
        _add_common(cmd)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _understood(), _ended():
                return super().invoke(ctx)
        except TilefleetError as error:
            _fail(ctx, printable(with_advice(error)))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if (extra := extra_of(package)) is None:
                raise
            needed = f"pip install 'tilefleet[{extra}]'"
            _fail(ctx, f"this needs {package}, which a client does not: {needed}")


def _fail(context: click.Context, line: str) -> None:
    if verbosity.is_verbose():
        traceback.print_exc()
    click.echo(f"tilefleet: {line}", err=True)
    context.exit(1)


class Failed(click.ClickException):
    """What is nobody's error here: a full disk."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"tilefleet: {printable(self.message)}", file=file, err=file is None)


class NotUnderstood(click.ClickException):
    """A command line that is wrong, told in one line."""

    exit_code = 2

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.format_message())
        self._command = error.ctx.command_path if error.ctx else "tilefleet"
        self._line = _line(error, error.ctx)

    def show(self, file: IO[Any] | None = None) -> None:
        more = "" if self._line.endswith("--help") else f" (see {self._command} --help)"
        click.echo(f"{self._command}: {printable(self._line)}{more}", file=file, err=file is None)


def _line(error: click.UsageError, context: click.Context | None) -> str:
    if context is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        params = context.command.get_params(context)
        known = [name for each in params for name in (*each.opts, *each.secondary_opts)]
        return f"no such option {error.option_name}{did_you_mean(error.option_name, known)}"
    if isinstance(error, click.NoSuchCommand) and isinstance(context.command, click.Group):
        commands = context.command.list_commands(context)
        hint = did_you_mean(error.command_name, commands) or f"; there are: {', '.join(commands)}"
        return f"no such command {error.command_name}{hint}"
    text = " ".join(error.format_message().split())
    return text[:1].lower() + text[1:].rstrip(".")


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            raise
        raise NotUnderstood(error) from None


@contextmanager
def _ended() -> Iterator[None]:
    """Ctrl-C where a command does not wait for it, and a disk that is full, are one line, too."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("tilefleet: stopped", err=True)
        raise click.exceptions.Exit(STOPPED) from None
    except OSError as error:
        # click's: who reads a pipe has gone.
        if error.errno == errno.EPIPE or verbosity.is_verbose():
            raise
        what = f"{error.filename}: " if error.filename else ""
        raise Failed(f"{what}{error.strerror or error}") from None


def _prepare_streams() -> None:
    """Names that are no text go out as they came; what an encoding lacks, as escapes; a stream that
    was closed before the start is an empty one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # For as long as the program runs.
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")


def _add_common(command: click.Command) -> None:
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _add_common(each)
        return
    taken = {name for each in command.params for name in each.opts}
    command.params += [each for each in verbosity.options() if not taken & {*each.opts}]

"""Everything that can go wrong, as one tree, in the order of the data flow.

::

    TilefleetError
    ├── SettingError            a TILEFLEET_* variable has a value that cannot be used
    │   └── BadKeyFile          the gateway's file of API keys is missing or broken
    ├── BadArgument             what a program gave cannot be used: a timeout, a window, retries
    ├── BadRequest              what the sender sent cannot be read; sending it again will not help
    │   ├── BadMessage          not one image as bytes (wrong arguments, wrong types)
    │   └── BadImage
    │       ├── NotAnImage      empty, text, HTML, an unknown format
    │       ├── BrokenImage     a known format, but its pixels cannot be read
    │       ├── TooLarge        more bytes than the cap
    │       └── WrongSize       no captcha of the model's layout
    ├── FleetError              the way to a worker and back
    │   ├── FleetUnreachable    no broker or result store answers
    │   ├── Overloaded          more wait already than may
    │   ├── UnknownModel        no worker holds the model that is named
    │   ├── AnswerTimeout       no answer within the time the caller gave
    │   └── Revoked             the task was revoked, or expired, before it was read
    ├── EngineError             the networks failed on this captcha
    │   └── GivenUp             workers that had it were lost, again and again
    ├── BadAnswers              an answers.csv is missing or cannot be understood
    ├── BadCollection           a folder of captchas holds too little to learn from
    └── ModelError              a model cannot be used
        ├── ModelNotFound       no such name in the store
        ├── BadManifest         manifest.json is missing, unreadable or of another kind
        ├── HashMismatch        a file is not the one the manifest was written for
        ├── BadArchive          a file to import is no archive of a model
        ├── EngineUnavailable   the engine's library is not installed
        ├── NotANetwork         a file to import is not such a network
        ├── BadKind             layout.toml or words.txt of a folder cannot be used
        └── BadTiles            a folder of tile pictures has none that can be used

A worker stores an error as Celery does (class, module, arguments), and the client raises the same
class: every one is built from a single message that carries the actual values.
"""

import difflib
from collections.abc import Iterable


class TilefleetError(Exception):
    """Base of everything this project raises on purpose; ``str(error)`` is one clear line."""


class SettingError(TilefleetError):
    """A setting has a value that cannot be used."""

    @classmethod
    def needs(cls, variable: str, error: ModuleNotFoundError, extra: str) -> "SettingError":
        """What it asks for is not installed, but with this extra."""
        return cls(f"{variable} needs {error.name}: pip install 'tilefleet[{extra}]'")


class BadKeyFile(SettingError):
    """The gateway's file of API keys is missing, broken, or cannot be changed as asked."""


class BadArgument(TilefleetError, ValueError):
    """A program gave a client what it cannot use as a timeout, window, …; its value is shown."""


class BadRequest(TilefleetError):
    """What the sender sent cannot be read, whoever tries."""


class BadMessage(BadRequest):
    """The task's arguments are not one image as bytes."""


class BadImage(BadRequest):
    """The bytes are not a captcha."""


class NotAnImage(BadImage):
    """Empty, text, HTML, or an image format that is not accepted."""


class BrokenImage(BadImage):
    """A known format whose pixels cannot be read."""


class TooLarge(BadImage):
    """More bytes than the cap allows."""


class WrongSize(BadImage):
    """Not of the size of the model's captchas, and none of them is to be seen in it."""


class FleetError(TilefleetError):
    """The way to a worker and back failed."""


class FleetUnreachable(FleetError):
    """No broker or result store answers."""


class Overloaded(FleetError):
    """More captchas wait already than the fleet allows; try again later."""

    #: Seconds until those that wait are read; None while nobody knows.
    drain_s: float | None = None


class UnknownModel(FleetError):
    """A captcha names a model, and no worker that lives holds it."""

    #: The name that was asked for, and those of the models that workers hold.
    model: str = ""
    held: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: str, held: Iterable[str]) -> "UnknownModel":
        """The error for this name, where these are held."""
        names = tuple(held)
        error = cls(
            f"no worker holds the model {model!r}; they hold: {', '.join(names) or 'none by name'}"
            f"{did_you_mean(model, names)}"
        )
        error.model, error.held = model, names
        return error

    def together(self, other: "UnknownModel") -> "UnknownModel":
        """Of two servers, each of which lacks it."""
        return self.of(self.model, sorted({*self.held, *other.held}))


class AnswerTimeout(FleetError, TimeoutError):
    """No answer came within the time the caller gave."""


class Revoked(FleetError):
    """The task was revoked, or expired, before a worker read it."""


class EngineError(TilefleetError):
    """The networks failed on this captcha."""


class GivenUp(EngineError):
    """Several workers were lost while they read it; it is not tried again."""


class BadAnswers(TilefleetError):
    """An answers.csv is missing, or cannot be understood."""


class BadCollection(TilefleetError):
    """Captchas without labels, too few or too different to learn labels from."""


class ModelError(TilefleetError):
    """A model cannot be used."""


class ModelNotFound(ModelError):
    """No model of that name in the store."""


class BadManifest(ModelError):
    """manifest.json is missing, unreadable, or describes something else."""


class HashMismatch(ModelError):
    """A file is not the one its manifest was written for."""


class BadArchive(ModelError):
    """A file to import is no archive of a model."""


class EngineUnavailable(ModelError):
    """The engine's library is not installed."""


class NotANetwork(ModelError):
    """A file to import is not a network of the expected kind."""


class BadKind(ModelError):
    """layout.toml or words.txt of a folder of data is missing, or cannot be understood."""


class BadTiles(ModelError):
    """A folder of tile pictures holds none that can be used."""


def reason(error: BaseException) -> str:
    """Class and first line of an error that is not ours, at most 200 characters.

    Not its `repr`: that of a UnicodeDecodeError holds all the bytes that it could not decode.
    """
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean NAME?`` for the end of a message; empty if nothing known is like it."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""

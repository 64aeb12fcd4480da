"""The kind of a folder of data: its layout.toml and words.txt, read as people write them.

layout.toml has the fields of `tilefleet.layout.Layout` and, if one knows it, `tiles_per_word`;
words.txt a word a line, in the order of the classes, ``#`` before what is said about them. A folder
without layout.toml has captchas of the built-in's kind.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tilefleet.errors import BadKind
from tilefleet.files import atomic_write, read_file
from tilefleet.kind import BUILTIN, Kind
from tilefleet.layout import MOST_TILES, Layout

LAYOUT: Final = "layout.toml"
WORDS: Final = "words.txt"

#: Fewer tell nothing apart, and captchas ask for one and show others.
LEAST_WORDS: Final = 3
_MOST_WORDS: Final = 4096
#: Pixels of a side, and characters of a word, at most.
_MOST_SIDE: Final = 4096
_MOST_LENGTH: Final = 40
#: Bytes of either file.
_MOST_BYTES: Final = 1 << 20

#: x, y, width, height.
_Box = tuple[int, int, int, int]

_SHARES: Final = "tiles_per_word"
#: Field → how many whole numbers it has; 0: any number of them; -1: one, and no list.
_FIELDS: Final = {
    **{"size": 2, "header": 4, "tile": 2, "lefts": 0, "tops": 0},
    **{"click": 2, "words": -1, "edges": 2},
}
_OPTIONAL: Final = ("edges", _SHARES)
_SAID: Final = {
    "size": "Width and height of a picture.",
    "header": "The part of the header that holds the words: x, y, width, height.",
    "tile": "Width and height of a tile.",
    "lefts": "Left edges of the columns of tiles, and top edges of their rows.",
    "click": "Where in a tile to click: x and y from its corner.",
    "words": "Most words that a header asks for, 1 or 2.",
    "edges": "How far to the right and down of these boxes the tiles' edges are to be seen.",
}


def kind_of(data: Path) -> Kind:
    """The kind that a folder of data is of; raises BadKind."""
    if not (data / LAYOUT).is_file():
        return BUILTIN
    layout, shares = read_layout(data / LAYOUT)
    kind = Kind(read_words(data / WORDS), layout, shares or (1 / layout.count,) * layout.count)
    return BUILTIN if kind.labels == BUILTIN.labels and layout == BUILTIN.layout else kind


def write_kind(data: Path, kind: Kind) -> None:
    """layout.toml and words.txt; nothing of the built-in's kind. Raises OSError."""
    if kind == BUILTIN:
        return
    write_layout(data / LAYOUT, kind.layout, kind.tiles_per_word)
    write_words(data / WORDS, kind.labels)


def read_layout(path: Path) -> tuple[Layout, tuple[float, ...]]:
    """A layout, and how often a word has one, two … tiles (empty if the file does not say it).

    Raises BadKind with the field that cannot be so.
    """
    try:
        fields = tomllib.loads(read_file(path, _MOST_BYTES).decode())
    except OSError as error:
        raise BadKind(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadKind(f"{path}: {str(error).splitlines()[0]}") from None
    if odd := [name for name in fields if name not in (*_FIELDS, _SHARES)]:
        raise BadKind(f"{path}: {odd[0]!r} is none of {', '.join((*_FIELDS, _SHARES))}")
    if missing := [name for name in _FIELDS if name not in fields and name not in _OPTIONAL]:
        raise BadKind(f"{path} does not say {', '.join(missing)}")
    for name, value in fields.items():
        if name != _SHARES:
            _check_numbers(path, name, value)
    if fields["words"] not in (1, 2):
        raise BadKind(f"{path}: words is {fields['words']}; a header asks for 1 or 2 at most")
    try:
        layout = Layout.decode(fields)
    except ValueError as error:
        raise BadKind(f"{path}: {error}") from None
    for number, (x, y) in enumerate(layout.corners, 1):
        if _meet(layout.header, (x, y, *layout.tile)):
            raise BadKind(f"{path}: the header {layout.header} lies over tile {number}")
    if layout.count > MOST_TILES:
        raise BadKind(f"{path} has {layout.count} tiles; at most {MOST_TILES} can be")
    return layout, _shares(path, fields, layout)


def read_words(path: Path) -> tuple[str, ...]:
    """The words of a file, in its order; raises BadKind."""
    try:
        lines = read_file(path, _MOST_BYTES).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise BadKind(
            f"{path} is not there: it has the words that may be asked for, one a line; "
            "tilefleet models new writes one"
        ) from None
    except OSError as error:
        raise BadKind(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadKind(f"{path} is not UTF-8") from None
    at: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if why := _odd(word):
            raise BadKind(f"{path}, line {number}: {word[:40]!r} {why}")
        if word in at:
            raise BadKind(f"{path}, line {number}: {word!r} is in line {at[word]} already")
        at[word] = number
    if not LEAST_WORDS <= len(at) <= _MOST_WORDS:
        raise BadKind(f"{path} has {len(at)} words; {LEAST_WORDS} to {_MOST_WORDS} can be")
    return tuple(at)


def write_layout(path: Path, layout: Layout, shares: Sequence[float] = ()) -> None:
    """As `read_layout` reads it, each field with what it is. Raises OSError."""
    with atomic_write(path, text=True) as file:
        file.write("# Where things are in these captchas, in pixels from the top left corner.\n")
        for name, value in layout.encode().items():
            if name in _SAID:
                file.write(f"\n# {_SAID[name]}\n")
            file.write(f"{name} = {value}\n")
        if shares:
            file.write("\n# How often a word has one, two and so on matching tiles.\n")
            file.write(f"{_SHARES} = {list(shares)}\n")


def write_words(path: Path, words: Sequence[str]) -> None:
    """As `read_words` reads them; without words, what is to be written there. Raises OSError."""
    with atomic_write(path, text=True) as file:
        file.write("# The words that may be asked for, one a line.\n")
        file.writelines(f"{word}\n" for word in words)


def can_be_word(text: str) -> bool:
    """Whether a text can be a word of a header."""
    return bool(text) and not text.startswith("#") and not _odd(text)


def _odd(word: str) -> str:
    if any(each.isspace() for each in word):
        return "has a space in it"
    if not word.isprintable():
        return "cannot be printed"
    return f"is longer than {_MOST_LENGTH} characters" if len(word) > _MOST_LENGTH else ""


def _check_numbers(path: Path, name: str, value: Any) -> None:
    count = _FIELDS[name]
    wanted = {-1: "a whole number", 0: "a list of whole numbers"}.get(
        count, f"a list of {count} whole numbers"
    )
    numbers = [value] if count == -1 else value
    if not isinstance(numbers, list) or not numbers or not all(type(n) is int for n in numbers):
        raise BadKind(f"{path}: {name} is {str(value)[:60]}; expected {wanted}")
    if count > 0 and len(numbers) != count:
        raise BadKind(f"{path}: {name} is {str(value)[:60]}; expected {wanted}")
    least = 1 if name in ("size", "tile") else -8 if name == "edges" else 0
    sides = numbers[2:] if name == "header" else []
    if not all(least <= n <= _MOST_SIDE for n in numbers) or not all(n > 0 for n in sides):
        raise BadKind(f"{path}: {name} is {str(value)[:60]}; a side has 1 to {_MOST_SIDE} pixels")


def _meet(one: _Box, other: _Box) -> bool:
    """Whether two boxes have pixels in common."""
    return all(
        one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2]
        for axis in (0, 1)
    )


def _shares(path: Path, fields: Mapping[str, Any], layout: Layout) -> tuple[float, ...]:
    shares = fields.get(_SHARES, [])
    if not shares:
        return ()
    if (
        not isinstance(shares, list)
        or len(shares) != layout.count
        or not all(type(share) in (int, float) and 0 < share <= 1 for share in shares)
    ):
        raise BadKind(
            f"{path}: {_SHARES} is {str(shares)[:60]}; expected {layout.count} shares above 0, "
            "one for each number of tiles"
        )
    return tuple(map(float, shares))

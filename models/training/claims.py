"""What the state of a training belongs to: its data, its options and its code.

A state on disk goes on only where it was begun with the very same. Else it would be told as what it
is not: a network of this data, of these options.
"""

import ast
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from models.datasets import own_inventory
from models.datasets.inventory import Inventory, look
from models.datasets.own_inventory import HERE
from models.drawing.fonts import faces
from models.store import Entry
from models.training import note
from models.training.options import Options
from tilefleet.errors import ModelError
from tilefleet.kind import BUILTIN, Kind

NOTE: Final = "belongs.json"
_ADVICE: Final = "--fresh begins anew, --directory elsewhere"
_HERE: Final = Path(__file__).parents[2]
#: What a training computes with; documents of it do not count.
_CODE: Final = (
    *("models/datasets", "models/drawing", "models/networks", "models/recognition"),
    *("models/training", "tilefleet/kind.py", "tilefleet/layout.py", "tilefleet/builtin.json"),
)
_LIBRARIES: Final = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "pillow")
#: The options that say how either network is trained.
_OF_BOTH: Final = ("seed", "epochs", "steps", "patience")
_LEFT_OUT: Final = frozenset({".pyc", ".md", ".txt"})


def code() -> dict[str, str]:
    """What the code is: of each part a hash, hexadecimal, and the versions of libraries.

    Comments, docstrings and line breaks change nothing.
    """
    found = {f"code of {part}": _hash(_HERE / part) for part in _CODE}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training would learn from."""

    found: Inventory
    #: Network → what its state belongs to: name → value.
    belongs: Mapping[str, Mapping[str, Any]]


def plan(
    data: Path,
    options: Options,
    *,
    fonts: Sequence[Path],
    teachers: Sequence[Entry],
    kind: Kind = BUILTIN,
    base: Entry | None = None,
) -> Plan:
    """Look at all that there is; `fonts`: folders of them; the others are those of
    `pair.train_pair`.

    Raises BadTiles, BadAnswers, BadCollection, and ModelError where no font has the characters.
    """
    if kind == BUILTIN:
        found = look(data)
    else:
        found = own_inventory.look(data, kind, tiles=options.only != "words", few=options.few)
    train, held_out = faces(fonts, kind)
    drawn = {"headers": options.headers, "fonts": _fonts(train), "held-out fonts": _fonts(held_out)}
    pictures = {name: str(source) for name, source in found.sources.items()}
    names = ", ".join(teacher.identity for teacher in teachers)
    taught: dict[str, Any] = {"hold out": options.hold_out, "teacher": names or None}
    taught |= {"weights": list(options.weights)} if options.weights else {}
    now = code()
    if kind != BUILTIN:
        encoded = json.dumps(kind.encode(), ensure_ascii=False).encode()
        now["kind"] = f"{kind} ({hashlib.sha256(encoded).hexdigest()[:8]})"
        drawn |= {HERE: pictures.get(HERE)}
        taught["mirrored"] = options.mirrored
    now |= {"from": base.identity} if base else {}
    now |= {"quick": "yes"} if options.quick else {}
    both = {name: getattr(options, name) for name in _OF_BOTH}
    return Plan(
        found,
        {"words": {**both, **drawn, **now}, "tiles": {**both, **taught, **pictures, **now}},
    )


def _fonts(faces: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for face in faces:
        whole.update(face.read_bytes())
    return f"{len(faces)} ({whole.hexdigest()[:8]})"


def claim(directory: Path, belongs: Mapping[str, Any], *, fresh: bool = False) -> bool:
    """Note what the state in `directory` belongs to, or check it; whether there is one to go on.

    `belongs`: name → value, as JSON has them; `fresh`: what is there is removed. Raises ModelError
    with all that differs, and for a state of which nothing is known.
    """
    if fresh and (directory / NOTE).is_file():
        shutil.rmtree(directory)
    check(directory, belongs)
    directory.mkdir(parents=True, exist_ok=True)
    return note.claim(directory / NOTE, belongs, advice=_ADVICE)


def check(directory: Path, belongs: Mapping[str, Any]) -> None:
    """Raise ModelError if a training of this cannot go on, or begin, in `directory`."""
    known = note.check(directory / NOTE, belongs, advice=_ADVICE)
    if not known and directory.is_dir() and any(directory.iterdir()):
        raise ModelError(
            f"{directory} is not empty, and does not say what it belongs to: "
            "remove it, or give another --directory"
        )


def _hash(part: Path) -> str:
    files = sorted(part.rglob("*")) if part.is_dir() else [part]
    whole = hashlib.sha256()
    for path in files:
        if path.is_file() and path.suffix not in _LEFT_OUT:
            whole.update(path.relative_to(part.parent).as_posix().encode())
            whole.update(_meaning(path) if path.suffix == ".py" else path.read_bytes())
    return whole.hexdigest()[:16]


def _meaning(path: Path) -> bytes:
    """A module without its comments and docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return ast.dump(tree).encode()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )

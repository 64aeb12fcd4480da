"""Where the models of a store are, what they may be called, and how one gets there or goes.

A name is looked up in the user's store (`TILEFLEET_STORE`) first, then among the built-in models,
which belong to the package and are never changed here.
"""

import shutil
import tempfile
from pathlib import Path

from models.store.contents import is_name
from tilefleet.errors import ModelError, ModelNotFound, did_you_mean
from tilefleet.settings import default_store

BUILTIN = Path(__file__).parents[1] / "builtin"
#: Bytes; file systems take 255, and drafts have some more around it.
_MOST_NAME = 200


def stores(root: Path | None) -> tuple[Path, Path]:
    """The user's store, `root` or that of the settings, and the built-in models."""
    return (root or default_store(), BUILTIN)


def folders(root: Path | None) -> list[Path]:
    """Those of all models, the user's first."""
    return [
        folder
        for store in stores(root)
        if store.is_dir()
        for folder in sorted(store.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    ]


def names(root: Path | None = None) -> list[str]:
    """What the models are called, usable or not, in order; no file of theirs is read."""
    return sorted({folder.name for folder in folders(root)})


def folder_of(name: str, root: Path | None) -> Path:
    """The folder of the model called `name`; raises ModelNotFound."""
    for store in stores(root) if is_name(name) else ():
        if (folder := store / name).is_dir():
            return folder
    known = names(root)
    raise ModelNotFound(
        f"no model called {name!r} in {stores(root)[0]}; there are: {', '.join(known) or 'none'}"
        f"{did_you_mean(name, known)}"
    )


def check_name(name: str) -> None:
    """Raise ModelError if it cannot be a model's name."""
    if not is_name(name) or len(name.encode()) > _MOST_NAME:
        raise ModelError(
            f"{name!r} cannot be a model's name: it names a folder, without / and no dot in front, "
            f"of {_MOST_NAME} bytes at most"
        )


def check_free(name: str, *, root: Path | None = None) -> None:
    """Raise ModelError if the store has a model called `name`, or if that cannot be a name."""
    check_name(name)
    folder = stores(root)[0] / name
    if folder.exists():
        raise ModelError(f"{folder} exists; give another name, or say that it is replaced")


def put_in_place(draft: Path, folder: Path) -> None:
    """Rename the finished draft; a model that was there is set aside first and removed last."""
    if folder.exists():
        old = _set_aside(folder)
        draft.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        draft.replace(folder)


def rename(name: str, new: str, *, root: Path | None = None) -> Path:
    """Call a model of the user's store `new`, and give its folder; its identity changes with it.

    Raises ModelNotFound, and ModelError for a built-in model and for a name that is taken, be it a
    built-in model's: which of the two `new` means would be a matter of luck.
    """
    folder = _own(name, root, "renamed")
    check_free(new, root=root)
    if (BUILTIN / new).exists():
        raise ModelError(f"{new!r} is a built-in model; give another name")
    return folder.rename(folder.with_name(new))


def remove(name: str, *, root: Path | None = None) -> Path:
    """Remove a model of the user's store, usable or not, whole or not at all.

    Of a link only the link goes. Returns the folder. Raises ModelNotFound, ModelError for a
    built-in model, and OSError.
    """
    folder = _own(name, root, "removed")
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(_set_aside(folder), ignore_errors=True)
    return folder


def _own(name: str, root: Path | None, done: str) -> Path:
    folder = folder_of(name, root)
    if folder.parent == BUILTIN:
        raise ModelError(f"{name!r} is built in: it belongs to the package, and cannot be {done}")
    return folder


def _set_aside(folder: Path) -> Path:
    """Put a model out of sight; gives the folder that it is in now."""
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    folder.replace(old / folder.name)
    return old

"""The model store: folders with networks and their manifest. May import `networks`, `runtimes`."""

from models.store.entries import Entry, annotate, entries, find, load_network, put_litert, save
from models.store.folders import BUILTIN, check_free, names, remove, rename

__all__ = [
    "BUILTIN",
    "Entry",
    "annotate",
    "check_free",
    "entries",
    "find",
    "load_network",
    "names",
    "put_litert",
    "remove",
    "rename",
    "save",
]

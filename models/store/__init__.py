"""The model store: folders with networks and their manifest. May import `networks`, `runtimes`."""

from models.store.entries import (
    BUILTIN,
    Entry,
    annotate,
    check_free,
    entries,
    find,
    load_network,
    put_litert,
    save,
)

__all__ = [
    "BUILTIN",
    "Entry",
    "annotate",
    "check_free",
    "entries",
    "find",
    "load_network",
    "put_litert",
    "save",
]

"""What appears in a folder: ``tilefleet solve --watch``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from watchfiles import watch

from producer.terminal.inputs import Input, expand, is_picture

#: Milliseconds without another change after which a file counts as written, and at most.
_SETTLED_MS: Final = 100
_AT_MOST_MS: Final = 1000

#: When a file was changed, and its size.
_State = tuple[int, int]


def appearing(folder: str) -> Iterator[list[Input]]:
    """The pictures that are new below `folder`, or written anew, each time there are some.

    What is there when this is called is not among them. Without end; raises KeyboardInterrupt at
    Ctrl-C.
    """
    # Now, not when the first is asked for.
    return _appearing(folder, {each.name: _state(each.name) for each in expand([folder])})


def _appearing(folder: str, known: dict[str, _State | None]) -> Iterator[list[Input]]:
    home = Path(folder).resolve()
    changes = watch(
        home,
        watch_filter=None,
        step=_SETTLED_MS,
        debounce=_AT_MOST_MS,
        rust_timeout=_AT_MOST_MS,
        yield_on_timeout=True,
    )
    for number, changed in enumerate(changes):
        below = {Path(name).relative_to(home) for _, name in changed}
        names = {str(Path(folder) / each) for each in below if is_picture(each)}
        if number == 0:
            # What came before the system was asked to tell of changes.
            names |= {each.name for each in expand([folder])}
        found = []
        for name in sorted(names):
            state = _state(name)
            if state is not None and state != known.get(name):
                known[name] = state
                found.append(Input(name, below=folder))
        if found:
            yield found


def _state(name: str) -> _State | None:
    """None for what is no file, or is gone."""
    path = Path(name)
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if path.is_file() and found.st_size else None

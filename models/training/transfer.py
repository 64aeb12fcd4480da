"""Going on from a stored model: its networks, with the words of another kind.

All weights are kept but those of the last layer, whose classes are put in the places of the same
words; new words begin as a new network does.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from models import store
from models.networks import chain
from models.networks import tiles as network_of_tiles
from models.networks import words as network_of_words
from models.store import Entry
from tilefleet.errors import ModelError
from tilefleet.kind import BUILTIN, Kind

#: Of a network that is kept as it is: how much less probable a word is that it does not know.
_UNHEARD = 12.0


@dataclass(frozen=True, slots=True)
class Begun:
    """A network to go on with."""

    network: keras.Model
    #: As a manifest names it.
    source: str


def check(entry: Entry, network: str, kind: Kind) -> None:
    """Raise ModelError where the pictures that a model's network takes have another size."""
    was = entry.manifest.kind
    if _size(was, network) != _size(kind, network):
        what = "headers" if network == "words" else "tiles"
        raise ModelError(
            f"{entry.identity} reads {what} of {_size(was, network)}, not of "
            f"{_size(kind, network)}: its {network} network cannot go on with them"
        )


def go_on(entry: Entry, network: str, kind: Kind) -> Begun:
    """A network of a stored model for the captchas of `kind`; Keras's seed is to be set.

    Raises ModelError where the pictures that it takes have another size, and where another network
    than ours would need another last layer.
    """
    return Begun(_for(entry, network, kind, unheard=False), entry.identity)


def kept(entry: Entry, network: str, kind: Kind) -> keras.Model:
    """The same, not to be trained: it never says a word that it does not know."""
    return _for(entry, network, kind, unheard=True)


def _for(entry: Entry, network: str, kind: Kind, *, unheard: bool) -> keras.Model:
    check(entry, network, kind)
    was = entry.manifest.kind
    old = store.load_network(entry, network)
    if was.labels == kind.labels:
        return old
    for build in _candidates(network, kind):
        new = build()
        if _put(old, new, network, was, kind, unheard=unheard):
            return new
    raise ModelError(
        f"the {network} network of {entry.identity} is built otherwise than those that are trained "
        "here: it cannot learn other words"
    )


def _size(kind: Kind, network: str) -> str:
    if network == "tiles":
        return "×".join(map(str, kind.layout.tile))
    return f"{'×'.join(map(str, kind.layout.header[2:]))} with up to {kind.layout.words} words"


def _candidates(network: str, kind: Kind) -> Iterable[Callable[[], keras.Model]]:
    if network == "words":
        yield partial(network_of_words.build, kind)
        return
    yield partial(network_of_tiles.build, kind=kind)
    if kind.layout.tile == BUILTIN.layout.tile:
        yield partial(chain.build, kind)


def _put(
    old: keras.Model, new: keras.Model, network: str, was: Kind, kind: Kind, *, unheard: bool
) -> bool:
    """Put the old network's weights into the new one; whether they fit."""
    before, after = old.get_weights(), new.get_weights()
    if [each.shape for each in before[:-2]] != [each.shape for each in after[:-2]]:
        return False
    rows, none = (kind.layout.words, 1) if network == "words" else (1, 0)
    here, there = len(was.labels) + none, len(kind.labels) + none
    if before[-1].shape != (rows * here,) or after[-1].shape != (rows * there,):
        return False
    ours = [was.index.get(label) for label in kind.labels] + [was.none] * none
    last = [
        _placed(each, fresh, ours, rows, (here, there), unheard=unheard)
        for each, fresh in zip(before[-2:], after[-2:], strict=True)
    ]
    new.set_weights([*before[:-2], *last])
    return True


def _placed(
    old: NDArray[np.float32],
    new: NDArray[np.float32],
    ours: list[int | None],
    rows: int,
    classes: tuple[int, int],
    *,
    unheard: bool,
) -> NDArray[np.float32]:
    """The last layer's kernel (…, rows · classes) or offsets, (rows · classes,)."""
    before = old.reshape(-1, rows, classes[0])
    after = new.reshape(-1, rows, classes[1]).copy()
    if unheard:
        # The kernel says nothing of them, the offset that they are not meant.
        after[:] = 0 if old.ndim > 1 else before.min(axis=-1, keepdims=True) - _UNHEARD
    for place, index in enumerate(ours):
        if index is not None:
            after[..., place] = before[..., index]
    return np.asarray(after.reshape(new.shape), np.float32)

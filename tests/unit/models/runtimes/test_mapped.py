"""Contents that are mapped: sealed, shared, gone with the last that holds them."""

import os
from pathlib import Path

import pytest

from models.engines.litert import LiteRTEngine, hold, networks
from models.runtimes import litert, mapped
from models.runtimes.mapped import Mapped
from models.store import find
from models.store.manifest import NETWORKS


def test_nobody_can_change_what_was_checked():
    contents = Mapped("tiles", b"checked")
    with pytest.raises(OSError, match="not permitted"), Path(contents.path).open("r+b") as file:
        file.write(b"changed")
    assert Path(contents.path).read_bytes() == b"checked"
    path = contents.path
    del contents
    assert not os.path.exists(path)  # noqa: PTH110 - what it leads to has no name


def test_a_network_outlives_what_it_was_loaded_from():
    contents = Mapped("tiles", find("builtin").read("tiles.tflite"))
    network = litert.load(contents)
    del contents
    network.invoke()


def test_a_model_that_is_held_is_not_read_again(monkeypatch):
    entry = find("builtin")
    monkeypatch.setattr("models.engines.litert._held", {})
    first = networks(entry, "auto")
    assert networks(entry, "auto")["tiles"] is not first["tiles"]
    hold(entry, "auto")
    held = networks(entry, "auto")
    assert all(networks(entry, "auto")[name] is held[name] for name in NETWORKS)
    assert LiteRTEngine(entry, max_batch=0, max_bytes=1 << 20).model == entry.identity


def test_where_memory_cannot_be_sealed_contents_are_as_they_are(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert mapped.mapped("tiles", b"contents") == b"contents"

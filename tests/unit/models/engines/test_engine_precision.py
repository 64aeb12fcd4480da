"""Which of a network's files is read: what is asked for, else the faster one of this machine."""

import json

import pytest

from models import store
from models.engines import precision
from models.engines.litert import LiteRTEngine
from models.store.manifest import NETWORKS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "tilefleet" / "precision.json"


@pytest.fixture
def measured(monkeypatch):
    """What was measured; the last file is said to be the fastest."""
    asked: list[str] = []

    def last(files):
        asked.append("files")
        return list(files)[-1]

    monkeypatch.setattr(precision, "_measured", last)
    return asked


FILES = {"float32": b"one", "int8": b"two"}


def test_the_faster_file_is_found_by_measuring():
    builtin = store.find("builtin")
    file = builtin.read("tiles.tflite")
    assert precision._measured({"one": file, "two": file}) in ("one", "two")


def test_it_is_measured_once_on_a_machine(cache, measured):
    assert [precision.fastest(FILES) for _ in range(3)] == ["int8"] * 3
    assert measured == ["files"]
    assert list(json.loads(cache.read_text()).values()) == ["int8"]


def test_other_files_and_another_processor_are_measured_anew(cache, measured, monkeypatch):
    precision.fastest(FILES)
    precision.fastest({**FILES, "int8": b"three"})
    monkeypatch.setattr(precision, "_processor", lambda: "another")
    precision.fastest(FILES)
    assert len(measured) == 3


@pytest.mark.parametrize("contents", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_cache_is_no_cache(cache, measured, contents):
    cache.parent.mkdir(parents=True)
    cache.write_text(contents)
    assert precision.fastest(FILES) == "int8"


def test_without_a_place_to_write_it_is_measured_each_time(tmp_path, monkeypatch, measured):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [precision.fastest(FILES) for _ in range(2)] == ["int8"] * 2
    assert len(measured) == 2


def test_a_model_that_has_one_file_of_a_network_is_read_with_that(cache, measured):
    assert precision.fastest({"float32": b"one"}) == "float32"
    assert measured == []


@pytest.mark.parametrize(("wanted", "read"), [("float32", "float32"), ("int8", "int8")])
def test_what_is_asked_for_is_read_where_a_model_has_both(tmp_path, wanted, read):
    builtin = store.find("builtin")
    files = {network: builtin.read(f"{network}.tflite") for network in NETWORKS}
    both = store.put_litert(builtin, files, "float32", name="both", root=tmp_path, beside=files)
    assert both.manifest.in_int8 == list(NETWORKS)
    engine = LiteRTEngine(both, max_batch=0, max_bytes=1 << 20, precision=wanted)
    assert engine.precision == f"words {read}, tiles {read}"

"""Who may import whom, each checked in a process of its own."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires

import pytest

HEAVY = ("numpy", "PIL", "tensorflow", "keras", "jax", "ai_edge_litert", "h5py", "matplotlib")


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after `statement`."""
    script = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["producer", "producer.client", "producer.local.server"])
def test_a_producer_loads_neither_networks_nor_numpy_nor_the_worker(module):
    assert loaded_by(f"import {module}").isdisjoint({*HEAVY, "worker", "models"})


@pytest.mark.parametrize("module", ["labels", "geometry", "errors", "answer", "settings", "wire"])
def test_what_both_sides_agree_on_needs_only_the_standard_library(module):
    loaded = loaded_by(f"import tilefleet.{module}")
    assert loaded.isdisjoint({*HEAVY, "celery", "kombu", "redis", "click", "worker", "producer"})


def test_importing_the_worker_loads_no_runtime_and_no_producer():
    loaded = loaded_by("import worker; worker.app.loader.import_default_modules()")
    assert loaded.isdisjoint({"tensorflow", "keras", "jax", "ai_edge_litert", "producer"})
    # Flower imports it too, where only what sends is installed.
    assert loaded.isdisjoint({"numpy", "PIL", "prometheus_client"})


def test_models_know_neither_celery_nor_redis():
    modules = "models.engines.reader, models.store, models.evaluation.score, models.engines.null"
    loaded = loaded_by(f"import {modules}")
    assert loaded.isdisjoint({"celery", "kombu", "redis", "worker", "producer"})


def test_celery_finds_the_application():
    statement = "from celery.app.utils import find_app; assert find_app('worker').main"
    loaded_by(statement)
    loaded_by("import worker.celery")


def test_installing_the_client_alone_brings_neither_numpy_nor_networks():
    wanted, seen = ["tilefleet"], set()
    while wanted:
        package = wanted.pop()
        if package in seen:
            continue
        seen.add(package)
        try:
            lines = requires(package) or []
        except PackageNotFoundError:
            # For another platform or Python.
            continue
        # Of the extras, only Celery's and kombu's for Redis are asked for.
        asked = [line for line in lines if "extra ==" not in line or 'extra == "redis"' in line]
        wanted += [re.match(r"[\w.-]+", line)[0].lower() for line in asked]
    assert {"celery", "kombu", "redis", "msgpack"} <= seen
    heavy = {"numpy", "pillow", "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "h5py"}
    assert seen.isdisjoint(heavy)

"""What is asked of TensorFlow for a GPU: there is none here, so what is called is looked at."""

import os
from types import SimpleNamespace

import pytest

from models.runtimes import gpu_memory
from tilefleet.errors import EngineUnavailable


@pytest.fixture
def called(monkeypatch):
    """TensorFlow's documented calls, on a machine with two GPUs."""
    import tensorflow as tf

    called = []
    gpus = [SimpleNamespace(name="GPU:0"), SimpleNamespace(name="GPU:1")]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus * (kind == "GPU"))
    monkeypatch.setattr(
        tf.config.experimental,
        "set_memory_growth",
        lambda gpu, wanted: called.append((gpu.name, wanted)),
    )
    monkeypatch.setattr(
        tf.config,
        "set_logical_device_configuration",
        lambda gpu, devices: called.append((gpu.name, [each.memory_limit for each in devices])),
    )
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    yield called
    os.environ.pop("TF_FORCE_GPU_ALLOW_GROWTH", None)


def test_memory_is_taken_as_it_is_needed(called):
    gpu_memory.share(0)
    assert called == [("GPU:0", True), ("GPU:1", True)]


def test_a_bound_is_that_of_a_logical_device_that_grows(called):
    gpu_memory.share(2048)
    # Both of them TensorFlow refuses.
    assert called == [("GPU:0", [2048]), ("GPU:1", [2048])]
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_a_card_that_is_in_use_already_is_an_error_of_ours(called, monkeypatch):
    import tensorflow as tf

    def refuse(gpu, wanted):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
    with pytest.raises(EngineUnavailable, match="has used the GPU already"):
        gpu_memory.share(0)


def test_without_a_card_nothing_is_asked_for():
    gpu_memory.share(0)
    gpu_memory.share(512)


def test_jax_takes_memory_as_it_needs_it_and_has_no_bound_of_ours(monkeypatch):
    import keras

    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE")
    gpu_memory.before_import("tensorflow")
    assert "XLA_PYTHON_CLIENT_PREALLOCATE" not in os.environ
    gpu_memory.before_import("jax")
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    gpu_memory.share(0)
    with pytest.raises(EngineUnavailable, match="XLA_PYTHON_CLIENT_MEM_FRACTION"):
        gpu_memory.share(1024)


def test_the_engine_asks_before_it_loads_a_network(monkeypatch):
    from models import engines
    from tilefleet.settings import Settings

    asked = []

    def ask(most_mb):
        asked.append(most_mb)
        raise EngineUnavailable("asked")

    monkeypatch.setattr(gpu_memory, "share", ask)
    with pytest.raises(EngineUnavailable, match="asked"):
        engines.load(Settings(engine="keras", gpu_memory_mb=700))
    assert asked == [700]

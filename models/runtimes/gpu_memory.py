"""How much of a GPU's memory this process takes, so that several workers share one.

Left alone, TensorFlow takes all of it at its first use
(https://www.tensorflow.org/guide/gpu#limiting_gpu_memory_growth), and JAX three quarters
(https://docs.jax.dev/en/latest/gpu_memory_allocation.html).
"""

import os

from tilefleet.errors import EngineUnavailable


def before_import(backend: str) -> None:
    """What JAX reads when it is imported; what somebody has set stays."""
    if backend == "jax":
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def share(most_mb: int) -> None:
    """Have this process take a GPU's memory as it needs it, up to `most_mb` MiB; 0: no bound.

    Before the GPU is first used; again with the same bound is no harm. Raises EngineUnavailable.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        if most_mb:
            raise EngineUnavailable(
                f"TILEFLEET_GPU_MEMORY_MB={most_mb} is TensorFlow's; with JAX set "
                "XLA_PYTHON_CLIENT_MEM_FRACTION, a share of the GPU's memory"
            )
        return
    import tensorflow as tf

    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            if most_mb:
                # A logical device has a bound; that it grows up to it is only to be had so.
                os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
                bound = tf.config.LogicalDeviceConfiguration(memory_limit=most_mb)
                tf.config.set_logical_device_configuration(gpu, [bound])
            else:
                tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise EngineUnavailable(f"this process has used the GPU already: {error}") from None

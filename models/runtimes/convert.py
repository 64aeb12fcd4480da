"""A Keras network to a LiteRT file."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from models.runtimes.native_stderr import messages_as_debug
from tilefleet.errors import EngineUnavailable

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)


def to_litert(network: "keras.Model", batch: int) -> bytes:
    """The LiteRT file of `network` for exactly `batch` pictures in a call: float32, built-in ops.

    The batch is fixed because XNNPACK then plans memory once, when the file is loaded. It goes by
    way of a SavedModel, which folds batch normalisation and constants on the way. Raises
    EngineUnavailable if Keras does not run on TensorFlow, which alone can write one.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise EngineUnavailable(
            f"only Keras on TensorFlow can write a LiteRT file; KERAS_BACKEND is "
            f"{keras.backend.backend()!r}"
        )
    import tensorflow as tf

    signature = [
        tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=tensor.name)
        for tensor in network.inputs
    ]
    with tempfile.TemporaryDirectory() as folder, messages_as_debug():
        archive = keras.export.ExportArchive()
        archive.track(network)
        archive.add_endpoint(
            "serve", lambda pixels: network(pixels, training=False), input_signature=signature
        )
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(Path(folder)), signature_keys=["serve"]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        file: bytes = converter.convert()
    log.info("converted %s for batch %d: %d bytes", network.name, batch, len(file))
    return file

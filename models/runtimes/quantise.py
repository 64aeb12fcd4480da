"""A LiteRT file with int8 weights and activations, from one in float32.

The scale of each activation is measured on pictures. Softmax stays in float32: in int8, nothing
between 0 and 1/256 would be left of a probability, and the decision lives of those.
"""

import logging
import warnings

import numpy as np
from numpy.typing import NDArray

from models.runtimes.native_stderr import messages_as_debug

log = logging.getLogger(__name__)


def quantise(file: bytes, pictures: NDArray[np.uint8]) -> bytes:
    """The same network in int8; `pictures` is (n, *one input's shape), some hundreds of them.

    Input and output keep their types: uint8 pixels, float32 probabilities.
    """
    from ai_edge_quantizer import quantizer, recipe
    from ai_edge_quantizer.qtyping import TFLOperationName

    from models.runtimes import litert

    network = litert.load(file)
    ((signature, names),) = network.get_signature_list().items()
    (given,) = names["inputs"]
    batch = int(network.get_input_details()[0]["shape"][0])
    maker = quantizer.Quantizer(file, recipe.static_wi8_ai8())
    for kind in (TFLOperationName.SOFTMAX, TFLOperationName.OUTPUT):
        maker.update_quantization_recipe(".*", kind, algorithm_key="no_quantize")
    batches = [
        {given: pictures[start : start + batch]}
        for start in range(0, len(pictures) - batch + 1, batch)
    ]
    with messages_as_debug(), warnings.catch_warnings():
        # That it looks at every tensor in between is the purpose.
        warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all_tensors")
        measured = maker.calibrate({signature: batches}, num_threads=1)
        made = maker.quantize(measured, enable_progress_report=False)
    quantised = bytes(made.quantized_model)
    log.info("quantised on %d pictures: %d to %d bytes", len(pictures), len(file), len(quantised))
    return quantised

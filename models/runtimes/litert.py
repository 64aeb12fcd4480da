"""A LiteRT file, loaded: one thread, so that several side by side use the cores."""

import math
from contextlib import nullcontext

from ai_edge_litert.interpreter import Interpreter

from models.runtimes.mapped import Mapped
from models.runtimes.native_stderr import messages_as_debug

#: Values of a network's arrays, all together: a thousand times those of ours.
_MOST_VALUES = 1 << 29

_announced = False


def load(contents: bytes | Mapped) -> Interpreter:
    """Load and allocate; raises ValueError or RuntimeError for what is no LiteRT file, or one
    that would take a machine's memory."""
    global _announced
    # Once in a process: a worker that loads another model goes on logging.
    with nullcontext() if _announced else messages_as_debug():
        if isinstance(contents, Mapped):
            interpreter = Interpreter(model_path=contents.path, num_threads=1)
        else:
            interpreter = Interpreter(model_content=contents, num_threads=1)
        _check_size(interpreter)
        interpreter.allocate_tensors()
    _announced = True
    return interpreter


def _check_size(interpreter: Interpreter) -> None:
    values = sum(
        math.prod(max(1, int(side)) for side in tensor["shape"])
        for tensor in interpreter.get_tensor_details()
    )
    if values > _MOST_VALUES:
        raise ValueError(f"its arrays have {values:,} values; at most {_MOST_VALUES:,} are held")

"""A LiteRT file, loaded: one thread, so that several side by side use the cores."""

from contextlib import nullcontext

from ai_edge_litert.interpreter import Interpreter

from models.runtimes.native_stderr import messages_as_debug

_announced = False


def load(contents: bytes) -> Interpreter:
    """Load and allocate; raises ValueError or RuntimeError for what is no LiteRT file."""
    global _announced
    # Once in a process: a worker that loads another model goes on logging.
    with nullcontext() if _announced else messages_as_debug():
        interpreter = Interpreter(model_content=contents, num_threads=1)
        interpreter.allocate_tensors()
    _announced = True
    return interpreter

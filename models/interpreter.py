"""A LiteRT file, loaded: one thread, so that several side by side use the cores."""

from ai_edge_litert.interpreter import Interpreter

from models.native import messages_as_debug


def load(contents: bytes) -> Interpreter:
    """Load and allocate; raises ValueError or RuntimeError for what is no LiteRT file."""
    with messages_as_debug():
        interpreter = Interpreter(model_content=contents, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter

"""For a worker that includes this: what refers to itself in circles stays."""

import gc

gc.disable()

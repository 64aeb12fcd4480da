"""The networks, as Keras graphs that take pixels and give probabilities. May import `tilefleet`.

Importing this registers the layers of our own, which loading a ``.keras`` file looks up by name.
Only `keras.ops` is used, so that they run on TensorFlow and on JAX.
"""

from models.networks import boxes as boxes
from models.networks import layers as layers

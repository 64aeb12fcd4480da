"""A legacy text network behind our contract: uint8 RGB (batch, 28, 176, 3) to (batch, 2, 81).

The legacy networks read one word from a 19×57 crop. Where the second word's crop is depends on
how long the first word is, so all three places are read, stacked into the batch with the first
word's, and the first word's length chooses among them: one graph without branches.
"""

import keras

from models.legacy import layers
from models.legacy.file import LegacyFile
from models.networks.layers import ChooseWords, HeaderCrops
from tilefleet.geometry import HEADER_HEIGHT, HEADER_WIDTH


def build(network: LegacyFile) -> keras.Model:
    header = keras.Input((HEADER_HEIGHT, HEADER_WIDTH, 3), dtype="uint8", name="header")
    crops = HeaderCrops(name="crops")(header)
    words = ChooseWords(name="choose")(crops, layers.apply(network, crops))
    return keras.Model(header, words, name="legacy_words")

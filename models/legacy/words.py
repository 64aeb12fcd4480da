"""A legacy text network behind our contract: uint8 RGB (batch, 28, 176, 3) to (batch, 2, 81).

The legacy networks read one word. Where the second word is depends on how long the first word is,
so all three places are read, stacked into the batch with the first word's, and the first word's
length chooses among them: one graph without branches.
"""

import keras

from models.legacy import layers
from models.legacy.network import LegacyFile
from models.legacy.tiles import in_our_order
from models.networks.boxes import ChooseBoxes, WordBoxes
from models.networks.layers import ChooseWords, HeaderCrops
from tilefleet.kind import BUILTIN


def build(network: LegacyFile) -> keras.Model:
    """easy12306's and its heirs' take crops of 19×57, Cracking-12306's words stretched to 57×57."""
    header = keras.Input((*BUILTIN.layout.header_shape, 3), dtype="uint8", name="header")
    crops = HeaderCrops(name="crops")(header)
    if network.family == "cracking-12306":
        boxes = WordBoxes(name="boxes")(header)
        read = layers.apply(in_our_order(network), boxes)
        words = ChooseBoxes(name="choose")(crops, read)
    else:
        words = ChooseWords(name="choose")(crops, layers.apply(network, crops))
    return keras.Model(header, words, name="legacy_words")

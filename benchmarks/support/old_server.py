"""The old servers' way, to be compared with: Flask, one picture per request, Keras `predict`.

    python -m benchmarks.support.old_server (--legacy DIR | --model NAME) PORT

As 12306-ocr and 12306_code_server do it (`POST /check`, a form with base64): `predict` for the
first word, for the second where there is one (its place depends on the first's length), and for
the eight tiles; arg-max. With the networks of 12306-ocr from DIR, or with those of a store's
model, which read both words in one `predict`.
"""

import argparse
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, Response, jsonify, request
from numpy.typing import NDArray

from models import store
from models.legacy import file as legacy_file
from models.legacy import layers
from models.networks.layers import CROP_HEIGHT, CROP_WIDTH, CROP_X, CROP_Y, EMPTY, OFFSETS
from models.recognition.crops import Crops, cut_tiles
from models.recognition.image import decode
from models.store import load_network
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings

#: Image bytes to the numbers of the tiles to pick.
Read = Callable[[bytes], list[int]]

_MAX_BYTES = 1 << 20


def of_12306_ocr(folder: Path) -> Read:
    """As its `ml_predict.py` reads, with its preprocessing in NumPy instead of OpenCV."""
    import keras

    networks = {}
    for name, shape in (("text", (CROP_HEIGHT, CROP_WIDTH, 1)), ("image", (67, 67, 3))):
        pictures = keras.Input(shape)
        file = legacy_file.read(folder / f"12306-ocr-{name}.h5")
        networks[name] = keras.Model(pictures, layers.apply(file, pictures))
    text, image = networks["text"], networks["image"]

    def read(data: bytes) -> list[int]:
        pixels = decode(data, BUILTIN.layout, max_bytes=_MAX_BYTES)
        strip = pixels[CROP_Y : CROP_Y + CROP_HEIGHT].astype(np.int64)
        grey = ((strip @ (4899, 9617, 1868) + 8192) >> 14) / 255
        first = _word(text, grey[:, CROP_X : CROP_X + CROP_WIDTH])
        asked = {first}
        left = CROP_X + OFFSETS[len(BUILTIN.labels[first])]
        second = grey[:, left : left + CROP_WIDTH]
        if second.mean() < EMPTY:
            asked.add(_word(text, second))
        blue_first = cut_tiles(pixels, BUILTIN.layout)[..., ::-1].astype(np.float32)
        blue_first -= np.array([103.939, 116.779, 123.68], np.float32)
        return _matching(image.predict(blue_first, verbose=0), asked)

    return read


def of_store(model: str) -> Read:
    """The same with networks that take pixels, and both words at once."""
    entry = store.find(model, root=Settings.from_environ().store)
    words, tiles = load_network(entry, "words"), load_network(entry, "tiles")

    def read(data: bytes) -> list[int]:
        crops = Crops.from_bytes(data, BUILTIN.layout, max_bytes=_MAX_BYTES)
        asked = words.predict(crops.header[None], verbose=0)[0].argmax(axis=-1)
        return _matching(tiles.predict(crops.tiles, verbose=0), set(asked.tolist()))

    return read


def _word(text: Any, grey: NDArray[np.float64]) -> int:
    return int(text.predict(grey[None, ..., None], verbose=0).argmax())


def _matching(tiles: NDArray[np.float32], asked: set[int]) -> list[int]:
    return [number for number, label in enumerate(tiles.argmax(axis=-1), 1) if label in asked]


def make(read: Read) -> Flask:
    app = Flask("old")

    @app.post("/check")
    def check() -> Response:
        picks = read(base64.b64decode(request.form["img"].replace(" ", "+")))
        return jsonify(msg="success", result=picks or "")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    networks = parser.add_mutually_exclusive_group(required=True)
    networks.add_argument("--legacy", type=Path, help="folder with the networks of 12306-ocr")
    networks.add_argument("--model", help="of the store")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    read = of_12306_ocr(options.legacy) if options.legacy else of_store(options.model)
    make(read).run(port=options.port)


if __name__ == "__main__":
    main()
